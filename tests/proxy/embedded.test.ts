// A proxy inside of a program: made of an object, decided over by hooks, looked at by them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { makeCertificate } from '@millpond/lab/certificate';
import { ConfigError, createProxy, type CreateProxyOptions, type EmbeddedProxy, type Hooks, type ProxyEvent } from '@millpond/proxy';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startPostgres, type PostgresServer } from './bouncer.ts';
import { WireClient } from './support/wire-client.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const WAIT = { timeout: 20_000 };

/** An entry of `[databases]` that logs in at the server by itself. */
const main = (): Record<string, string | number> => ({
  host: server.host, port: server.port, dbname: server.database, user: server.user, password: server.password,
});

const start = (options: CreateProxyOptions): Promise<EmbeddedProxy> => createProxy({ databases: { main: main() }, ...options });

async function connected({ port }: EmbeddedProxy, options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port: port!, user: 'alice', password: 'her secret', database: 'main', ...options });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function answerOf(proxy: EmbeddedProxy, options: pg.ClientConfig = {}, sql = 'SELECT 1 AS answer'): Promise<unknown> {
  const client = await connected(proxy, options);
  try {
    return (await client.query<{ answer: unknown }>(sql)).rows[0]?.answer;
  } finally {
    await client.end();
  }
}

it('is made of an object, tells its figures, takes other settings, and is gone when it is closed', async () => {
  const proxy = await start({ settings: { auth_type: 'any', pool_mode: 'transaction', query_timeout: 5, admin_users: ['alice', 'boss'] } });
  expect(await answerOf(proxy)).toBe(1);
  expect(proxy.socketPath).toBeUndefined();
  const { pools, databases } = proxy.stats();
  expect(pools).toContainEqual(expect.objectContaining({ database: 'main', user: server.user, pool_mode: 'transaction', sv_idle: 1 }));
  expect(databases).toContainEqual(expect.objectContaining({ database: 'main', total_query_count: 1 }));
  expect(proxy.proxy.config.values).toMatchObject({ query_timeout: 5_000, admin_users: ['alice', 'boss'] });
  proxy.reload({ settings: { pool_mode: 'statement' } });
  expect(proxy.proxy.config.values).toMatchObject({ pool_mode: 'statement', query_timeout: 5_000 });
  await expect(answerOf(proxy, {}, 'BEGIN')).rejects.toMatchObject({ code: '08P01' });
  expect(() => proxy.reload({ settings: { pool_mode: 'both' } })).toThrow(ConfigError);
  expect(proxy.proxy.config.values.pool_mode).toBe('statement');
  expect(await answerOf(proxy)).toBe(1);
  await proxy.close();
  await expect(answerOf(proxy)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('is made of a text or a file, with an object over it; what is wrong is said with its place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-embedded-'));
  const text = `[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = 0\nunix_socket_dir = ${folder}\npool_mode = session\nauth_type = any\n`;
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(file, text);
  try {
    for (const from of [{ config: text }, { file }]) {
      await using proxy = await start({ ...from, settings: { pool_mode: 'transaction' } });
      expect(proxy.socketPath).toBe(`${folder}/.s.PGSQL.${proxy.port}`);
      expect(await answerOf(proxy, { host: folder })).toBe(1);
      expect(proxy.proxy.config.values.pool_mode).toBe('transaction');
    }
    await using proxy = await start({ file });
    writeFileSync(file, text.replace('session', 'statement'));
    proxy.reload();
    expect(proxy.proxy.config.values.pool_mode).toBe('statement');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const wrong = '[pgbouncer]\npool_mode = none';
  await expect(start({ config: wrong })).rejects.toThrow(/^config:2: invalid value "none" for parameter pool_mode/);
  await expect(createProxy({ databases: { main: { hots: 'x' } } }))
    .rejects.toThrow('databases.main:1: unrecognized connection parameter: hots');
  await expect(start({ config: text, file })).rejects.toThrow('either config or file');
});

it('lets in whom authenticate lets in, by its word, by a secret or by a password', async () => {
  const authenticate: Hooks['authenticate'] = ({ user, database, address, tls, password, applicationName }) => {
    expect({ database, address, tls, password, applicationName }).toEqual({
      database: 'main', address: '127.0.0.1', tls: false, password: undefined, applicationName: 'the test',
    });
    if (user === 'alice') return true;
    if (user === 'bob') return { secret: 'his secret' };
    if (user === 'carol') throw new Error('her directory is down');
    return user === 'nobody' ? undefined : false;
  };
  const app = { application_name: 'the test' };
  await using proxy = await start({ settings: { auth_type: 'scram-sha-256' }, hooks: { authenticate } });
  expect(await answerOf(proxy, app)).toBe(1);
  expect(await answerOf(proxy, { ...app, user: 'bob', password: 'his secret' })).toBe(1);
  for (const user of ['bob', 'carol', 'mallory']) {
    await expect(answerOf(proxy, { ...app, user, password: 'a wrong one' }), user).rejects.toMatchObject({ code: '28P01' });
  }
  // As without a hook: there is no such user.
  await expect(answerOf(proxy, { ...app, user: 'nobody' })).rejects.toThrow('SASL authentication failed');

  await using plain = await start({
    settings: { auth_type: 'plain' }, hooks: { authenticate: ({ user, password }) => user === 'alice' && password === 'her secret' },
  });
  expect(await answerOf(plain)).toBe(1);
  await expect(answerOf(plain, { password: 'a wrong one' })).rejects.toMatchObject({ code: '28P01' });
});

it('gives a client the database that route names', async () => {
  const route: Hooks['route'] = ({ database, applicationName }) => {
    if (applicationName === 'broken') throw new Error('the table of tenants is gone');
    return database === 'shop' ? applicationName : undefined;
  };
  await using proxy = await start({
    databases: { main: main(), other: { ...main(), dbname: 'template1' } },
    settings: { auth_type: 'any', admin_users: 'boss' }, hooks: { route },
  });
  const sql = 'SELECT current_database() AS answer';
  expect(await answerOf(proxy, { database: 'shop', application_name: 'other' }, sql)).toBe('template1');
  expect(await answerOf(proxy, { application_name: 'other' }, sql)).toBe(server.database);
  await expect(answerOf(proxy, { database: 'shop', application_name: 'elsewhere' })).rejects.toMatchObject({ code: '3D000' });
  await expect(answerOf(proxy, { database: 'shop', application_name: 'pgbouncer' })).rejects.toMatchObject({ code: '3D000' });
  await expect(answerOf(proxy, { application_name: 'broken' })).rejects.toThrow('bouncer config error');
  // Whoever looks after the proxy gets to it whatever hooks do.
  const boss = await connected(proxy, { user: 'boss', database: 'pgbouncer', application_name: 'broken' });
  expect((await boss.query('SHOW VERSION')).rows).toHaveLength(1);
  await boss.end();
});

it('goes on for others when a hook hangs, and does not wait for it for longer than for a login', async () => {
  let aborted = false;
  const authenticate: Hooks['authenticate'] = ({ user, signal }) => user === 'alice' || new Promise<boolean>(() => {
    signal.addEventListener('abort', () => { aborted = true; });
  });
  await using proxy = await start({ settings: { client_login_timeout: 1 }, hooks: { authenticate } });
  const hanging = answerOf(proxy, { user: 'bob' }).catch((error: unknown) => error);
  expect(await answerOf(proxy)).toBe(1);
  expect(await hanging).toMatchObject({ message: expect.stringContaining('client_login_timeout') as string });
  await vi.waitFor(() => expect(aborted).toBe(true), WAIT);
});

it('tells observe what happens, and is not hurt by what it throws', async () => {
  const events: ProxyEvent[] = [];
  const observe = (event: ProxyEvent): void => {
    events.push(event);
    throw new Error('it does not like that');
  };
  await using proxy = await start({ settings: { auth_type: 'any', pool_mode: 'transaction' }, hooks: { observe } });
  const client = await connected(proxy);
  await client.query('BEGIN');
  await client.query('SELECT 1');
  await client.query('COMMIT');
  await client.end();
  await expect(answerOf(proxy, { database: 'nowhere' })).rejects.toMatchObject({ code: '3D000' });
  await vi.waitFor(() => expect(events.filter(({ type }) => type === 'clientLeft')).toHaveLength(2), WAIT);
  await proxy.close();
  await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ type: 'serverClosed', database: 'main', reason: 'poolClosed' }), WAIT);
  const types = events.map(({ type }) => type);
  expect(types.slice(0, 3)).toEqual(['clientConnected', 'serverConnected', 'clientLoggedIn']);
  expect(types.filter((type) => type === 'query')).toHaveLength(3);
  expect(types.filter((type) => type === 'transaction')).toHaveLength(1);
  expect(events.find(({ type }) => type === 'transaction')).toMatchObject({ database: 'main', user: server.user });
  expect(events).toContainEqual(expect.objectContaining({ type: 'error', message: 'no such database: nowhere', code: '3D000' }));
});

/** What has to be sent to cancel. */
function keyOf(client: pg.Client): Buffer {
  const { processID, secretKey } = client as unknown as { readonly processID: number; readonly secretKey: number };
  const key = Buffer.alloc(8);
  key.writeInt32BE(processID, 0);
  key.writeInt32BE(secretKey, 4);
  return key;
}

it('reaches a database by a stream that somebody else opens, be it a socket or not; also its cancels', async () => {
  /** All that a stream has to be. */
  const bridged = (): Duplex => {
    const socket = connect(server.port, server.host);
    const bridge = new Duplex({
      read: () => void socket.resume(),
      write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
      final: (done) => void socket.end(done),
      destroy: (error, done) => {
        socket.destroy();
        done(error);
      },
    });
    socket.on('data', (chunk: Buffer) => { if (!bridge.push(chunk)) socket.pause(); });
    socket.on('error', (error) => bridge.destroy(error)).on('end', () => bridge.push(null));
    return bridge;
  };
  const { host: _host, port: _port, ...keys } = main();
  for (const open of [bridged, () => Promise.resolve(connect(server.port, server.host))]) {
    let opened = 0;
    const counted = (): Duplex | Promise<Duplex> => {
      opened++;
      return open();
    };
    await using proxy = await createProxy({
      databases: { main: { ...keys, connect: counted }, broken: { ...keys, connect: () => Promise.reject(new Error('it is not there')) } },
      settings: { auth_type: 'any', pool_mode: 'transaction', default_pool_size: 1, query_wait_timeout: 1 },
    });
    const all = await Promise.all(Array.from({ length: 20 }, () => answerOf(proxy, {}, "SELECT repeat('x', 100000) AS answer")));
    expect(new Set(all)).toEqual(new Set(['x'.repeat(100_000)]));
    expect(opened).toBe(1);
    const client = await connected(proxy);
    let error: unknown;
    client.query('SELECT pg_sleep(60)').catch((reason: unknown) => { error = reason; });
    // Again and again: what comes before the query is about nothing.
    await vi.waitFor(async () => {
      await WireClient.cancel({ host: '127.0.0.1', port: proxy.port!, user: 'alice', database: 'main' }, keyOf(client));
      expect(error).toMatchObject({ code: '57014' });
    }, WAIT);
    expect(opened).toBeGreaterThan(1);
    await client.end();
    await expect(answerOf(proxy, { database: 'broken' })).rejects.toThrow();
  }
});

it('tells route which host a client with TLS means', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-embedded-'));
  const { cert, key } = makeCertificate('tenant.example');
  writeFileSync(join(folder, 'server.crt'), cert);
  writeFileSync(join(folder, 'server.key'), key);
  try {
    await using proxy = await start({
      settings: {
        auth_type: 'any', client_tls_sslmode: 'require', client_tls_cert_file: join(folder, 'server.crt'),
        client_tls_key_file: join(folder, 'server.key'),
      },
      hooks: { route: ({ serverName, tls }) => (tls && serverName === 'tenant.example' ? 'main' : undefined) },
    });
    const ssl = { ca: cert, servername: 'tenant.example' };
    expect(await answerOf(proxy, { database: 'shop', ssl })).toBe(1);
    await expect(answerOf(proxy, { database: 'shop', ssl: { rejectUnauthorized: false } })).rejects.toMatchObject({ code: '3D000' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
