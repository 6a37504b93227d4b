// Clients of the proxy in every pool mode, on a real server.

import { connect } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBouncer, startPostgres, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const pidOf = async (client: pg.Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;

describe.each(['session', 'transaction', 'statement'])('pool_mode = %s', (mode) => {
  it('answers simple and extended queries, errors, and goes on after them', async () => {
    await using bouncer = await startBouncer(server, [`pool_mode = ${mode}`]);
    const client = bouncer.client();
    await client.connect();
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect((await client.query('SELECT $1::int + 1 AS two', [1])).rows).toEqual([{ two: 2 }]);
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('SELECT $1::int / 0', [1])).rejects.toMatchObject({ code: '22012' });
    expect((await client.query({ name: 'mine', text: 'SELECT $1::text AS said', values: ['hello'] })).rows).toEqual([{ said: 'hello' }]);
    expect((await client.query({ name: 'mine', text: 'SELECT $1::text AS said', values: ['again'] })).rows).toEqual([{ said: 'again' }]);
    const rows = await client.query("SELECT i, repeat('x', 1000) AS filling FROM generate_series(1, 20000) AS i");
    expect(rows.rowCount).toBe(20_000);
    await client.end();
  });
});

it('lends a server connection for a transaction, and the same to the next client', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const [one, two] = [bouncer.client(), bouncer.client()];
  await Promise.all([one.connect(), two.connect()]);
  const pid = await pidOf(one);
  expect(await pidOf(two)).toBe(pid);
  await one.query('BEGIN');
  let served = false;
  const waiting = pidOf(two).then((answer) => {
    served = true;
    return answer;
  });
  expect(await pidOf(one)).toBe(pid);
  expect(served).toBe(false);
  expect((await bouncer.admin('SHOW POOLS'))[0]).toMatchObject({ database: 'main', cl_waiting: 1, sv_active: 1, sv_idle: 0 });
  await one.query('COMMIT');
  expect(await waiting).toBe(pid);
  await Promise.all([one.end(), two.end()]);
});

it('keeps a server connection for a client in session mode, and cleans it for the next', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1', 'pool_mode = session']);
  const one = bouncer.client();
  await one.connect();
  const pid = await pidOf(one);
  await one.query("SET search_path TO 'elsewhere'; CREATE TEMP TABLE mine (id int)");
  await one.end();
  const two = bouncer.client();
  await two.connect();
  expect(await pidOf(two)).toBe(pid);
  expect((await two.query("SELECT current_setting('search_path') AS path, to_regclass('mine') AS mine")).rows)
    .toEqual([{ path: '"$user", public', mine: null }]);
  await two.end();
});

it('ends a client that begins a transaction in statement mode', async () => {
  await using bouncer = await startBouncer(server, ['pool_mode = statement']);
  const client = bouncer.client();
  await client.connect();
  await expect(client.query('BEGIN')).rejects.toThrow('transaction blocks not allowed in statement pooling mode');
});

it('gives prepared statements of many clients one name per server, and prepares them where they are missing', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 2']);
  const clients = Array.from({ length: 6 }, () => bouncer.client());
  await Promise.all(clients.map((client) => client.connect()));
  const ask = (client: pg.Client, n: number): Promise<pg.QueryResult<{ twice: number }>> =>
    client.query({ name: 'twice', text: 'SELECT $1::int * 2 AS twice', values: [n] });
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(clients.map((client, n) => ask(client, n + round)));
    expect(answers.map(({ rows }) => rows[0])).toEqual(clients.map((_, n) => ({ twice: (n + round) * 2 })));
  }
  const { rows } = await clients[0]!.query('SELECT count(*)::int AS prepared FROM pg_prepared_statements');
  expect(rows).toEqual([{ prepared: 1 }]);
  await Promise.all(clients.map((client) => client.end()));
});

it('lets the parameters of a client follow it to another server connection', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const [one, two] = [bouncer.client({ application_name: 'first' }), bouncer.client({ application_name: 'second' })];
  await Promise.all([one.connect(), two.connect()]);
  await one.query("SET TimeZone TO 'Asia/Tokyo'");
  const seen = async (client: pg.Client): Promise<{ name: string; zone: string }> => {
    const sql = "SELECT current_setting('application_name') AS name, current_setting('TimeZone') AS zone";
    return (await client.query<{ name: string; zone: string }>(sql)).rows[0]!;
  };
  const { zone } = await seen(two);
  expect(await seen(one)).toEqual({ name: 'first', zone: 'Asia/Tokyo' });
  expect(await seen(two)).toEqual({ name: 'second', zone });
  expect(zone).not.toBe('Asia/Tokyo');
  await Promise.all([one.end(), two.end()]);
});

it('cancels what the client runs, and nothing of anybody else', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 2']);
  const [sleeper, bystander] = [bouncer.client(), bouncer.client()];
  await Promise.all([sleeper.connect(), bystander.connect()]);
  const asleep = sleeper.query('SELECT pg_sleep(60)').catch((error: unknown) => error);
  const other = bystander.query("SELECT pg_sleep(3), 'done' AS said");
  await expect.poll(async () => (await bouncer.admin('SHOW POOLS'))[0], { timeout: 20_000 }).toMatchObject({ sv_active: 2 });
  const key = sleeper as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  for (const [index, value] of [16, 80877102, key.processID, key.secretKey].entries()) request.writeInt32BE(value, index * 4);
  connect(bouncer.port, '127.0.0.1').end(request);
  expect(await asleep).toMatchObject({ code: '57014' });
  expect((await other).rows[0]).toMatchObject({ said: 'done' });
  expect((await sleeper.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await Promise.all([sleeper.end(), bystander.end()]);
});

it('rolls nothing of a client that disappears over to the next', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const one = bouncer.client();
  await one.connect();
  await one.query('CREATE TABLE left_behind (id int)');
  await one.query('BEGIN; INSERT INTO left_behind VALUES (1)');
  (one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  const two = bouncer.client();
  await two.connect();
  expect((await two.query('SELECT count(*)::int AS rows FROM left_behind')).rows).toEqual([{ rows: 0 }]);
  await two.query('DROP TABLE left_behind');
  await two.end();
});
