// C. Creation failure, backoff, recovery.

import { CreateError, PoolUnavailableError } from 'millpond';
import { expect, test } from 'vitest';
import { createTimes, expectFailed, expectStats, manually, names, play } from './play.ts';

const E = new Error('connect ECONNREFUSED');
const retry = { initialDelayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0 };

test('27: a thousand failed creates cost no capacity', async () => {
  const scene = play({ max: 1 }, { prepare: (factory) => factory.failCreates(E) });
  for (let i = 0; i < 1000; i++) {
    const request = scene.acquire();
    await scene.step();
    expectFailed(request, 'ERR_POOL_CREATE_FAILED');
  }
  scene.factory.auto = true;
  await scene.borrow(1);
  expectStats(scene, { size: 1, creating: 0 });
  expect(scene.factory.creates).toBe(1001);
});

test('28: when all creates fail nobody is left waiting', async () => {
  const scene = play({ max: 2 }, { prepare: (factory) => factory.failCreates(E) });
  const requests = Array.from({ length: 6 }, () => scene.acquire());
  await scene.step();
  for (const request of requests) {
    expect(request.error).toBeInstanceOf(CreateError);
    expect(request.error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: E });
  }
  expect(scene.clock.now()).toBe(0);
  expect(scene.factory.creates).toBe(6);
  expect(scene.factory.maxConcurrentCreates).toBe(2);
  expectStats(scene, { size: 0, waiting: 0 });
});

test('28: and the same when they fail later, one by one', async () => {
  const scene = play({ max: 2 }, { prepare: manually });
  const requests = Array.from({ length: 6 }, () => scene.acquire());
  await scene.step();
  for (let failed = 1; failed <= 6; failed++) {
    scene.factory.pending[0]!.fail(E);
    await scene.step();
    expect(requests.filter((request) => request.state === 'failed')).toHaveLength(failed);
  }
  expect(scene.factory.creates).toBe(6);
  expect(requests.map((request) => request.state)).toEqual(Array.from({ length: 6 }, () => 'failed'));
});

test('29: the head is told, and the next waiter gets a create of its own at once', async () => {
  const scene = play({ max: 1 }, { prepare: manually });
  const [a, b] = [scene.acquire(), scene.acquire()];
  await scene.step();
  expect(scene.factory.creates).toBe(1);
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expect(a.error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: E });
  expect(b.state).toBe('waiting');
  expect(scene.factory.creates).toBe(2);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(names([b])).toEqual(['r1']);
});

test('30: a transient outage is waited out within the deadline', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 2800, createRetry: { initialDelayMs: 10, factor: 2, jitter: 0 } });
  scene.factory.script.create.does(() => {
    if (scene.clock.now() < 300) throw E;
    return undefined;
  });
  const times = createTimes(scene);
  const request = scene.acquire();
  await scene.adv(2800);
  expect(request.state).toBe('served');
  const firstGood = times.find((at) => at >= 300);
  expect(request.settledAt).toBe(firstGood);
  expect(firstGood).toBeLessThan(2800);
});

test('31: creates back off, up to the cap, and start over after a success', async () => {
  const scene = play({ min: 1, createRetry: retry }, { prepare: (factory) => factory.failCreates(E) });
  const times = [0]; // the first create started before anybody could look
  scene.factory.observe((hook) => void (hook === 'create' && times.push(scene.clock.now())));
  await scene.adv(3600);
  expect(times).toEqual([0, 100, 300, 700, 1500, 2500, 3500]);
  scene.factory.auto = true;
  await scene.adv(900);
  expectStats(scene, { idle: 1 });
  scene.factory.failCreates(E);
  times.length = 0;
  const from = scene.clock.now();
  scene.factory.lost(scene.factory.alive()[0]!);
  await scene.adv(2500);
  expect(times.map((at) => at - from)).toEqual([0, 100, 300, 700, 1500, 2500]);
});

test('31: a deficit of min is retried in the same way when createRetry is off', async () => {
  const scene = play({ min: 1, createRetry: false }, { prepare: (factory) => factory.failCreates(E) });
  await scene.adv(60_000);
  expect(scene.factory.creates).toBeGreaterThan(5);
  expect(scene.factory.creates).toBeLessThan(60);
});

test('31: with jitter j each delay d lies within d(1 - j) and d(1 + j), and they differ', async () => {
  const factors = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const scene = play({ min: 1, createRetry: { ...retry, jitter: 0.2 } }, { seed, prepare: (factory) => factory.failCreates(E) });
    const times = [0];
    scene.factory.observe((hook) => void (hook === 'create' && times.push(scene.clock.now())));
    await scene.adv(4000);
    [100, 200, 400, 800, 1000].forEach((planned, index) => {
      const delay = times[index + 1]! - times[index]!;
      expect(delay).toBeGreaterThanOrEqual(planned * 0.8);
      expect(delay).toBeLessThanOrEqual(planned * 1.2);
      factors.add(delay / planned);
    });
  }
  expect(factors.size).toBeGreaterThan(50);
});

test('31: jitter does not lift a delay above the cap, so that the pool heals within one maximal backoff', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const scene = play({ min: 1, createRetry: { ...retry, jitter: 0.5 } }, { seed, prepare: (factory) => factory.failCreates(E) });
    const times = [0]; // the first create started before anybody could look
    scene.factory.observe((hook) => void (hook === 'create' && times.push(scene.clock.now())));
    await scene.adv(20_000);
    const delays = times.slice(1).map((at, index) => at - times[index]!);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
    expect(delays.length).toBeGreaterThan(15);
  }
});

test('32: a create that succeeds after createTimeoutMs is destroyed, never lent', async () => {
  const scene = play({ max: 1, createTimeoutMs: 500, acquireTimeoutMs: 5000 }, { prepare: manually });
  const a = scene.acquire();
  await scene.adv(499);
  expect(a.state).toBe('waiting');
  await scene.adv(1);
  expectFailed(a, 'ERR_POOL_CREATE_TIMEOUT');
  expect(scene.pool.stats().totals.createErrors).toBe(1);
  expectStats(scene, { size: 0, creating: 0 });
  const late = scene.factory.pending[0]!;
  expect(late.context.signal.aborted).toBe(true);
  const b = scene.acquire();
  await scene.adv(400);
  scene.factory.pending[1]!.ok();
  await scene.step();
  expect(names([b])).toEqual(['r1']);
  late.ok();
  await scene.step();
  expect(scene.factory.live).toBe(1);
  expect(scene.factory.reason(scene.factory.resources[1]!)).toBe('late');
  b.lease.destroy();
  await scene.step();
  expect(scene.factory.live).toBe(0);
});

test('33: a create that throws synchronously counts as one that rejects', async () => {
  const scene = play({ max: 1 });
  scene.factory.script.create.next({ throws: E });
  const request = scene.acquire();
  await scene.step();
  expect(request.error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: E });
  expectStats(scene, { size: 0, creating: 0 });
  expect(names(await scene.borrow(1))).toEqual(['r1']);
});

test('33: a validate that throws synchronously says that the resource is dead', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 0 });
  const [r1] = await scene.fill(1);
  await scene.adv(1);
  scene.factory.script.validate.next({ throws: E });
  expect(names(await scene.borrow(1))).toEqual(['r2']);
  expect(scene.factory.reason(r1!)).toBe('invalid');
});

test('33: a reset that throws synchronously destroys the resource, and release does not throw', async () => {
  const scene = play({ max: 1 }, { factory: { reset: true } });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  scene.factory.script.reset.next({ throws: E });
  expect(held!.release()).toBe(true);
  await scene.step();
  expect(scene.factory.reason(r1)).toBe('resetFailed');
  expectStats(scene, { size: 0, resetting: 0 });
  expect(names(await scene.borrow(1))).toEqual(['r2']);
});

test('33: a destroy that throws synchronously still frees the place', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  scene.factory.script.destroy.next({ throws: E });
  const seen: unknown[] = [];
  scene.pool.on('destroy', (event) => seen.push(event.error));
  held!.lease.destroy();
  await scene.step();
  expect(seen).toEqual([E]);
  expectStats(scene, { size: 0, destroying: 0 });
  expect(names(await scene.borrow(1))).toEqual(['r2']);
});

test('34: a permanent failure is told at once, with one create per acquire', async () => {
  const denied = new Error('password authentication failed');
  const scene = play(
    { max: 1, createRetry: retry, acquireTimeoutMs: 5000 },
    { factory: { classify: (error) => (error === denied ? 'permanent' : 'transient') }, prepare: (factory) => factory.failCreates(denied) },
  );
  for (let i = 1; i <= 3; i++) {
    const request = scene.acquire();
    await scene.step();
    expect(request.error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: denied, retryable: false });
    expect(scene.factory.creates).toBe(i);
    await scene.adv(10_000);
    expect(scene.factory.creates).toBe(i);
  }
});

test('34: all who wait are told, by one create', async () => {
  const scene = play(
    { max: 1, createRetry: retry },
    { factory: { classify: () => 'permanent' }, prepare: manually },
  );
  const requests = [scene.acquire(), scene.acquire(), scene.acquire()];
  await scene.step();
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expectFailed(requests, 'ERR_POOL_CREATE_FAILED');
  expect(scene.factory.creates).toBe(1);
});

test('35: an open breaker fails acquires at once and probes once per interval', async () => {
  const failures = [1, 2, 3].map((n) => new Error(`refused, time ${n}`));
  const scene = play({ max: 2, breaker: { failures: 3, probeIntervalMs: 1000 } });
  scene.factory.failCreates(E);
  for (const failure of failures) {
    expect(scene.pool.state).toBe('open');
    scene.factory.script.create.next({ rejects: failure });
    scene.acquire();
    await scene.step();
  }
  expect(scene.pool.state).toBe('unavailable');
  const times = createTimes(scene);
  const denied = scene.acquire();
  await scene.step();
  expect(denied.error).toBeInstanceOf(PoolUnavailableError);
  expect(denied.error).toMatchObject({ code: 'ERR_POOL_UNAVAILABLE', cause: failures[2], retryable: true });
  expect(times).toEqual([]);
  await scene.adv(3500);
  expect(times).toEqual([1000, 2000, 3000]);
  scene.factory.auto = true;
  await scene.adv(500);
  expect(scene.pool.state).toBe('open');
  expectStats(scene, { idle: 1 });
  expect(names(await scene.borrow(2))).toEqual(['r1', 'r2']);
});

test('35: a probe that hangs is not joined by another', async () => {
  const scene = play({ max: 2, breaker: { failures: 1, probeIntervalMs: 1000 } });
  scene.factory.failCreates(E);
  scene.acquire();
  await scene.step();
  scene.factory.auto = false;
  for (let i = 0; i < 10; i++) {
    await scene.adv(1000);
    scene.pool.resize({ max: 3 + i }); // something to look about for
  }
  await scene.step();
  expect(scene.factory.pending).toHaveLength(1);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(scene.pool.state).toBe('open');
});

test('35: only failures in a row count', async () => {
  const scene = play({ max: 2, breaker: { failures: 3, probeIntervalMs: 1000 } });
  for (const outcome of ['fail', 'fail', 'ok', 'fail', 'fail']) {
    scene.factory.script.create.next(outcome === 'ok' ? 'ok' : { rejects: E });
    const request = scene.acquire();
    await scene.step();
    if (outcome === 'ok') request.lease.destroy();
    await scene.step();
  }
  expect(scene.pool.state).toBe('open');
  scene.factory.script.create.next({ rejects: E });
  scene.acquire();
  await scene.step();
  expect(scene.pool.state).toBe('unavailable');
});

test('35: while something is alive the breaker stays closed', async () => {
  const scene = play({ max: 2, breaker: { failures: 3, probeIntervalMs: 1000 } });
  await scene.borrow(1);
  scene.factory.failCreates(E);
  for (let i = 0; i < 5; i++) {
    const request = scene.acquire();
    await scene.step();
    expectFailed(request, 'ERR_POOL_CREATE_FAILED');
  }
  expect(scene.pool.state).toBe('open');
});

test.each([
  ['on', {}],
  ['off', false],
] as const)('36: after an outage the pool is whole again by itself within one maximal backoff (createRetry %s)', async (_, createRetry) => {
  const scene = play({ min: 4, max: 4, createRetry });
  await scene.step();
  expectStats(scene, { idle: 4 });
  scene.factory.failCreates(E);
  for (const resource of scene.factory.alive()) scene.factory.lost(resource);
  await scene.adv(60_000);
  expectStats(scene, { size: 0 });
  scene.factory.auto = true;
  await scene.adv(5000);
  expectStats(scene, { idle: 4, size: 4 });
});

test('36: and with a breaker as well', async () => {
  const scene = play({ min: 4, max: 4, createRetry: retry, breaker: { failures: 3, probeIntervalMs: 1000 } });
  await scene.step();
  scene.factory.failCreates(E);
  for (const resource of scene.factory.alive()) scene.factory.lost(resource);
  await scene.adv(60_000);
  expect(scene.pool.state).toBe('unavailable');
  scene.factory.auto = true;
  await scene.adv(1000);
  expectStats(scene, { state: 'open', idle: 4 });
});
