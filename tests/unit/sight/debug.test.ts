import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { captureStacksFor, debugOnSignal, describeLeaks, leakReport, reportLeaks } from 'millpond/debug';
import type { Lease } from 'millpond';
import { newPools, open, shut, shutAll, type Actor } from './stage.ts';

afterEach(shutAll);

const ends: (() => unknown)[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  for (const end of ends.splice(0)) end();
  vi.useRealTimers();
});

async function take({ clock, pool }: Actor, label?: string): Promise<Lease<unknown>> {
  const acquired = pool.acquire(label === undefined ? {} : { label });
  await clock.advance(0);
  return acquired;
}

async function timeOut({ clock, pool }: Actor): Promise<void> {
  const failing = pool.acquire({ timeoutMs: 50 }).catch(() => undefined);
  await clock.advance(50);
  await failing;
}

/** Which of the leases of a pool have a stack, oldest first. */
function stacks({ pool }: Actor): boolean[] {
  return pool.holders().map(({ stack }) => stack?.includes('debug.test.ts') ?? false);
}

it('keeps stacks for a minute, of pools that come meanwhile too, and then no more', async () => {
  const early = open('early', { max: 3 });
  await take(early);
  captureStacksFor();
  const late = open('late');
  await Promise.all([take(early), take(late)]);
  expect([stacks(early), stacks(late)]).toEqual([[false, true], [true]]);
  vi.advanceTimersByTime(59_999);
  expect(early.pool.captureStacks(1)).toBe(1);
  vi.advanceTimersByTime(1);
  await Promise.all([take(early), take(late)]);
  expect([stacks(early), stacks(late)]).toEqual([[false, true, false], [true, false]]);
});

it('leaves a pool as it found it, however many wanted its stacks, unless somebody has set it meanwhile', () => {
  const { pool } = open('often', { captureStacks: 0.5 });
  const other = open('other').pool;
  const first = captureStacksFor(1_000, { pools: ({ name }) => name === 'often' });
  captureStacksFor(5_000);
  first();
  first();
  expect(pool.captureStacks(1)).toBe(1);
  other.captureStacks(0.25);
  vi.advanceTimersByTime(5_000);
  expect([pool.captureStacks(0), other.captureStacks(0)]).toEqual([0.5, 0.25]);
});

it('reports who holds what, as data and as a text by place', async () => {
  const pools = newPools();
  const actor = open('orders', { max: 3, leakThresholdMs: 500 });
  ends.push(captureStacksFor());
  // At one place.
  for (let count = 0; count < 2; count++) await take(actor, 'GET /orders');
  await actor.clock.advance(600);
  actor.pool.captureStacks(0);
  await take(actor);
  open('quiet');
  const report = leakReport({ pools });
  expect(report.pools.map(({ pool, holders, ...numbers }) => ({ pool, holders: holders.length, ...numbers }))).toEqual([
    { pool: 'orders', holders: 3, borrowed: 3, max: 3, waiting: 0 }, { pool: 'quiet', holders: 0, borrowed: 0, max: 2, waiting: 0 },
  ]);
  expect(report.pools[0]!.holders.map(({ id, label, heldMs, suspect }) => ({ id, label, heldMs, suspect }))).toEqual([
    { id: 1, label: 'GET /orders', heldMs: 600, suspect: true }, { id: 2, label: 'GET /orders', heldMs: 600, suspect: true },
    { id: 3, label: undefined, heldMs: 0, suspect: false },
  ]);
  expect(JSON.parse(JSON.stringify(report))).toMatchObject({ pools: [{ pool: 'orders' }, { pool: 'quiet' }] });
  const lines = describeLeaks(report).split('\n');
  expect(lines.filter((line) => !line.includes(' at '))).toEqual([
    'Pool "orders": 3 of 3 borrowed, 0 waiting.',
    '  2 "GET /orders", the oldest held for 600 ms, 2 over leakThresholdMs:',
    '  1, held for 0 ms',
    '  Where they were acquired is known of acquires under captureStacks.',
  ]);
  expect(lines[2]).toMatch(/^ {4}at take \(.*debug\.test\.ts:/);
  expect(describeLeaks(leakReport({ pools: ({ name }) => name === 'quiet' }))).toBe('No pool has anything out.');
});

it('reports at a signal, keeps stacks, and reports again when their time is over or at the next signal', async () => {
  const actor = open('orders', { max: 3 });
  const said: string[] = [];
  const stop = debugOnSignal('SIGUSR2', { to: (text) => said.push(text), captureMs: 10_000 });
  ends.push(stop);
  await take(actor);
  const signal = (): void => void process.emit('SIGUSR2', 'SIGUSR2');
  signal();
  await take(actor);
  expect(stacks(actor)).toEqual([false, true]);
  vi.advanceTimersByTime(10_000);
  expect(said.map((text) => text.split('\n')[0])).toEqual(['SIGUSR2: stacks are kept for 10 s.', 'SIGUSR2: stacks are no longer kept.']);
  expect(said.map((text) => text.includes('debug.test.ts'))).toEqual([false, true]);
  signal();
  signal();
  await take(actor);
  expect([said.length, stacks(actor)]).toEqual([4, [false, true, false]]);
  signal();
  stop();
  expect([actor.pool.captureStacks(0), process.listenerCount('SIGUSR2')]).toEqual([0, 0]);
});

it('reports a timeout while leases are out, once a minute per pool, and knows the places the next time', async () => {
  const said: string[] = [];
  const stop = reportLeaks({ to: (text) => said.push(text) });
  ends.push(stop);
  const actor = open('orders', { max: 1 });
  const lease = await take(actor, 'slow');
  await timeOut(actor);
  await timeOut(actor);
  expect(said).toEqual([[
    'An acquire of pool "orders" timed out while leases were out.', 'Pool "orders": 1 of 1 borrowed, 0 waiting.',
    '  1 "slow", held for 50 ms', '  Where they were acquired is known of acquires under captureStacks.',
  ].join('\n')]);
  lease.release();
  await take(actor, 'slow again');
  vi.advanceTimersByTime(60_000);
  await timeOut(actor);
  expect(said[1]).toMatch(/"slow again", held for 50 ms:\n {4}at take \(.*debug\.test\.ts/);
  expect(said.length).toBe(2);
  stop();
  await timeOut(actor);
  expect([said.length, actor.pool.captureStacks(0)]).toEqual([2, 0]);
});

it('is silent about a timeout that no lease is to blame for', async () => {
  const said: string[] = [];
  ends.push(reportLeaks({ to: (text) => said.push(text), everyMs: 0, captureMs: 0 }));
  const actor = open('slow', { max: 2 });
  actor.factory.script.create.behaviour = 'manual';
  await timeOut(actor);
  expect(said).toEqual([]);
});

it('reports what a close did not get back, and nothing of what came in time', async () => {
  const said: string[] = [];
  ends.push(reportLeaks({ to: (text) => said.push(text) }));
  const early = open('early');
  const lease = await take(early);
  const closing = early.pool.close({ deadlineMs: 100 });
  await early.clock.advance(50);
  lease.release();
  await early.clock.advance(0);
  await closing;
  const late = open('late', { captureStacks: true });
  await Promise.all([1, 2].map(() => take(late, 'lost')));
  await shut(late);
  await vi.waitFor(() => expect(said.length).toBe(1));
  expect(said[0]).toMatch(/^Pool "late" closed with 2 leases out\.\n {2}2 "lost", the oldest held for 0 ms:\n {4}at take \(/);
});

it('refuses what makes no sense', () => {
  expect(() => captureStacksFor(-1)).toThrow(/ms is -1/);
  expect(() => reportLeaks({ every: 1 } as object)).toThrow(/did you mean everyMs\?/);
  expect(() => debugOnSignal('SIGUSR2', { to: 'stderr' as never })).toThrow(/to is a string, but must be a function/);
});
