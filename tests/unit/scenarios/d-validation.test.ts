// D. Validation, staleness, death.

import { expect, test } from 'vitest';
import { expectFailed, expectStats, names, play } from './play.ts';

const dead = new Error('read ECONNRESET');

test('37: an idle time of exactly validateAfterIdleMs is trusted, a longer one is validated once', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 500 });
  await scene.fill(1);
  await scene.adv(500);
  const [first] = await scene.borrow(1);
  expect(scene.factory.validates).toBe(0);
  first!.release();
  await scene.adv(501);
  await scene.borrow(1);
  expect(scene.factory.validates).toBe(1);
});

test('37: a fresh resource is not validated, and the idle clock starts at the release', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 500 });
  const [first] = await scene.borrow(1);
  expect(scene.factory.validates).toBe(0);
  await scene.adv(900);
  first!.release();
  await scene.adv(400);
  await scene.borrow(1);
  expect(scene.factory.validates).toBe(0);
});

test('37: tryAcquire does not validate: what is not trusted it does not lend', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 500 });
  await scene.fill(1);
  await scene.adv(501);
  expect(scene.pool.tryAcquire()).toBeUndefined();
  await scene.step();
  expect(scene.factory.validates).toBe(0);
  expectStats(scene, { idle: 1 });
});

test.each([true, false])('38: stale resources are gone through without any delay (flushOnStale %s)', async (flushOnStale) => {
  const scene = play({ max: 3, validateAfterIdleMs: 500, flushOnStale });
  const stale = await scene.fill(3);
  await scene.adv(10_000);
  scene.factory.script.validate.does('manual');
  const request = scene.acquire();
  await scene.step();
  while (scene.factory.script.validate.pending.length > 0) {
    scene.factory.script.validate.pending[0]!.fail(dead);
    await scene.step();
  }
  expect(request.waitedMs).toBe(0);
  expect(names([request])).toEqual(['r4']);
  expect(stale.map((resource) => scene.factory.destroyed(resource))).toEqual([1, 1, 1]);
  expect(scene.factory.creates).toBe(4);
  const validated = scene.factory.script.validate.calls.map((call) => call.resource);
  expect(new Set(validated).size).toBe(validated.length);
  expect(validated).toHaveLength(flushOnStale ? 1 : 3);
});

test('38: one that resolves false is as dead as one that rejects; those used later than it are not flushed', async () => {
  const scene = play({ max: 3, validateAfterIdleMs: 500, idleOrder: 'fifo' });
  const requests = await scene.borrow(3);
  const [r1, r2, r3] = requests.map((request) => request.resource);
  requests[0]!.release();
  await scene.adv(300);
  requests[1]!.release();
  requests[2]!.release();
  await scene.adv(300);
  scene.factory.script.validate.next(() => false);
  expect(names(await scene.borrow(1))).toEqual([r2!.name]);
  expect(scene.factory.reason(r1!)).toBe('invalid');
  expect([r2, r3].map((resource) => scene.factory.destroyed(resource!))).toEqual([0, 0]);
});

test.each([
  [true, 250, 'served'],
  [false, 600, 'failed'],
] as const)(
  '39: validations that hang do not hold a caller beyond its deadline (flushOnStale %s)',
  async (flushOnStale, settledAfter, state) => {
    const scene = play({ max: 5, validateAfterIdleMs: 100, validateTimeoutMs: 250, acquireTimeoutMs: 600, flushOnStale });
    await scene.fill(5);
    await scene.adv(10_000);
    scene.factory.script.validate.does('manual');
    const request = scene.acquire();
    await scene.adv(600);
    expect(request.state).toBe(state);
    expect(request.waitedMs).toBe(settledAfter);
    expect(scene.factory.script.validate.calls[0]!.context.signal.aborted).toBe(true);
  },
);

test('39: an answer that comes after validateTimeoutMs changes nothing', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 100, validateTimeoutMs: 250 });
  const [r1] = await scene.fill(1);
  await scene.adv(1000);
  scene.factory.script.validate.does('manual');
  const request = scene.acquire();
  await scene.adv(250);
  expect(names([request])).toEqual(['r2']);
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expect(scene.factory.destroyed(r1!)).toBe(1);
  expectStats(scene, { size: 1, borrowed: 1 });
});

test('40: destroying a lease starts the replacement for a waiter at once', async () => {
  const scene = play({ max: 1 });
  scene.factory.script.destroy.does('sync');
  const [held] = await scene.borrow(1);
  const waiter = scene.acquire();
  await scene.step();
  held!.lease.destroy();
  expect(scene.factory.creates).toBe(2);
  await scene.step();
  expect(names([waiter])).toEqual(['r2']);
});

test('40: ten borrowers finish although the first five come back broken', async () => {
  const scene = play({ max: 5 });
  const requests = Array.from({ length: 10 }, () => scene.acquire());
  await scene.step();
  for (const [index, request] of requests.entries()) {
    if (index < 5) scene.factory.broken.add(request.resource);
    request.release();
    await scene.step();
  }
  expect(requests.every((request) => request.state === 'served')).toBe(true);
  expectStats(scene, { idle: 5, size: 5 });
  expect(scene.pool.stats().totals.destroyed.broken).toBe(5);
});

test('41: a resource that dies while it is lent is destroyed once, when it comes back', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  expect(scene.factory.lost(r1, dead)).toBe(1);
  await scene.step();
  expectStats(scene, { size: 1, borrowed: 1 });
  expect(scene.factory.destroys).toBe(0);
  scene.factory.lost(r1, dead);
  held!.release();
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(1);
  expect(scene.factory.reason(r1)).toBe('broken');
  expectStats(scene, { size: 0 });
  expect(scene.factory.lost(r1, dead)).toBe(0);
  await scene.step();
  expectStats(scene, { size: 0 });
});

test('41: onLost alone is enough, without isBroken', async () => {
  const scene = play({ max: 1 }, { factory: { isBroken: false } });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  scene.factory.lost(r1);
  scene.factory.broken.clear();
  held!.release();
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(1);
});

test('41: an idle one leaves at once, and min is filled up again', async () => {
  const scene = play({ min: 1, max: 2 });
  await scene.step();
  const [r1] = scene.factory.alive();
  scene.factory.lost(r1!, dead);
  await scene.step();
  expect(scene.factory.destroyed(r1!)).toBe(1);
  expectStats(scene, { idle: 1, size: 1 });
});

test('42: keepalive pings the idle at its interval, never the borrowed', async () => {
  const scene = play({ max: 2, keepaliveIntervalMs: 300 });
  await scene.fill(2);
  const [held] = await scene.borrow(1);
  const pinged: [string, number][] = [];
  scene.factory.observe((hook, resource) => void (hook === 'validate' && pinged.push([resource!.name, scene.clock.now()])));
  await scene.adv(950);
  const idle = held!.resource.name === 'r1' ? 'r2' : 'r1';
  expect(pinged).toEqual([
    [idle, 300],
    [idle, 600],
    [idle, 900],
  ]);
});

test('42: it is out of reach only while the ping runs', async () => {
  const scene = play({ max: 1, keepaliveIntervalMs: 300 });
  await scene.fill(1);
  scene.factory.script.validate.does('manual');
  await scene.adv(300);
  expectStats(scene, { validating: 1, idle: 0 });
  expect(scene.pool.tryAcquire()).toBeUndefined();
  const request = scene.acquire();
  await scene.step();
  expect(request.state).toBe('waiting');
  expect(scene.factory.creates).toBe(1);
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expect(names([request])).toEqual(['r1']);
});

test('42: who waits for a pinged one is served by a fresh one when the ping fails', async () => {
  const scene = play({ max: 1, keepaliveIntervalMs: 300 });
  await scene.fill(1);
  scene.factory.script.validate.does('manual');
  await scene.adv(300);
  const request = scene.acquire();
  await scene.step();
  scene.factory.script.validate.pending[0]!.fail(dead);
  await scene.step();
  expect(names([request])).toEqual(['r2']);
});

test('42: a failed ping destroys, and min is filled up again', async () => {
  const scene = play({ min: 1, max: 2, keepaliveIntervalMs: 300 });
  await scene.step();
  const [r1] = scene.factory.alive();
  scene.factory.script.validate.next({ rejects: dead });
  await scene.adv(300);
  expect(scene.factory.destroyed(r1!)).toBe(1);
  expectStats(scene, { idle: 1, size: 1 });
  expect(scene.factory.creates).toBe(2);
});

test('42: pings run one at a time', async () => {
  const scene = play({ max: 4, keepaliveIntervalMs: 300 });
  await scene.fill(4);
  scene.factory.script.validate.does({ afterMs: 10 });
  await scene.adv(345);
  expect(scene.factory.script.validate.maxConcurrent).toBe(1);
  expect(new Set(scene.factory.script.validate.calls.map((call) => call.resource)).size).toBe(4);
});

test('43: a ping does not make a resource look used', async () => {
  const scene = play({ max: 1, keepaliveIntervalMs: 300, idleTimeoutMs: 1000 });
  const [r1] = await scene.fill(1);
  await scene.adv(999);
  expect(scene.factory.validates).toBe(3);
  expect(scene.factory.destroyed(r1!)).toBe(0);
  await scene.adv(1);
  expect(scene.factory.reason(r1!)).toBe('idleTimeout');
});

test('44: a hundred lifetimes lie within the jitter, below the maximum, and differ', async () => {
  const L = 10_000;
  const j = 0.25;
  const scene = play({ max: 100, maxLifetimeMs: L, lifetimeJitter: j });
  const endedAt: number[] = [];
  scene.pool.on('destroy', (event) => {
    expect(event.reason).toBe('maxLifetime');
    endedAt.push(scene.clock.now());
  });
  await scene.fill(100);
  await scene.adv(L * (1 - j) - 1);
  expect(endedAt).toHaveLength(0);
  await scene.adv(L * j + 1);
  expect(endedAt).toHaveLength(100);
  expect(Math.max(...endedAt)).toBeLessThanOrEqual(L);
  expect(new Set(endedAt).size).toBeGreaterThan(90);
});

test('44: a borrowed one retires when it comes back', async () => {
  const scene = play({ max: 1, maxLifetimeMs: 1000 });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  await scene.adv(5000);
  expect(scene.factory.destroyed(r1)).toBe(0);
  expect(held!.resource).toBe(r1);
  held!.release();
  await scene.step();
  expect(scene.factory.reason(r1)).toBe('maxLifetime');
});

test('44: an expired one is not lent although the sweep has not run', async () => {
  const scene = play({ max: 1, maxLifetimeMs: 1000 });
  const [r1] = await scene.fill(1);
  let lent: string | undefined;
  // Overdue together with the sweep, and earlier: it runs first, at a time when r1 has expired.
  scene.clock.schedule(scene.clock.now() + 1, () => {
    lent = scene.pool.tryAcquire()?.resource.name;
    scene.acquire();
  });
  await scene.clock.stall(2000);
  await scene.step();
  expect(lent).toBeUndefined();
  expect(scene.factory.destroyed(r1!)).toBe(1);
  expect(names(scene.requests.slice(-1))).toEqual(['r2']);
});

test('45: idleness takes the least recently used first and stops at min', async () => {
  const scene = play({ min: 2, max: 6, idleTimeoutMs: 1000 });
  const requests = await scene.borrow(6);
  const resources = requests.map((request) => request.resource);
  const order: string[] = [];
  scene.pool.on('destroy', (event) => {
    expect(event.reason).toBe('idleTimeout');
    order.push(event.resource.name);
    expect(scene.pool.stats().idle).toBeGreaterThanOrEqual(2);
  });
  for (const request of requests) {
    request.release();
    await scene.adv(1);
  }
  await scene.adv(10_000);
  expect(order).toEqual(resources.slice(0, 4).map((resource) => resource.name));
  expect(scene.factory.alive()).toEqual(resources.slice(4));
  expect(scene.factory.creates).toBe(6);
});

test('46: last in, first out lets the tail die', async () => {
  const scene = play({ max: 5, idleTimeoutMs: 1000 });
  await scene.fill(5);
  const used = new Set<string>();
  for (let i = 0; i < 11; i++) {
    const [request] = await scene.borrow(1);
    used.add(request!.resource.name);
    request!.release();
    await scene.adv(100);
  }
  expect(scene.clock.now()).toBe(1100);
  expect(used.size).toBe(1);
  expect(scene.factory.alive().map((resource) => resource.name)).toEqual([...used]);
});

test('46: first in, first out keeps them all in use', async () => {
  const scene = play({ max: 5, idleTimeoutMs: 1000, idleOrder: 'fifo' });
  await scene.fill(5);
  const used = new Set<string>();
  for (let i = 0; i < 11; i++) {
    const [request] = await scene.borrow(1);
    used.add(request!.resource.name);
    request!.release();
    await scene.adv(100);
  }
  expect(used.size).toBe(5);
  expect(scene.factory.alive()).toHaveLength(5);
});

test('39: a waiter that times out during the validation leaves the resource in the pool', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 0 });
  await scene.fill(1);
  await scene.adv(10);
  scene.factory.script.validate.does('manual');
  const request = scene.acquire({ timeoutMs: 100 });
  await scene.adv(100);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expectStats(scene, { idle: 1, validating: 0 });
});
