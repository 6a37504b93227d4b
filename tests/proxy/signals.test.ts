// The command line: what signals do, and the pidfile.

import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from './bouncer.ts';
import { cells, query } from './support/messages.ts';
import { build, startProcess, type ProxyProcess } from './support/process.ts';
import { WireClient } from './support/wire-client.ts';

let server: PostgresServer;
beforeAll(async () => {
  build();
  server = await startPostgres({ hba: ['local all all trust', 'host all all 127.0.0.1/32 trust'] });
});
afterAll(() => server.stop());

const PATIENCE = { timeout: 20_000 };
let folder: string;
let running: ProxyProcess;
const log = (): string => readFileSync(join(folder, 'log'), 'utf8');
const asks = async (client: WireClient, sql = "SELECT 'here'"): Promise<string[][]> =>
  (await client.ask(query(sql))).filter(({ type }) => type === 0x44).map(({ body }) => cells(body) as string[]);
const start = async (lines: readonly string[] = []): Promise<void> => {
  running = await startProcess(server, folder, [`logfile = ${join(folder, 'log')}`, `pidfile = ${join(folder, 'pid')}`, ...lines]);
};
const exited = async (): Promise<unknown> => running.child.exitCode ?? ((await once(running.child, 'exit')) as unknown[])[0];

beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'millpond-signals-')); });
afterEach(() => {
  running.child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

it('waits for clients on SIGTERM, takes no new ones, and ends at once on the second', async () => {
  await start();
  const client = await WireClient.connect(running.place);
  running.child.kill('SIGTERM');
  await expect.poll(log, PATIENCE).toContain('got SIGTERM, shutting down, waiting for all clients disconnect');
  expect(await asks(client)).toEqual([['here']]);
  await expect(WireClient.connect(running.place)).rejects.toThrow();
  running.child.kill('SIGUSR2');
  await expect.poll(log, PATIENCE).toContain('got SIGUSR2 while shutting down, ignoring');
  running.child.kill('SIGTERM');
  expect(await exited()).toBe(0);
  expect(log()).toContain('got SIGTERM while shutting down, fast exit');
});

it('ends by itself when the last client has gone', async () => {
  await start();
  const client = await WireClient.connect(running.place);
  running.child.kill('SIGTERM');
  await expect.poll(log, PATIENCE).toContain('got SIGTERM');
  client.vanish();
  expect(await exited()).toBe(0);
});

it('waits for transactions on SIGINT, and begins none any more', async () => {
  await start();
  const [inside, outside] = [await WireClient.connect(running.place), await WireClient.connect(running.place)];
  await asks(inside, 'BEGIN');
  running.child.kill('SIGINT');
  await expect.poll(log, PATIENCE).toContain('got SIGINT, shutting down, waiting for all servers connections to be released');
  expect(await asks(inside)).toEqual([['here']]);
  await outside.send(query('SELECT 1'));
  await expect.poll(log, PATIENCE).toContain('closing because: server shutting down');
  await asks(inside, 'COMMIT');
  expect(await exited()).toBe(0);
});

it('ends at once on SIGQUIT, and takes its pidfile along', async () => {
  await start();
  expect(readFileSync(join(folder, 'pid'), 'utf8')).toBe(`${running.child.pid}\n`);
  running.child.kill('SIGQUIT');
  expect(await exited()).toBe(0);
  expect(existsSync(join(folder, 'pid'))).toBe(false);
});

it('holds on SIGUSR1 and goes on on SIGUSR2', async () => {
  await start();
  const client = await WireClient.connect(running.place);
  running.child.kill('SIGUSR2');
  await expect.poll(log, PATIENCE).toContain('got SIGUSR2, but not paused/suspended');
  running.child.kill('SIGUSR1');
  await expect.poll(log, PATIENCE).toContain('got SIGUSR1, pausing all activity');
  let answered = false;
  const answer = asks(client).finally(() => { answered = true; });
  const boss = await WireClient.connect({ ...running.place, database: 'pgbouncer' });
  await expect.poll(async () => (await asks(boss, 'SHOW POOLS')).find(([database]) => database === 'main')?.[3], PATIENCE).toBe('1');
  expect(answered).toBe(false);
  running.child.kill('SIGUSR2');
  expect(await answer).toEqual([['here']]);
  expect(log()).toContain('got SIGUSR2, continuing from PAUSE');
});

it('reads its configuration again on SIGHUP, and keeps the old one if the new one has faults', async () => {
  await start();
  const boss = await WireClient.connect({ ...running.place, database: 'pgbouncer' });
  const { appendFileSync } = await import('node:fs');
  const setting = async (): Promise<string | undefined> =>
    (await asks(boss, 'SHOW CONFIG')).find(([key]) => key === 'default_pool_size')?.[1];
  appendFileSync(join(folder, 'pgbouncer.ini'), 'default_pool_size = 7\n');
  running.child.kill('SIGHUP');
  await expect.poll(setting, PATIENCE).toBe('7');
  appendFileSync(join(folder, 'pgbouncer.ini'), 'default_pool_size = many\n');
  running.child.kill('SIGHUP');
  await expect.poll(log, PATIENCE).toContain('invalid value "many" for parameter default_pool_size');
  expect(await setting()).toBe('7');
});
