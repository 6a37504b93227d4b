// B. Waiting, fairness, cancellation.

import { AcquireTimeoutError, QueueFullError } from 'millpond';
import { expect, test } from 'vitest';
import { createTimes, expectFailed, expectStats, manually, names, play } from './play.ts';

test('10: waiters are served in the order in which they came', async () => {
  const scene = play({ max: 1 });
  const [a] = await scene.borrow(1);
  const order: string[] = [];
  const waiters = ['B', 'C', 'D'].map((name) => {
    const request = scene.acquire();
    void request.promise.then(() => order.push(name));
    return request;
  });
  await scene.step();
  for (const request of [a!, ...waiters]) {
    request.release();
    await scene.step();
  }
  expect(order).toEqual(['B', 'C', 'D']);
});

test('11: an abort takes the waiter out at once, and its timer with it', async () => {
  const scene = play({ max: 1, flushOnStale: false }, { factory: { validate: false } });
  const [a] = await scene.borrow(1);
  await scene.adv(2000);
  expect(scene.clock.pending).toBe(0);
  const abort = new AbortController();
  const b = scene.acquire({ signal: abort.signal });
  await scene.step();
  expect(scene.clock.nextAt).toBe(3000);
  const reason = new Error('the client went away');
  abort.abort(reason);
  expectStats(scene, { waiting: 0 });
  await scene.step();
  expect(b.error).toBe(reason);
  expect(scene.clock.pending).toBe(0);
  a!.release();
  await scene.step();
  expectStats(scene, { idle: 1 });
});

test('12: a signal that has aborted already touches nothing', async () => {
  const scene = play({ validateAfterIdleMs: 0 });
  await scene.fill(1);
  await scene.adv(10);
  const before = scene.pool.stats();
  const reason = { any: 'value' };
  const request = scene.acquire({ signal: AbortSignal.abort(reason) });
  await scene.step();
  expect(request.error).toBe(reason);
  expect(scene.factory.validates).toBe(0);
  expect(scene.factory.creates).toBe(1);
  const { totals: _before, ...statesBefore } = before;
  const { totals: _after, ...statesAfter } = scene.pool.stats();
  expect(statesAfter).toEqual(statesBefore);
});

test('13: a waiter that leaves the middle of the queue is passed over', async () => {
  const scene = play({ max: 1 });
  const [a] = await scene.borrow(1);
  const abort = new AbortController();
  const b = scene.acquire();
  const c = scene.acquire({ signal: abort.signal });
  const d = scene.acquire();
  await scene.step();
  abort.abort();
  a!.release();
  await scene.step();
  expect([b.state, c.state, d.state]).toEqual(['served', 'failed', 'waiting']);
  b.release();
  await scene.step();
  expect(d.state).toBe('served');
});

test('14: a waiter times out at its deadline, not before, with the numbers in the error', async () => {
  const scene = play({ max: 1, name: 'orders' });
  await scene.borrow(1);
  const b = scene.acquire();
  await scene.adv(999);
  expect(b.state).toBe('waiting');
  await scene.adv(1);
  expect(b.error).toBeInstanceOf(AcquireTimeoutError);
  const error = b.error as AcquireTimeoutError;
  expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', pool: 'orders', waitedMs: 1000, retryable: true });
  // At that moment: the one that is told is not a waiter any more, or still one; nobody else was.
  expect(error.stats).toMatchObject({ name: 'orders', size: 1, borrowed: 1, idle: 0, creating: 0 });
  expect(error.stats.waiting).toBeLessThanOrEqual(1);
  expect(error.message).toContain('orders');
  expect(error.message).toMatch(/1[ ,._]?000/);
  expect(error.cause).toBeUndefined();
});

test('14: the cause of a timeout is the last failure of a create', async () => {
  const createRetry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };
  const scene = play({ max: 1, createRetry });
  const failures: Error[] = [];
  scene.factory.script.create.does(() => {
    failures.push(new Error(`refused, time ${failures.length + 1}`));
    throw failures.at(-1);
  });
  const request = scene.acquire();
  await scene.adv(1000);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
  expect(failures.length).toBeGreaterThan(1);
  expect((request.error as Error).cause).toBe(failures.at(-1));
});

test('15: a waiter that has timed out is never served', async () => {
  const scene = play({ max: 1 });
  const [a] = await scene.borrow(1);
  const b = scene.acquire({ timeoutMs: 1000 });
  const c = scene.acquire({ timeoutMs: 5000 });
  await scene.adv(1000);
  expectFailed(b, 'ERR_POOL_ACQUIRE_TIMEOUT');
  a!.release();
  await scene.step();
  expect(b.state).toBe('failed');
  expect(c.state).toBe('served');
  expectStats(scene, { borrowed: 1, waiting: 0 });
});

test('15: nor is one whose deadline passed while the loop was blocked, although its timer has not run', async () => {
  const scene = play({ max: 1 });
  const [a] = await scene.borrow(1);
  scene.clock.schedule(1, () => a!.release()); // fires before the timer of B, at a time when both are overdue
  const b = scene.acquire({ timeoutMs: 1000 });
  const c = scene.acquire({ timeoutMs: 5000 });
  await scene.step();
  await scene.clock.stall(3000);
  await scene.step();
  expectFailed(b, 'ERR_POOL_ACQUIRE_TIMEOUT');
  expect(c.state).toBe('served');
});

test('16: ten thousand expired waiters are skipped in bulk', async () => {
  const scene = play({ max: 1 });
  const [a] = await scene.borrow(1);
  const short = Array.from({ length: 10_000 }, () => scene.acquire({ timeoutMs: 100 }));
  const z = scene.acquire({ timeoutMs: 10_000 });
  await scene.adv(101);
  expect(short.every((request) => request.state === 'failed' && request.waitedMs === 100)).toBe(true);
  expectStats(scene, { waiting: 1 });
  a!.release();
  expectStats(scene, { waiting: 0, borrowed: 1, idle: 0 });
  await scene.step();
  expect(z.state).toBe('served');
});

test('17: a create that comes after its requester has left lands in the pool', async () => {
  const scene = play({ max: 1 }, { prepare: manually });
  const a = scene.acquire({ timeoutMs: 100 });
  await scene.adv(100);
  expectFailed(a, 'ERR_POOL_ACQUIRE_TIMEOUT');
  await scene.adv(50);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expectStats(scene, { idle: 1, creating: 0, size: 1 });
  expect(names(await scene.borrow(1))).toEqual(['r1']);
  expect(scene.factory.creates).toBe(1);
});

test('18: a return serves a waiter while its own create is pending', async () => {
  const scene = play({ max: 2 });
  const [a] = await scene.borrow(1);
  scene.factory.auto = false;
  const b = scene.acquire();
  await scene.step();
  expect(scene.factory.creates).toBe(2);
  a!.release();
  await scene.step();
  expect(names([b])).toEqual(['r1']);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expectStats(scene, { idle: 1, borrowed: 1, size: 2 });
  expect(scene.factory.creates).toBe(2);
});

test('19: fifty callers on five idle resources do not create what would come too late', async () => {
  const scene = play({ max: 50, min: 5, maxCreating: 1 });
  await scene.step();
  expectStats(scene, { idle: 5 });
  scene.factory.script.create.does({ afterMs: 150 });
  const requests = Array.from({ length: 50 }, () => scene.acquire());
  for (const request of requests) {
    void request.promise.then((lease) => scene.clock.schedule(scene.clock.now() + 2, () => lease.release()));
  }
  await scene.adv(1000);
  for (const request of requests) {
    expect(request.state).toBe('served');
    expect(request.waitedMs).toBeLessThanOrEqual(22);
  }
  expect(scene.pool.stats().size).toBeLessThanOrEqual(6);
  expect(scene.factory.creates).toBeLessThanOrEqual(6);
});

test('20: at most maxCreating creates run at once, and each that settles starts exactly one more', async () => {
  const scene = play({ max: 10, maxCreating: 2 }, { prepare: manually });
  const requests = Array.from({ length: 10 }, () => scene.acquire());
  await scene.step();
  expect(scene.factory.creates).toBe(2);
  for (let done = 1; done <= 10; done++) {
    scene.factory.pending[0]!.ok();
    await scene.step();
    expect(scene.factory.creates).toBe(Math.min(10, done + 2));
  }
  expect(requests.every((request) => request.state === 'served')).toBe(true);
  expect(scene.factory.maxConcurrentCreates).toBe(2);
});

test('21: a create that hangs frees its turn at createTimeoutMs, and deadlines do not move', async () => {
  const scene = play({ max: 3, maxCreating: 1, createTimeoutMs: 300 }, { prepare: manually });
  const times = createTimes(scene);
  const first = scene.acquire();
  const second = scene.acquire();
  const impatient = scene.acquire({ timeoutMs: 200 });
  await scene.adv(199);
  expect(impatient.state).toBe('waiting');
  await scene.adv(1);
  expectFailed(impatient, 'ERR_POOL_ACQUIRE_TIMEOUT');
  await scene.adv(99);
  expect(times).toEqual([0]);
  await scene.adv(1);
  expect(times).toEqual([0, 300]);
  expectFailed(first, 'ERR_POOL_CREATE_TIMEOUT');
  scene.factory.pending[1]!.ok();
  await scene.step();
  expect(second.state).toBe('served');
});

test('22: the fourth waiter is turned away at once when maxWaiting is 3', async () => {
  const scene = play({ max: 1, maxWaiting: 3 });
  await scene.borrow(1);
  const abort = new AbortController();
  const waiting = [scene.acquire(), scene.acquire({ signal: abort.signal }), scene.acquire()];
  await scene.step();
  const timers = scene.clock.pending;
  const fourth = scene.acquire();
  expect(scene.clock.pending).toBe(timers);
  await scene.step();
  expect(fourth.error).toBeInstanceOf(QueueFullError);
  expectFailed(fourth, 'ERR_POOL_QUEUE_FULL');
  expect(fourth.error).toMatchObject({ waitedMs: 0, retryable: true });
  abort.abort();
  await scene.step();
  const next = scene.acquire();
  await scene.step();
  expect(next.state).toBe('waiting');
  expect(waiting.map((request) => request.state)).toEqual(['waiting', 'failed', 'waiting']);
});

test('23: with maxWaiting 0 nobody queues, but who has a create of its own may wait for it', async () => {
  const full = play({ max: 1, maxWaiting: 0 });
  await full.borrow(1);
  const refused = full.acquire();
  await full.step();
  expectFailed(refused, 'ERR_POOL_QUEUE_FULL');

  const scene = play({ max: 2, maxWaiting: 0 }, { prepare: manually });
  const requests = [scene.acquire(), scene.acquire()];
  const third = scene.acquire();
  await scene.step();
  expect(requests.map((request) => request.state)).toEqual(['waiting', 'waiting']);
  expectFailed(third, 'ERR_POOL_QUEUE_FULL');
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(requests.map((request) => request.state)).toEqual(['served', 'waiting']);
});
