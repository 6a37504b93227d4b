// Rules 5, 6 and 12: one deadline for everything an acquire waits for; failures of creates; and timers that tell the truth.

import { Pool, type Clock } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { createTimes, expectFailed, expectStats, manually, names, play } from './scenarios/play.ts';

const E = new Error('connect ECONNREFUSED');
const retry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };

test('timeoutMs of an acquire overrides that of the pool, in both directions', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const short = scene.acquire({ timeoutMs: 10 });
  const long = scene.acquire({ timeoutMs: 5000 });
  const usual = scene.acquire();
  const endless = scene.acquire({ timeoutMs: Infinity });
  await scene.adv(1_000_000);
  expect([short, long, usual].map((request) => request.waitedMs)).toEqual([10, 5000, 1000]);
  expect(endless.state).toBe('waiting');
});

test('timeoutMs 0 takes what is idle and does not wait for anything else', async () => {
  const scene = play({ max: 1 });
  await scene.fill(1);
  const lucky = scene.acquire({ timeoutMs: 0 });
  const unlucky = scene.acquire({ timeoutMs: 0 });
  await scene.adv(0);
  expect(lucky.state).toBe('served');
  expectFailed(unlucky, 'ERR_POOL_ACQUIRE_TIMEOUT');
});

test('the deadline spans queueing, validating and creating together', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 0, acquireTimeoutMs: 1000 });
  const [held] = await scene.borrow(1);
  const request = scene.acquire();
  await scene.adv(400);
  scene.factory.script.destroy.does({ afterMs: 300 });
  scene.factory.script.create.does('manual');
  held!.lease.destroy();
  await scene.adv(300);
  expect(scene.factory.pending).toHaveLength(1);
  await scene.adv(299);
  expect(request.state).toBe('waiting');
  await scene.adv(1);
  expect(request.waitedMs).toBe(1000);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
});

test('deadlines of different lengths expire in the order of time, not of arrival', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const order: number[] = [];
  for (const timeoutMs of [50, 10, 40, 10, 30, 20]) {
    scene.acquire({ timeoutMs }).promise.catch(() => order.push(timeoutMs));
  }
  await scene.adv(100);
  expect(order).toEqual([10, 10, 20, 30, 40, 50]);
});

test('the cause of a timeout is forgotten once a create has succeeded', async () => {
  const scene = play({ max: 1 });
  scene.factory.script.create.next({ rejects: E });
  scene.acquire();
  await scene.step();
  await scene.borrow(1);
  const request = scene.acquire();
  await scene.adv(1000);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
  expect((request.error as Error).cause).toBeUndefined();
});

test('a permanent failure while another resource is alive is told to one waiter, and the rest may still be served', async () => {
  const scene = play({ max: 2, createRetry: retry }, { factory: { classify: () => 'permanent' } });
  const [held] = await scene.borrow(1);
  scene.factory.auto = false;
  const [first, second] = [scene.acquire(), scene.acquire()];
  await scene.step();
  scene.factory.failCreates(E);
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expectFailed(first, 'ERR_POOL_CREATE_FAILED');
  held!.release();
  await scene.step();
  if (second.state === 'failed') expectFailed(second, 'ERR_POOL_CREATE_FAILED');
  else expect(names([second])).toEqual(['r1']);
});

test('with createRetry too, a permanent failure beside a live resource is told to the head of the queue, and to nobody else', async () => {
  const scene = play({ max: 2, createRetry: retry }, { factory: { classify: () => 'permanent' } });
  const [held] = await scene.borrow(1);
  scene.factory.auto = false;
  const [first, second] = [scene.acquire(), scene.acquire()];
  await scene.step();
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expectFailed(first, 'ERR_POOL_CREATE_FAILED');
  expect(second.state).toBe('waiting');
  held!.release();
  await scene.step();
  expect(names([second])).toEqual(['r1']);
});

test('a failed create is not told to a waiter for whom another create still runs', async () => {
  const scene = play({ max: 2, maxCreating: 2, createRetry: false });
  scene.factory.auto = false;
  const leaving = scene.acquire({ timeoutMs: 10 });
  const staying = scene.acquire();
  await scene.adv(10);
  expect([leaving.state, scene.factory.pending.length]).toEqual(['failed', 2]);
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expect(staying.state).toBe('waiting');
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(staying.state).toBe('served');
});

test('with createRetry a permanent failure rejects at once, and a transient one before it does not count', async () => {
  const denied = new Error('28P01');
  const scene = play({ max: 1, createRetry: retry }, { factory: { classify: (error) => (error === denied ? 'permanent' : 'transient') } });
  scene.factory.script.create.next({ rejects: E }, { rejects: denied });
  const request = scene.acquire();
  await scene.adv(99);
  expect(request.state).toBe('waiting');
  await scene.adv(1);
  expect(request.error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: denied });
});

test('a permanent failure does not become a storm when min asks for resources', async () => {
  const scene = play(
    { min: 5, max: 5, createRetry: {} },
    { factory: { classify: () => 'permanent' }, prepare: (factory) => factory.failCreates(E) },
  );
  await scene.adv(60_000);
  // Five at the start, then at the slowest pace: locking an account takes few attempts.
  expect(scene.factory.creates).toBeLessThanOrEqual(5 + 5 * 13);
});

test('a classifier that throws is taken for one that says nothing', async () => {
  const scene = play(
    { max: 1, createRetry: retry },
    {
      factory: {
        classify: () => {
          throw new Error('a bug in the classifier');
        },
      },
    },
  );
  scene.factory.script.create.next({ rejects: E });
  const request = scene.acquire();
  await scene.adv(100);
  expect(names([request])).toEqual(['r1']);
});

test('attempts are numbered, and createError says when the next one comes', async () => {
  const scene = play({ min: 1, createRetry: retry });
  const attempts: number[] = [];
  scene.factory.script.create.does((call) => {
    attempts.push(call.context.attempt);
    throw E;
  });
  const events: unknown[] = [];
  scene.pool.on('createError', (event) => events.push(event));
  scene.factory.lost((await scene.borrow(1))[0]!.resource);
  for (const lease of scene.watch.leases) lease.release();
  await scene.adv(300);
  expect(attempts).toEqual([1, 2, 3]);
  expect(events).toEqual([
    { error: E, attempt: 1, retryInMs: 100 },
    { error: E, attempt: 2, retryInMs: 200 },
    { error: E, attempt: 3, retryInMs: 400 },
  ]);
});

test('createError has no retryInMs when nobody asks for another attempt', async () => {
  const scene = play({ max: 1 });
  scene.factory.failCreates(E);
  const events: unknown[] = [];
  scene.pool.on('createError', (event) => events.push(event));
  scene.acquire();
  await scene.step();
  expect(events).toEqual([{ error: E, attempt: 1, retryInMs: undefined }]);
});

test('several attempts that fail at once are one step of the backoff', async () => {
  const scene = play({ max: 4, createRetry: retry, acquireTimeoutMs: 10_000 });
  scene.factory.failCreates(E);
  const times = createTimes(scene);
  for (let i = 0; i < 4; i++) scene.acquire();
  await scene.adv(750);
  expect([...new Set(times)]).toEqual([0, 100, 300, 700]);
});

test('after a stall an answer that has arrived is read before its create is given up', async () => {
  const scene = play({ max: 1, createTimeoutMs: 500, acquireTimeoutMs: 60_000 }, { prepare: manually });
  const request = scene.acquire();
  await scene.step();
  await scene.clock.stall(5000, () => scene.factory.pending[0]!.ok());
  await scene.step();
  expect(names([request])).toEqual(['r1']);
  expect(scene.pool.stats().totals.createErrors).toBe(0);
});

test('the same for a validation: a resource is not called dead because we were asleep', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 0, validateTimeoutMs: 500, acquireTimeoutMs: 60_000 });
  await scene.fill(1);
  await scene.adv(1);
  scene.factory.script.validate.does('manual');
  const request = scene.acquire();
  await scene.step();
  await scene.clock.stall(5000, () => scene.factory.script.validate.pending[0]!.ok(true));
  await scene.step();
  expect(names([request])).toEqual(['r1']);
  expect(scene.factory.destroys).toBe(0);
});

test('the same for a reset and a destroy', async () => {
  const scene = play({ max: 1, resetTimeoutMs: 500, destroyTimeoutMs: 500 }, { factory: { reset: true } });
  const { reset, destroy } = scene.factory.script;
  reset.does('manual');
  destroy.does('manual');
  const [held] = await scene.borrow(1);
  held!.release();
  await scene.step();
  await scene.clock.stall(5000, () => reset.pending[0]!.ok());
  await scene.step();
  expectStats(scene, { idle: 1, size: 1 });
  scene.pool.evict();
  await scene.step();
  await scene.clock.stall(5000, () => destroy.pending[0]!.ok());
  await scene.step();
  expectStats(scene, { size: 0 });
  expect(scene.pool.stats().totals.destroyTimeouts).toBe(0);
});

test('a hook that does not answer after the stall either is given up soon afterwards', async () => {
  const scene = play({ max: 1, createTimeoutMs: 500, acquireTimeoutMs: 60_000 }, { prepare: manually });
  const request = scene.acquire();
  await scene.step();
  await scene.clock.stall(5000);
  await scene.adv(500);
  expectFailed(request, 'ERR_POOL_CREATE_TIMEOUT');
});

test('after a freeze beyond the idle limit what is kept for min is validated before use', async () => {
  const scene = play({ min: 1, max: 1, validateAfterIdleMs: Infinity, idleTimeoutMs: 1000 });
  await scene.step();
  await scene.adv(500);
  const [trusted] = await scene.borrow(1);
  expect(scene.factory.validates).toBe(0);
  trusted!.release();
  await scene.step();
  await scene.clock.stall(3_600_000);
  const request = scene.acquire();
  await scene.step();
  expect(request.state).toBe('served');
  const [r1] = scene.factory.resources;
  expect(scene.factory.validates + scene.factory.destroyed(r1!)).toBeGreaterThan(0);
});

test('a stall does not lose waiters: they are told once the loop runs again', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const requests = Array.from({ length: 5 }, () => scene.acquire());
  await scene.step();
  await scene.clock.stall(60_000);
  expectFailed(requests, 'ERR_POOL_ACQUIRE_TIMEOUT');
  for (const request of requests) expect(request.error).toMatchObject({ waitedMs: 60_000 });
});

test('on any clock the wake-up keeps the process alive while somebody waits, and not longer', async () => {
  const virtual = new VirtualClock();
  const kept = new Set<object>();
  const clock: Clock = {
    now: () => virtual.now(),
    schedule: (atMs, callback, keepAlive = true) => {
      const timer = {};
      if (keepAlive) kept.add(timer);
      const cancel = virtual.schedule(atMs, callback);
      return () => {
        kept.delete(timer);
        cancel();
      };
    },
  };
  const pool = new Pool({ factory: { create: () => ({}), destroy: () => undefined }, max: 1, clock });
  const lease = await pool.acquire();
  expect(kept.size).toBe(0);
  const next = pool.acquire();
  expect(kept.size).toBe(1);
  lease.release();
  expect(kept.size).toBe(0);
  (await next).release();
});
