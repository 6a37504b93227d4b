// Rule 11 and the reasons for which the pool lets a resource go.

import { expect, test } from 'vitest';
import { expectStats, names, play } from './scenarios/play.ts';

const E = new Error('gone');

test('a resource retires after maxUses leases, and its last use is a whole one', async () => {
  const scene = play({ max: 1, maxUses: 2 });
  const seen: string[] = [];
  for (let i = 0; i < 5; i++) {
    const [request] = await scene.borrow(1);
    seen.push(request!.resource.name);
    request!.release();
    await scene.step();
  }
  expect(seen).toEqual(['r1', 'r1', 'r2', 'r2', 'r3']);
  expect(scene.pool.stats().totals.destroyed.maxUses).toBe(2);
});

test('idleTimeoutMs spares min, and counts from the last return', async () => {
  const scene = play({ min: 1, max: 3, idleTimeoutMs: 1000 });
  await scene.fill(3);
  await scene.adv(900);
  const [used] = await scene.borrow(1);
  const name = used!.resource.name;
  used!.release();
  await scene.adv(100);
  expect(scene.factory.alive().map((resource) => resource.name)).toEqual([name]);
  await scene.adv(100_000);
  expectStats(scene, { idle: 1, size: 1 });
});

test('with fill off, min keeps what is there from ageing out and creates nothing', async () => {
  const scene = play({ min: 2, max: 3, idleTimeoutMs: 1000, fill: false });
  await scene.adv(10_000);
  expectStats(scene, { size: 0 });
  await scene.fill(3);
  await scene.adv(100_000);
  expectStats(scene, { idle: 2, size: 2 });
  const [request] = await scene.borrow(1);
  request!.lease.destroy();
  await scene.adv(100_000);
  expectStats(scene, { idle: 1, size: 1 });
});

test('borrowed resources count for min: idle ones above it still go', async () => {
  const scene = play({ min: 2, max: 4, idleTimeoutMs: 1000 });
  await scene.fill(4);
  await scene.borrow(2);
  await scene.adv(1000);
  expectStats(scene, { idle: 0, borrowed: 2, size: 2 });
});

test('maxLifetimeMs goes below min and fills it up again', async () => {
  const scene = play({ min: 2, max: 2, maxLifetimeMs: 1000 });
  await scene.step();
  await scene.adv(1000);
  expectStats(scene, { idle: 2 });
  expect(scene.factory.creates).toBe(4);
  expect(scene.pool.stats().totals.destroyed.maxLifetime).toBe(2);
});

test('a waiter is not given a resource that expired while it was lent', async () => {
  const scene = play({ max: 1, maxLifetimeMs: 1000 });
  const [held] = await scene.borrow(1);
  await scene.adv(1000);
  const waiter = scene.acquire();
  await scene.step();
  held!.release();
  await scene.step();
  expect(names([waiter])).toEqual(['r2']);
});

test('a resource that expires during its reset is not lent', async () => {
  const scene = play({ max: 1, maxLifetimeMs: 1000 }, { factory: { reset: true } });
  scene.factory.script.reset.does({ afterMs: 200 });
  const [held] = await scene.borrow(1);
  await scene.adv(900);
  held!.release();
  const waiter = scene.acquire();
  await scene.adv(200);
  expect(names([waiter])).toEqual(['r2']);
});

test('a resource that expires during its validation is not lent', async () => {
  const scene = play({ max: 1, maxLifetimeMs: 1000, validateAfterIdleMs: 0 });
  await scene.fill(1);
  await scene.adv(900);
  scene.factory.script.validate.does({ afterMs: 200 });
  const request = scene.acquire();
  await scene.adv(200);
  expect(names([request])).toEqual(['r2']);
});

test('a resource that is called broken while idle is not lent', async () => {
  const scene = play({ max: 2 });
  const [, r2] = await scene.fill(2);
  scene.factory.broken.add(r2!);
  expect(scene.pool.tryAcquire()?.resource.name).toBe('r1');
  await scene.step();
  expect(scene.factory.reason(r2!)).toBe('broken');
});

test('failed pings do not end the pings', async () => {
  const scene = play({ min: 2, max: 2, keepaliveIntervalMs: 100 });
  await scene.step();
  scene.factory.script.validate.next({ rejects: E }, { throws: E });
  await scene.adv(1000);
  expect(scene.factory.validates).toBeGreaterThanOrEqual(16);
  expectStats(scene, { idle: 2 });
});

test('a ping that hangs is given up, destroys its resource and lets the next one run', async () => {
  const scene = play({ max: 2, keepaliveIntervalMs: 100, validateTimeoutMs: 50, flushOnStale: false });
  await scene.fill(2);
  scene.factory.script.validate.does('manual');
  await scene.adv(150);
  expect(scene.factory.destroys).toBe(1);
  expect(scene.factory.script.validate.pending.length).toBe(2);
  await scene.adv(50);
  expect(scene.factory.destroys).toBe(2);
});

test('keepalive does not wake a closed pool', async () => {
  const scene = play({ max: 2, keepaliveIntervalMs: 100 });
  await scene.fill(2);
  const closing = scene.pool.close();
  await scene.adv(0);
  await closing;
  await scene.adv(1000);
  expect(scene.factory.validates).toBe(0);
});

test('one that idles too long is no reason to keep another that does, though its turn to be evicted has come', async () => {
  const scene = play({ max: 2, idleTimeoutMs: 50 });
  const requests = await scene.borrow(2);
  for (const request of requests) request.release();
  scene.pool.evict({ spreadMs: 100 });
  await scene.adv(50);
  expectStats(scene, { idle: 0, size: 0 });
});
