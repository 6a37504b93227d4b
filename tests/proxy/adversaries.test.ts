// Clients that speak PostgreSQL well, and in an order that nobody thinks of: what they get is theirs, and what they leave harms nobody.

import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { cancelRequest } from '../../packages/proxy/src/wire/pg/write.ts';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';
import { bind, cells, copyData, execute, prepare, query, sync, terminate } from './support/messages.ts';
import { WireClient } from './support/wire-client.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());
beforeEach(async () => {
  const client = new pg.Client({
    host: server.host, port: server.port, user: server.user, password: server.password, database: server.database,
  });
  await client.connect();
  await client.query(`
    DROP VIEW IF EXISTS seen; DROP TABLE IF EXISTS kept; CREATE TABLE kept (id int); CREATE VIEW seen AS SELECT 1 AS id;
  `);
  await client.end();
});

const PATIENCE = { timeout: 20_000 };
const READY = 0x5a;
const one = (lines: readonly string[] = []): Promise<Bouncer> =>
  startBouncer(server, ['auth_type = trust', 'default_pool_size = 1', ...lines]);
const arrive = (bouncer: Bouncer): Promise<WireClient> =>
  WireClient.connect({ host: '127.0.0.1', port: bouncer.port, user: server.user, database: 'main' });

/** The rows that came, and how often the server said that it is ready, since this was last asked. */
function taken(client: WireClient): { rows: (string | null)[][]; ready: number } {
  const came = client.messages.splice(0);
  return {
    rows: came.filter(({ type }) => type === 0x44).map(({ body }) => cells(body)), ready: came.filter(({ type }) => type === READY).length,
  };
}

async function told(client: WireClient, bytes: Buffer, ready: number): Promise<(string | null)[][]> {
  const before = client.count(READY);
  await client.send(bytes);
  await client.until(() => client.count(READY) >= before + ready);
  return taken(client).rows;
}

it('tells answers apart behind a COPY that fails before the Sync behind it was read', async () => {
  await using bouncer = await one();
  const [odd, first, second] = [await arrive(bouncer), await arrive(bouncer), await arrive(bouncer)];
  for (const each of [odd, first, second]) taken(each);
  await told(odd, Buffer.concat([prepare('', 'COPY seen FROM STDIN'), bind('', ''), execute(''), sync()]), 1);
  // And once more, with a query whose answer comes late, while others ask as well.
  const mine = told(odd, Buffer.concat([sync(), query("SELECT 'mine' FROM pg_sleep(0.5)")]), 2);
  const theirs = [told(first, query("SELECT 'of the first'"), 1), told(second, query("SELECT 'of the second'"), 1)];
  expect(await mine).toEqual([['mine']]);
  expect(await Promise.all(theirs)).toEqual([[['of the first']], [['of the second']]]);
});

it.each([
  ['a simple COPY and a Sync in one breath', [query('COPY seen FROM STDIN'), sync()]],
  ['a COPY whose data is bad, and a Sync behind it', [query('COPY kept FROM STDIN'), copyData('bad\n'), sync()]],
])('gives the server connection back behind %s', async (_what, messages) => {
  await using bouncer = await one();
  const [odd, next] = [await arrive(bouncer), await arrive(bouncer)];
  taken(next);
  await told(odd, Buffer.concat(messages), 1);
  for (let n = 0; n < 3; n++) {
    expect(await told(next, query(`SELECT 'next ${n}'`), 1)).toEqual([[`next ${n}`]]);
    taken(odd);
    expect(await told(odd, query(`SELECT 'odd ${n}'`), 1)).toContainEqual([`odd ${n}`]);
  }
});

it('repeats nothing that has run when a plan is another one in a pipeline of several', async () => {
  await using bouncer = await one(['max_prepared_statements = 100']);
  const [client, changer] = [await arrive(bouncer), await arrive(bouncer)];
  await told(changer, query('INSERT INTO kept VALUES (1)'), 1);
  await told(client, Buffer.concat([prepare('read', 'SELECT * FROM kept'), bind('', 'read'), execute(''), sync()]), 1);
  await told(client, Buffer.concat([prepare('write', 'INSERT INTO kept (id) VALUES (2)'), sync()]), 1);
  await told(changer, query('ALTER TABLE kept ADD COLUMN more int'), 1);
  const both = [bind('', 'read'), execute(''), sync(), bind('', 'write'), execute(''), sync()];
  await told(client, Buffer.concat(both), 2);
  expect(client.lastError?.get('M')).toBe('cached plan must not change result type');
  expect(await told(changer, query('SELECT count(*) FROM kept WHERE id = 2'), 1)).toEqual([['1']]);
});

it.each([
  ['SET behind which it goes at once', [query("SET statement_timeout = '54321'"), terminate()]],
  ['SET together with one that follows it', [query("SET statement_timeout = '54321'; SET application_name = 'zzz'"), terminate()]],
  ['SET inside of a transaction', [query("BEGIN; SET statement_timeout = '54321'; COMMIT"), terminate()]],
  ['LISTEN behind which it goes at once', [query('LISTEN news'), terminate()]],
])('lends nothing on of a client that keeps its connection: %s', async (_what, messages) => {
  await using bouncer = await one(['session_features = pin']);
  const client = await arrive(bouncer);
  await client.send(Buffer.concat(messages));
  const next = await arrive(bouncer);
  taken(next);
  const sql = "SELECT current_setting('statement_timeout'), (SELECT count(*) FROM pg_listening_channels())";
  expect(await told(next, query(sql), 1)).toEqual([['0', '0']]);
});

it('lets no cancel stay that has been done', async () => {
  await using bouncer = await one(['max_client_conn = 5']);
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect({ host: '127.0.0.1', port: bouncer.port, allowHalfOpen: true }).on('error', () => undefined).resume();
    socket.write(cancelRequest(Buffer.alloc(8, 7)));
    return socket;
  });
  await expect.poll(() => bouncer.proxy.clients.size, PATIENCE).toBe(0);
  for (const socket of sockets) socket.destroy();
});

it('lets no client stay that does not read what it is told last', async () => {
  await using bouncer = await one(['query_timeout = 0.5', 'default_pool_size = 3']);
  const clients = [await arrive(bouncer), await arrive(bouncer)];
  for (const client of clients) {
    await client.send(query("SELECT repeat('x', 1000000) FROM generate_series(1, 200)"));
    client.socket.pause();
  }
  await expect.poll(() => bouncer.proxy.clients.size, PATIENCE).toBe(0);
  for (const client of clients) client.vanish();
});

it('keeps nothing of databases that somebody asks for who is nobody', async () => {
  await using bouncer = await startBouncer(server, [], [`* = host=${server.host} port=${server.port}`]);
  for (const name of ['first', 'x'.repeat(5_000)]) {
    const client = WireClient.dial({ host: '127.0.0.1', port: bouncer.port, user: 'nobody', database: name });
    await client.until(() => client.messages.length > 0);
    client.vanish();
  }
  expect([...bouncer.proxy.router.databases.keys()]).toEqual([]);
});

it('forgets a database of the * entry that nobody has used for long', async () => {
  await using bouncer = await startBouncer(server, ['autodb_idle_timeout = 0.05'], [`* = host=${server.host} port=${server.port}`]);
  const { router, clients } = bouncer.proxy;
  const client = bouncer.client({ database: server.database });
  await client.connect();
  const look = (): string[] => {
    router.forgetIdle(new Set([...clients.values()].map(({ database }) => database)));
    return [...router.databases.keys()];
  };
  expect(look()).toEqual([server.database]);
  await client.end();
  await expect.poll(look, PATIENCE).toEqual([]);
  expect(router.pools.size).toBe(0);
});
