// Rule 21: one resource that carries several leases at once.

import { Pool } from 'millpond';
import { expect, test } from 'vitest';
import { expectStats, names, play } from './scenarios/play.ts';

test('leases go to the idle, then to the least shared, and fill up to max times sharing', async () => {
  const scene = play({ max: 2, sharing: 3 });
  const requests = await scene.borrow(6);
  const counts = new Map<string, number>();
  for (const name of names(requests)) counts.set(name, (counts.get(name) ?? 0) + 1);
  expect([...counts.values()]).toEqual([3, 3]);
  expectStats(scene, { borrowed: 2, size: 2, idle: 0 });
  const seventh = scene.acquire();
  await scene.step();
  expect(seventh.state).toBe('waiting');
  requests[0]!.release();
  await scene.step();
  expect(seventh.state).toBe('served');
});

test('one create serves as many waiters as it can carry', async () => {
  const scene = play({ max: 10, sharing: 4 }, { prepare: (factory) => (factory.auto = false) });
  const requests = Array.from({ length: 6 }, () => scene.acquire());
  await scene.step();
  expect(scene.factory.creates).toBe(2);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(requests.filter((request) => request.state === 'served')).toHaveLength(4);
});

test('a resource is idle, reset or destroyed only when its last lease has ended', async () => {
  const scene = play({ max: 1, sharing: 2 }, { factory: { reset: true } });
  const [a, b] = await scene.borrow(2);
  a!.release();
  await scene.step();
  expect(scene.factory.resets).toBe(0);
  expectStats(scene, { borrowed: 1 });
  b!.release();
  await scene.step();
  expect(scene.factory.resets).toBe(1);
  expectStats(scene, { idle: 1 });
});

test('a destroyed lease takes no other with it, and the resource is not lent again', async () => {
  const scene = play({ max: 1, sharing: 3 });
  const [a, b] = await scene.borrow(2);
  const r1 = a!.resource;
  a!.lease.destroy();
  const next = scene.acquire();
  await scene.step();
  expect(b!.resource).toBe(r1);
  expect(scene.factory.destroyed(r1)).toBe(0);
  expect(next.state).toBe('waiting');
  b!.release();
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(1);
  expect(names([next])).toEqual(['r2']);
});

test('one that died or was evicted while shared is not lent again', async () => {
  for (const end of ['lost', 'evict'] as const) {
    const scene = play({ max: 2, sharing: 2 });
    const [a] = await scene.borrow(1);
    const r1 = a!.resource;
    if (end === 'lost') scene.factory.lost(r1);
    else scene.pool.evict();
    const [b] = await scene.borrow(1);
    expect(names([b!])).toEqual(['r2']);
    a!.release();
    await scene.step();
    expect(scene.factory.destroyed(r1)).toBe(1);
  }
});

test('maxUses counts leases, and a resource that has used them up only finishes', async () => {
  const scene = play({ max: 2, sharing: 2, maxUses: 2 });
  const [a, b] = await scene.borrow(2);
  expect(names([a!, b!])).toEqual(['r1', 'r1']);
  a!.release();
  const [c] = await scene.borrow(1);
  expect(names([c!])).toEqual(['r2']);
  b!.release();
  await scene.step();
  expect(scene.pool.stats().totals.destroyed.maxUses).toBe(1);
});

test('a late end of one lease does not end another on the same resource', async () => {
  const scene = play({ max: 1, sharing: 2 });
  const [a, b] = await scene.borrow(2);
  a!.release();
  a!.release();
  a!.release();
  await scene.step();
  expect(b!.lease.ended).toBe(false);
  expectStats(scene, { borrowed: 1 });
  const third = scene.acquire();
  const fourth = scene.acquire();
  await scene.step();
  expect([third.state, fourth.state]).toEqual(['served', 'waiting']);
});

test('a detached resource leaves with all its leases, and those that are left end without harm', async () => {
  const scene = play({ max: 1, sharing: 2 });
  const [a, b] = await scene.borrow(2);
  const r1 = a!.lease.detach();
  b!.release();
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(0);
  expectStats(scene, { size: 0 });
  expect(names(await scene.borrow(2))).toEqual(['r2', 'r2']);
});

test('shrinking and closing wait for every lease', async () => {
  const scene = play({ max: 2, sharing: 2 });
  const requests = await scene.borrow(4);
  scene.pool.resize({ max: 1 });
  await scene.step();
  expectStats(scene, { borrowed: 2, size: 2 });
  for (const request of requests) {
    request.release();
    await scene.step();
  }
  expectStats(scene, { idle: 1, size: 1 });
  const again = await scene.borrow(2);
  const closing = scene.pool.close({ deadlineMs: 100 });
  again[0]!.release();
  await scene.adv(100);
  expect((await closing).abandoned).toHaveLength(1);
});

test('the end of a lease whose resource was detached meanwhile counts for its lane at once', async () => {
  const factory = { create: () => ({}), destroy: () => undefined };
  const pool = new Pool({ max: 1, sharing: 2, headroom: 0, lanes: { upper: { share: 1 }, lower: { share: 1, borrowLimit: 0 } }, factory });
  const upper = await pool.acquire({ lane: 'upper' });
  const lower = await pool.acquire({ lane: 'lower' });
  upper.detach();
  // Another resource, with room for one more; but the lower lane holds what it may.
  const next = await pool.acquire({ lane: 'upper' });
  const waiting = pool.acquire({ lane: 'lower' });
  expect(pool.stats().waiting).toBe(1);
  lower.release();
  expect(pool.stats().waiting).toBe(0);
  (await waiting).release();
  next.release();
  await pool.close();
});
