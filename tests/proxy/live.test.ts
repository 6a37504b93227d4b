// The configuration changes while the proxy runs.

import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const PATIENCE = { timeout: 20_000 };

async function connected(bouncer: Bouncer, count: number, options: pg.ClientConfig = {}): Promise<pg.Client[]> {
  const clients = Array.from({ length: count }, () => bouncer.client(options));
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}
const end = (clients: readonly pg.Client[]): Promise<unknown> => Promise.all(clients.map((client) => client.end()));
const pidOf = async (client: pg.Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
const servers = async (bouncer: Bouncer): Promise<number> => (await bouncer.admin('SHOW SERVERS')).length;

it('serves who waits when a pool grows, and lets go of what is too much when it shrinks', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const [first, second] = await connected(bouncer, 2);
  await first!.query('BEGIN');
  const served = second!.query('SELECT 1');
  await bouncer.admin('SET default_pool_size = 2');
  await served;
  await first!.query('COMMIT');
  expect(await servers(bouncer)).toBe(2);
  await bouncer.admin('SET default_pool_size = 1');
  await expect.poll(() => servers(bouncer), PATIENCE).toBe(1);
  await end([first!, second!]);
});

it('keeps min_pool_size connections while somebody uses the pool, and where the user is fixed before anybody comes', async () => {
  const entry = `host=${server.host} port=${server.port} dbname=${server.database}`;
  const databases = [`main = ${entry} min_pool_size=3`, `fixed = ${entry} user=${server.user} password=${server.password} min_pool_size=2`];
  await using bouncer = await startBouncer(server, [], databases);
  const of = async (name: string): Promise<number> =>
    (await bouncer.admin('SHOW SERVERS')).filter(({ database }) => database === name).length;
  await expect.poll(() => of('fixed'), PATIENCE).toBe(2);
  expect(await of('main')).toBe(0);
  const clients = await connected(bouncer, 1);
  await expect.poll(() => of('main'), PATIENCE).toBe(3);
  await end(clients);
});

it('replaces connections when a database leads somewhere else, and its clients stay', async () => {
  await using bouncer = await startBouncer(server);
  const [client] = await connected(bouncer, 1);
  const pid = await pidOf(client!);
  await client!.query('BEGIN');
  await bouncer.admin('RECONNECT main');
  expect(await pidOf(client!)).toBe(pid);
  await client!.query('COMMIT');
  expect(await pidOf(client!)).not.toBe(pid);
  await end([client!]);
});

it('ends clients in session mode under server_fast_close, and only between transactions', async () => {
  await using bouncer = await startBouncer(server, ['pool_mode = session', 'server_fast_close = 1']);
  const [idle, busy] = await connected(bouncer, 2);
  await Promise.all([idle!.query('SELECT 1'), busy!.query('BEGIN')]);
  const told = new Promise<string>((resolve) => { idle!.once('error', ({ message }) => resolve(message)); });
  await bouncer.admin('RECONNECT');
  expect(await told).toBe('database configuration changed');
  await busy!.query('SELECT 1');
  const after = busy!.query('COMMIT').then(() => busy!.query('SELECT 1'));
  await expect(after).rejects.toThrow(/database configuration changed|connection error|terminated/);
});

it('lets clients go on when a limit is set that makes their pool another one', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 3']);
  const clients = await connected(bouncer, 4);
  await Promise.all(clients.map((client) => client.query('SELECT 1')));
  await bouncer.admin('SET max_db_connections = 1');
  await Promise.all(clients.map((client) => client.query('SELECT pg_sleep(0.05)')));
  await expect.poll(() => servers(bouncer), PATIENCE).toBe(1);
  await end(clients);
});

it('ends the clients of a database that is there no more', async () => {
  const entry = `host=${server.host} port=${server.port} dbname=${server.database}`;
  await using bouncer = await startBouncer(server, [], [`main = ${entry}`, `other = ${entry}`]);
  const [client] = await connected(bouncer, 1, { database: 'other' });
  await client!.query('SELECT 1');
  const told = new Promise<string>((resolve) => { client!.once('error', ({ message }) => resolve(message)); });
  const { config } = bouncer.proxy;
  bouncer.proxy.apply({ ...config, databases: new Map([...config.databases].filter(([name]) => name !== 'other')) });
  expect(await told).toBe('database removed');
});

it('tells a client at once why there is no server, when that has been so for a while, and serves it when there is one', async () => {
  await using bouncer = await startBouncer(server, ['query_wait_timeout = 30'], [
    `main = host=127.0.0.1 port=1 dbname=${server.database}`,
  ]);
  await expect.poll(async () => {
    const client = bouncer.client({ connectionTimeoutMillis: 1_000 });
    return client.connect().then(() => '', (error: unknown) => String((error as Error).message));
  }, PATIENCE).toBe('server login has been failing, cached error: connect failed (server_login_retry)');
  const { config } = bouncer.proxy;
  const main = { ...config.databases.get('main')!, hosts: [server.host], port: server.port };
  bouncer.proxy.apply({ ...config, databases: new Map([['main', main]]) });
  await end(await connected(bouncer, 1));
});

it('checks connections after as much idleness as it is told to', async () => {
  await using bouncer = await startBouncer(server);
  const [client] = await connected(bouncer, 1);
  const pid = await pidOf(client!);
  await bouncer.admin("SET server_check_query = 'SELECT 1/0'");
  expect(await pidOf(client!)).toBe(pid);
  await bouncer.admin('SET server_check_delay = 0');
  expect(await pidOf(client!)).not.toBe(pid);
  await end([client!]);
});
