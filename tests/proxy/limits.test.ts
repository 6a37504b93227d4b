// Limits and timeouts of the proxy, on a real server.

import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

async function connected(bouncer: Bouncer, count: number, options: pg.ClientConfig = {}): Promise<pg.Client[]> {
  const clients = Array.from({ length: count }, () => bouncer.client(options));
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}
const end = (clients: readonly pg.Client[]): Promise<unknown> => Promise.all(clients.map((client) => client.end()));
const sessions = async (client: pg.Client, application: string): Promise<number> => {
  const sql = 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1';
  return (await client.query<{ count: number }>(sql, [application])).rows[0]!.count;
};
/** Whether the client was told this in its last moment. */
const told = (client: pg.Client): Promise<string> => new Promise((resolve) => {
  client.once('error', ({ message }) => resolve(message));
});

it('holds no more server connections for a database than max_db_connections, however many users and pools', async () => {
  const databases = [`main = host=${server.host} port=${server.port} dbname=${server.database} pool_size=5 max_db_connections=3`];
  await using bouncer = await startBouncer(server, [], databases);
  const clients = await connected(bouncer, 8, { application_name: 'limited' });
  const [observer] = await connected(bouncer, 1, { application_name: 'observer' });
  await observer!.query('SELECT 1');
  await Promise.all(clients.map((client) => client.query('SELECT pg_sleep(0.1)')));
  const [pool] = await bouncer.admin('SHOW POOLS');
  expect(Number(pool!['sv_active']) + Number(pool!['sv_idle'])).toBeLessThanOrEqual(3);
  await end([...clients, observer!]);
});

it('opens its reserve for those who have waited for long, and closes it again', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1', 'reserve_pool_size = 1', 'reserve_pool_timeout = 0.2']);
  const [sleeper, waiter] = await connected(bouncer, 2);
  const order: string[] = [];
  const asleep = sleeper!.query('SELECT pg_sleep(3)').then(() => order.push('sleeper'));
  await waiter!.query('SELECT 1').then(() => order.push('waiter'));
  await asleep;
  // Served before the sleeper was back: by a connection of the reserve.
  expect(order).toEqual(['waiter', 'sleeper']);
  await expect.poll(async () => Number((await bouncer.admin('SHOW POOLS'))[0]!['sv_idle']), { timeout: 20_000 }).toBe(1);
  await end([sleeper!, waiter!]);
});

it.each([
  ['query_timeout = 0.2', 'query timeout', 'SELECT pg_sleep(60)'],
  ['idle_transaction_timeout = 0.2', 'idle transaction timeout', 'BEGIN'],
  ['transaction_timeout = 0.3', 'transaction timeout', 'BEGIN'],
  ['client_idle_timeout = 0.2', 'client_idle_timeout', 'SELECT 1'],
])('ends a client by %s', async (line, message, sql) => {
  await using bouncer = await startBouncer(server, [line]);
  const [client] = await connected(bouncer, 1);
  const said = told(client!);
  const asked = client!.query(sql).catch((error: unknown) => String((error as Error).message));
  expect(await Promise.race([said, asked.then((answer) => (typeof answer === 'string' ? answer : said))])).toBe(message);
  const [next] = await connected(bouncer, 1);
  expect((await next!.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await next!.end();
});

it('does not end a transaction that goes on, or a client that asks from time to time', async () => {
  await using bouncer = await startBouncer(server, ['idle_transaction_timeout = 2', 'client_idle_timeout = 2']);
  const [client] = await connected(bouncer, 1);
  await client!.query('BEGIN');
  for (let n = 0; n < 4; n++) await client!.query('SELECT pg_sleep(0.6)');
  await client!.query('COMMIT');
  for (let n = 0; n < 4; n++) {
    await client!.query('SELECT 1');
    await new Promise((resolve) => { setTimeout(resolve, 600); });
  }
  await client!.end();
});

it('tells a client that waits, and ends the wait at its time', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1', 'query_wait_notify = 0.1', 'query_wait_timeout = 0.5']);
  const [holder, waiter] = await connected(bouncer, 2);
  await holder!.query('BEGIN');
  const notices: string[] = [];
  waiter!.on('notice', ({ message }) => notices.push(message ?? ''));
  await expect(waiter!.query('SELECT 1')).rejects.toThrow('query_wait_timeout');
  expect(notices).toEqual(['No server connection available in postgres backend, client being queued']);
  await holder!.query('COMMIT');
  await holder!.end();
});

it.each([
  ['max_client_conn = 2', 'no more connections allowed (max_client_conn)'],
  ['max_db_client_connections = 2', 'client connections exceeded (max_db_client_connections)'],
  ['max_user_client_connections = 2', 'client connections exceeded (max_user_client_connections)'],
])('turns away the client that is one too many by %s, and lets it in when another has gone', async (line, message) => {
  await using bouncer = await startBouncer(server, [line]);
  const clients = await connected(bouncer, 2);
  await expect(bouncer.client().connect()).rejects.toThrow(message);
  await clients[0]!.end();
  await expect.poll(async () => {
    const late = bouncer.client();
    return late.connect().then(() => late.end(), (error: unknown) => String((error as Error).message));
  }, { timeout: 20_000 }).toBeUndefined();
  await clients[1]!.end();
});

it('lets no more clients wait than max_waiting_clients, and turns the next one away at once', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1', 'max_waiting_clients = 1']);
  const [holder, waiter, late] = await connected(bouncer, 3);
  await holder!.query('BEGIN');
  const waiting = waiter!.query('SELECT 1 AS one');
  await expect.poll(async () => (await bouncer.admin('SHOW POOLS'))[0], { timeout: 20_000 }).toMatchObject({ cl_waiting: 1 });
  const words = 'too many clients are waiting (max_waiting_clients)';
  await expect(late!.query('SELECT 1')).rejects.toMatchObject({ code: '53300', message: words });
  await holder!.query('COMMIT');
  expect((await waiting).rows).toEqual([{ one: 1 }]);
  await end([holder!, waiter!]);
});

it('counts sessions at the server as it says', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 2']);
  const clients = await connected(bouncer, 6, { application_name: 'counted' });
  await Promise.all(clients.map((client) => client.query('SELECT pg_sleep(0.05)')));
  expect(await sessions(clients[0]!, 'counted')).toBeLessThanOrEqual(2);
  await end(clients);
});
