// B, 24: the work per waiter does not grow with the number of waiters. A queue that shifts an array, or searches it to take one out, is
// quadratic: a hundred times the work for ten times the waiters.

import { Pool, type Lease } from 'millpond';
import { ScriptedFactory, type ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';

const SMALL = 10_000;
const LARGE = 100_000;
/** Linear is 10; quadratic is 100. Between them there is room for a garbage collection and a busy machine. */
const MOST = 35;

test('24: draining a hundred thousand waiters costs about ten times as much as ten thousand', async () => {
  const [small, large] = [await best(() => drain(SMALL)), await best(() => drain(LARGE))];
  expect(large / small).toBeLessThan(MOST);
});

test('24: aborting a hundred thousand waiters from the last to the first is linear as well', async () => {
  const [small, large] = [await best(() => abortAll(SMALL)), await best(() => abortAll(LARGE))];
  expect(large / small).toBeLessThan(MOST);
});

test('24: nor does it matter that they have a thousand different timeouts', async () => {
  const [small, large] = [
    await best(() => abortAll(SMALL, (i) => 60_000 + (i % 1000))),
    await best(() => abortAll(LARGE, (i) => 60_000 + (i % 1000))),
  ];
  expect(large / small).toBeLessThan(MOST);
});

async function best(run: () => Promise<number>): Promise<number> {
  return Math.min(await run(), await run());
}

async function full(): Promise<{ pool: Pool<ScriptedResource>; leases: Lease<ScriptedResource>[] }> {
  const factory = new ScriptedFactory();
  factory.script.create.does('sync');
  const pool = new Pool({ factory, max: 10, maxCreating: Infinity, acquireTimeoutMs: 600_000 });
  const leases = await Promise.all(Array.from({ length: 10 }, () => pool.acquire()));
  return { pool, leases };
}

async function drain(count: number): Promise<number> {
  const { pool, leases } = await full();
  const waiting = Array.from({ length: count }, () => pool.acquire().then((lease) => lease.release()));
  const from = process.cpuUsage();
  for (const lease of leases) lease.release();
  await Promise.all(waiting);
  const cost = spent(from);
  expect(pool.stats()).toMatchObject({ waiting: 0, idle: 10, borrowed: 0 });
  await pool.close();
  return cost;
}

async function abortAll(count: number, timeoutMs?: (index: number) => number): Promise<number> {
  const { pool, leases } = await full();
  const aborts = Array.from({ length: count }, () => new AbortController());
  const waiting = aborts.map((abort, index) => {
    const options = timeoutMs === undefined ? { signal: abort.signal } : { signal: abort.signal, timeoutMs: timeoutMs(index) };
    return pool.acquire(options).catch(() => undefined);
  });
  const from = process.cpuUsage();
  const reason = new Error('gone');
  for (const abort of aborts.reverse()) abort.abort(reason);
  await Promise.all(waiting);
  const cost = spent(from);
  expect(pool.stats()).toMatchObject({ waiting: 0, borrowed: 10 });
  for (const lease of leases) lease.release();
  await pool.close();
  return cost;
}

/** Processor time, so that other work on the machine does not count. */
function spent(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from);
  return user + system;
}
