// What runs as programs of their own: `millpond top`, and worker threads that share their pools.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';
import { Pool } from 'millpond';
import { createConsole, type ConsoleOptions, type Snapshot } from 'millpond/console';
import { compiledLibrary } from '../../support/compiled.ts';

const library = join(compiledLibrary(), 'millpond');
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A pool with a lease out, and a console on a port of its own. */
async function stage(options: ConsoleOptions = {}): Promise<string> {
  const pool = new Pool<object>({ name: 'orders', max: 2, factory: { create: () => ({}), destroy: () => undefined } });
  const lease = await pool.acquire({ label: 'me' });
  const shown = createConsole(options);
  const { url, close } = await shown.listen();
  undo.push(() => pool.close({ deadlineMs: 0 }), () => lease.release(), () => shown.close(), close);
  return url;
}

function startWorker(): Worker {
  const workerData = `${pathToFileURL(library).href}/`;
  const worker = new Worker(new URL('../../support/console-worker.mjs', import.meta.url), { workerData });
  undo.push(() => worker.terminate());
  return worker;
}

function start(...given: string[]): ChildProcess {
  const child = spawn(process.execPath, [join(library, 'console/top/main.js'), ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
  undo.push(() => child.kill('SIGKILL'));
  return child;
}

async function run(...given: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const child = start(...given);
  let [out, err] = ['', ''];
  child.stdout!.on('data', (chunk) => { out += String(chunk); });
  child.stderr!.on('data', (chunk) => { err += String(chunk); });
  const [code] = await once(child, 'close') as [number];
  return { code, out, err };
}

it('top prints a table once, or a snapshot as a line of JSON', async () => {
  const url = await stage();
  const table = await run('top', url, '--once');
  expect(table).toMatchObject({ code: 0, err: '' });
  expect(table.out).toMatch(/orders +open +1\/2 +0 +0 /);
  const json = await run('top', url, '--json', '--once');
  expect((JSON.parse(json.out) as Snapshot).pools).toMatchObject([{ id: 'orders', stats: { borrowed: 1 } }]);
  expect((JSON.parse((await run('top', url, '-j1', '--search', 'nothing')).out) as Snapshot).pools).toEqual([]);
});

it('top goes on once a second until it is ended, and gives the terminal back', async () => {
  const child = start('top', await stage());
  let out = '';
  child.stdout!.on('data', (chunk) => { out += String(chunk); });
  await expect.poll(() => out.match(/millpond top/g)?.length ?? 0, { timeout: 20_000 }).toBeGreaterThan(1);
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(out.startsWith('\u001B[?1049h')).toBe(true);
  expect(out.endsWith('\u001B[?1049l')).toBe(true);
});

it('top goes on when the process is gone, and says so', async () => {
  const url = await stage();
  const child = start('top', url);
  let out = '';
  child.stdout!.on('data', (chunk) => { out += String(chunk); });
  await expect.poll(() => out, { timeout: 20_000 }).toContain('orders');
  // All but the program itself.
  for (const step of undo.splice(0, 4).reverse()) await step();
  await expect.poll(() => out, { timeout: 20_000 }).toContain('nothing answers at');
  expect(child.exitCode).toBe(null);
});

it.each([
  [['top'], 2, 'needs the address'], [['up', 'x'], 2, 'no command up'], [['top', 'http://x', '--nonsense'], 2, 'nonsense'],
  [['top', 'http://127.0.0.1:9', '--once'], 1, 'nothing answers at http://127.0.0.1:9'],
])('top says what is wrong: %j', async (given, code, message) => {
  const ended = await run(...given);
  expect([ended.code, ended.out]).toEqual([code, '']);
  expect(ended.err).toContain(message);
});

it('top passes on what the console says', async () => {
  const { origin } = new URL(await stage());
  expect((await run('top', origin, '--once')).err).toContain('says 401: The console asks for its token');
  expect(await run('--help')).toMatchObject({ code: 0, out: expect.stringContaining('Usage: millpond top URL') as unknown });
});

it('shows the pools of worker threads that share theirs, and acts on them', async () => {
  const worker = startWorker();
  await once(worker, 'message');
  const { fetch: answer, close } = createConsole({ actions: true, auth: () => true });
  undo.push(close);
  const id = `worker:${worker.threadId}:in a worker`;
  const look = async (): Promise<Snapshot> =>
    await (await answer(new Request(`http://app/snapshot?pool=${encodeURIComponent(id)}`))).json() as Snapshot;
  await expect.poll(async () => (await look()).detail?.id, { timeout: 10_000 }).toBe(id);
  expect((await look()).pools).toMatchObject([{ id, stats: { max: 3 } }]);
  const body = JSON.stringify({ pool: id, action: 'resize', max: 7 });
  const done = await answer(new Request('http://app/actions', { method: 'POST', headers: { 'X-Millpond-Console': '1' }, body }));
  expect(await done.json()).toEqual({ text: 'resized: min 0, max 7' });
  await expect.poll(async () => (await look()).pools[0]?.stats.max, { timeout: 10_000 }).toBe(7);
});

it('tells several viewers of a worker each what it looks at, and every console what has happened there', async () => {
  const worker = startWorker();
  await once(worker, 'message');
  const id = `worker:${worker.threadId}:in a worker`;
  const consoleOf = (): ((path: string, body?: object) => Promise<Snapshot>) => {
    const { fetch: answer, close } = createConsole({ actions: true, auth: () => true });
    undo.push(close);
    return async (path, body) => {
      const init = body === undefined ? {} : { method: 'POST', headers: { 'X-Millpond-Console': '1' }, body: JSON.stringify(body) };
      return await (await answer(new Request(`http://app/${path}`, init))).json() as Snapshot;
    };
  };
  const first = consoleOf();
  const [detailed, searched] = [`snapshot?pool=${encodeURIComponent(id)}`, 'snapshot?search=elsewhere'];
  await expect.poll(async () => (await first(detailed)).detail?.id, { timeout: 10_000 }).toBe(id);
  for (let n = 0; n < 3; n++) {
    // Each answer to one must not take the place of that to the other.
    expect((await first(searched)).pools).toEqual([]);
    await new Promise((resolve) => { setImmediate(resolve); });
    expect((await first(detailed)).detail?.id).toBe(id);
  }
  await first('actions', { pool: id, action: 'pause' });
  const told = async (ask: typeof first): Promise<string[]> =>
    (await ask('snapshot')).events.filter(({ pool }) => pool === id).map(({ kind, what }) => `${kind} ${what}`);
  const happened = ['state paused', 'action pause'];
  // Two questions at once get the same answer twice.
  await Promise.all([told(first), told(first)]);
  await expect.poll(() => told(first), { timeout: 10_000 }).toEqual(happened);
  // One that comes later hears it too, and nobody hears it twice.
  const later = consoleOf();
  await expect.poll(() => told(later), { timeout: 10_000 }).toEqual(happened);
  expect(await told(first)).toEqual(happened);
});
