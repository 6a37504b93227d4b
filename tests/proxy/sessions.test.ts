// What becomes of a session that does not go as it should, or does more than a transaction can hold; on a real server.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres({ settings: { wal_level: 'logical', max_wal_senders: 5 } }); });
afterAll(() => server.stop());

const PATIENCE = { timeout: 20_000 };
const logOf = (bouncer: Bouncer): string => readFileSync(join(bouncer.folder, 'log'), 'utf8');

async function connected(bouncer: Bouncer, options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = bouncer.client(options);
  await client.connect();
  return client;
}

async function one<T>(client: pg.Client, sql: string): Promise<T> {
  return Object.values((await client.query<Record<string, T>>(sql)).rows[0]!)[0]!;
}

/** Goes without a word, as a process does that is killed. */
function vanish(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

it.each([
  ['a transaction that is open', ["BEGIN; CREATE TABLE left_behind (id int)"]],
  ['a transaction that has failed', ['BEGIN', 'SELECT 1/0']],
])('rolls back %s when its client goes, and lends the same server connection on', async (_, statements) => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const client = await connected(bouncer);
  const pid = await one<number>(client, 'SELECT pg_backend_pid()');
  for (const sql of statements) await client.query(sql).catch(() => undefined);
  vanish(client);
  const next = await connected(bouncer);
  expect(await one(next, 'SELECT pg_backend_pid()')).toBe(pid);
  expect(await one(next, "SELECT to_regclass('left_behind')")).toBeNull();
  await next.end();
});

it('cancels what a client has left running', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const client = await connected(bouncer);
  const pid = await one<number>(client, 'SELECT pg_backend_pid()');
  client.query('SELECT pg_sleep(600)').catch(() => undefined);
  await expect.poll(async () => (await bouncer.admin('SHOW POOLS'))[0], PATIENCE).toMatchObject({ sv_active: 1 });
  vanish(client);
  const next = await connected(bouncer);
  expect(await one(next, 'SELECT pg_backend_pid()')).toBe(pid);
  await next.end();
});

it('ends a COPY that its client has left, and nothing of it is there', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const client = await connected(bouncer);
  const pid = await one<number>(client, 'CREATE TABLE IF NOT EXISTS copied (id int); SELECT pg_backend_pid()').catch(() => undefined);
  const again = await one<number>(client, 'SELECT pg_backend_pid()');
  expect(pid ?? again).toBe(again);
  const { stream } = (client as unknown as { connection: { stream: { write(bytes: Buffer): void } } }).connection;
  const sql = Buffer.from('COPY copied FROM STDIN\0');
  const header = Buffer.from([0x51, 0, 0, 0, sql.length + 4]);
  stream.write(Buffer.concat([header, sql, Buffer.from([0x64, 0, 0, 0, 6, 0x31, 0x0a])]));
  await expect.poll(async () => (await bouncer.admin('SHOW POOLS'))[0], PATIENCE).toMatchObject({ sv_active: 1 });
  vanish(client);
  const next = await connected(bouncer);
  expect(await one(next, 'SELECT pg_backend_pid()')).toBe(again);
  expect(await one(next, 'SELECT count(*)::int FROM copied')).toBe(0);
  await next.end();
});

it('prepares a statement anew when its plan has become another one', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
  const [reader, changer] = [await connected(bouncer), await connected(bouncer)];
  await changer.query('CREATE TABLE planned (id int); INSERT INTO planned VALUES (1)');
  const read = { name: 'read', text: 'SELECT * FROM planned' };
  expect((await reader.query(read)).rows).toEqual([{ id: 1 }]);
  await changer.query("ALTER TABLE planned ADD COLUMN said text DEFAULT 'more'");
  expect((await reader.query(read)).rows).toEqual([{ id: 1, said: 'more' }]);
  // Inside of a transaction nothing can be tried again: the server's words reach the client.
  await changer.query('ALTER TABLE planned ADD COLUMN third int');
  await reader.query('BEGIN');
  await expect(reader.query(read)).rejects.toThrow('cached plan must not change result type');
  await reader.query('ROLLBACK');
  expect((await reader.query(read)).rows).toEqual([{ id: 1, said: 'more', third: null }]);
  await changer.query('DROP TABLE planned');
  await Promise.all([reader.end(), changer.end()]);
});

it.each([
  ['LISTEN', 'LISTEN news'], ['PREPARE', 'PREPARE mine AS SELECT 1'], ['SET', "SET work_mem = '5MB'"],
  ['an advisory lock', 'SELECT pg_advisory_lock(7)'], ['a temporary table', 'CREATE TEMP TABLE mine (id int)'],
  ['a cursor WITH HOLD', 'BEGIN; DECLARE mine CURSOR WITH HOLD FOR SELECT 1; COMMIT'],
])('says that %s lasts longer than its transaction', async (feature, sql) => {
  await using bouncer = await startBouncer(server);
  const client = await connected(bouncer);
  await client.query(sql);
  const words = `${feature} lasts longer than its transaction, and so does not work in this pool mode`;
  await expect.poll(() => logOf(bouncer), PATIENCE).toContain(words);
  await client.end();
});

it('says nothing of what follows the client, or ends with its transaction', async () => {
  await using bouncer = await startBouncer(server);
  const client = await connected(bouncer);
  await client.query("SET TimeZone = 'Asia/Tokyo'");
  await client.query("BEGIN; SET LOCAL work_mem = '5MB'; COMMIT");
  await client.query('BEGIN; CREATE TEMP TABLE brief (id int) ON COMMIT DROP; SELECT pg_advisory_xact_lock(7); COMMIT');
  await client.end();
  await expect.poll(() => logOf(bouncer), PATIENCE).toContain('client close request');
  expect(logOf(bouncer)).not.toContain('lasts longer');
});

it('keeps a server connection for a client that listens, if it is told to, and cleans it afterwards', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 2', 'session_features = pin']);
  const [listener, speaker] = [await connected(bouncer), await connected(bouncer)];
  const heard = new Promise((resolve) => { listener.once('notification', ({ payload }) => resolve(payload)); });
  await listener.query('LISTEN news');
  const pid = await one<number>(listener, 'SELECT pg_backend_pid()');
  await speaker.query("NOTIFY news, 'it rains'");
  expect(await heard).toBe('it rains');
  await listener.end();
  // Both connections, the listener's among them: nobody listens there any more.
  const both = [speaker, await connected(bouncer)];
  await Promise.all(both.map((client) => client.query('BEGIN')));
  const found = await Promise.all(both.map(async (client) => [
    await one<number>(client, 'SELECT pg_backend_pid()'), await one<number>(client, 'SELECT count(*)::int FROM pg_listening_channels()'),
  ]));
  expect(found).toContainEqual([pid, 0]);
  expect(found.map(([, channels]) => channels)).toEqual([0, 0]);
  await Promise.all(both.map((client) => client.end()));
});

it('gives replication a connection of its own, which counts, and closes it behind its client', async () => {
  await using bouncer = await startBouncer(server, ['default_pool_size = 1', 'query_wait_timeout = 1']);
  const normal = await connected(bouncer);
  await normal.query('SELECT 1');
  const replica = await connected(bouncer, { replication: 'database' } as pg.ClientConfig);
  expect((await replica.query<{ systemid: string }>('IDENTIFY_SYSTEM')).rows).toHaveLength(1);
  expect(logOf(bouncer)).toContain('closing because: evicted');
  await expect(normal.query('SELECT 1')).rejects.toThrow('query_wait_timeout');
  await replica.end();
  const next = await connected(bouncer);
  expect(await one(next, 'SELECT 1')).toBe(1);
  await expect.poll(async () => one(next, "SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'walsender'"), PATIENCE).toBe(0);
  await next.end();
});

it('takes parameters from the options of a client', async () => {
  await using bouncer = await startBouncer(server, ['ignore_startup_parameters = extra_float_digits']);
  const client = await connected(bouncer, { options: '-c timezone=Portugal -c extra_float_digits=2' });
  expect(await one(client, 'SHOW TimeZone')).toBe('Portugal');
  await client.end();
  await expect(connected(bouncer, { options: '-c work_mem=1MB' })).rejects.toThrow('unsupported startup parameter in options: work_mem');
});

it('refuses a client whose parameter no server will have', async () => {
  await using bouncer = await startBouncer(server);
  const client = await connected(bouncer, { options: '-c timezone=Nowhere/Land' });
  const words = 'invalid server parameter: invalid value for parameter "TimeZone": "Nowhere/Land"';
  await expect(client.query('SELECT 1')).rejects.toThrow(words);
});
