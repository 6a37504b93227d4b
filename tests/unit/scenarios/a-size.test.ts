// A. Borrow, return, size.

import { createHook } from 'node:async_hooks';
import { expect, test, vi } from 'vitest';
import { createTimes, expectStats, manually, names, play } from './play.ts';

test('1: what was given back is lent again, and nothing new is created', async () => {
  const scene = play({ max: 1 });
  const [first] = await scene.borrow(1);
  expect(names([first!])).toEqual(['r1']);
  expect(first!.release()).toBe(true);
  await scene.step();
  expect(names(await scene.borrow(1))).toEqual(['r1']);
  expect(scene.factory.creates).toBe(1);
});

test('2: twenty callers are served four at a time, by four resources', async () => {
  const scene = play({ max: 4, acquireTimeoutMs: 10_000 }, { prepare: manually });
  const requests = Array.from({ length: 20 }, () => scene.acquire());
  await scene.step();
  for (const request of requests) {
    void request.promise.then((lease) => scene.clock.schedule(scene.clock.now() + 500, () => lease.release()));
  }
  for (const call of scene.factory.pending) call.ok();
  await scene.adv(3000);
  const servedAt = requests.map((request) => request.settledAt);
  expect(servedAt).toEqual([0, 500, 1000, 1500, 2000].flatMap((t) => [t, t, t, t]));
  expect(scene.factory.creates).toBe(4);
  expect(scene.factory.maxLive).toBe(4);
  expect(scene.factory.maxFootprint).toBe(4);
});

test('3: creates that never settle count towards max, and every unserved acquire is a waiter', async () => {
  const scene = play({ max: 2 }, { prepare: manually });
  for (let i = 0; i < 3; i++) scene.acquire();
  await scene.step();
  expect(scene.factory.creates).toBe(2);
  expectStats(scene, { creating: 2, waiting: 3, idle: 0, borrowed: 0, size: 2 });
});

test('4: strict closing: no create starts while a destroy at max is pending', async () => {
  const scene = play({ max: 1 });
  scene.factory.script.destroy.does('manual');
  const [held] = await scene.borrow(1);
  held!.lease.destroy();
  const b = scene.acquire();
  await scene.adv(500);
  expectStats(scene, { destroying: 1, creating: 0, size: 1 });
  expect(scene.factory.creates).toBe(1);
  scene.factory.script.destroy.pending[0]!.ok();
  await scene.step();
  expect(names([b])).toEqual(['r2']);
  expect(scene.factory.maxLive).toBe(1);
});

test('4, without strictMax: the replacement is created beside the destroy', async () => {
  const scene = play({ max: 1, strictMax: false });
  scene.factory.script.destroy.does('manual');
  const [held] = await scene.borrow(1);
  held!.lease.destroy();
  const b = scene.acquire();
  await scene.step();
  expect(names([b])).toEqual(['r2']);
  expectStats(scene, { destroying: 1, borrowed: 1, size: 2 });
});

test('5: a destroy that never settles frees its slot after destroyTimeoutMs', async () => {
  const scene = play({ max: 1, destroyTimeoutMs: 200 });
  scene.factory.script.destroy.does('manual');
  const [held] = await scene.borrow(1);
  held!.lease.destroy();
  const b = scene.acquire();
  await scene.adv(199);
  expect(b.state).toBe('waiting');
  expect(scene.factory.script.destroy.pending[0]!.context.signal.aborted).toBe(false);
  await scene.adv(1);
  expect(b.state).toBe('served');
  expect(scene.pool.stats().totals.destroyTimeouts).toBe(1);
  expect(scene.factory.script.destroy.pending[0]!.context.signal.aborted).toBe(true);
  scene.factory.script.destroy.pending[0]!.ok();
  await scene.step();
  expectStats(scene, { size: 1, borrowed: 1, destroying: 0 });
});

test('6: tryAcquire lends within its statement, without a timer and without a promise', async () => {
  const scene = play({ max: 1 });
  await scene.fill(1);
  const schedule = vi.spyOn(scene.clock, 'schedule');
  const timeout = vi.spyOn(globalThis, 'setTimeout');
  let promises = 0;
  const hook = createHook({ init: (_id, type) => void (type === 'PROMISE' && promises++) }).enable();
  const before = promises;
  const lease = scene.pool.tryAcquire();
  const made = promises - before;
  void Promise.resolve(); // the hook does see promises
  const control = promises - before;
  const second = scene.pool.tryAcquire();
  hook.disable();
  expect(lease?.resource.name).toBe('r1');
  expect(made).toBe(0);
  expect(control).toBeGreaterThan(0);
  expect(schedule).not.toHaveBeenCalled();
  expect(timeout).not.toHaveBeenCalled();
  timeout.mockRestore();
  expect(second).toBeUndefined();
  expectStats(scene, { waiting: 0, borrowed: 1 });
  await scene.step();
});

test('7: a shrink never takes a lease away; the surplus goes as it comes back', async () => {
  const scene = play({ max: 3 });
  const held = await scene.borrow(3);
  const [first] = held.map((request) => request.resource);
  scene.pool.resize({ max: 2 });
  await scene.step();
  expectStats(scene, { size: 3, borrowed: 3, max: 2 });
  held[0]!.release();
  await scene.step();
  expect(scene.factory.destroyed(first!)).toBe(1);
  expect(scene.factory.reason(first!)).toBe('overSize');
  expectStats(scene, { size: 2 });
  held[1]!.release();
  held[2]!.release();
  await scene.step();
  expectStats(scene, { idle: 2, size: 2 });
  expect(scene.factory.destroys).toBe(1);
});

test('8: growing starts the creates of waiters in that call', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const waiters = [scene.acquire(), scene.acquire()];
  await scene.step();
  scene.pool.resize({ max: 3 });
  expect(scene.factory.creates).toBe(3);
  await scene.step();
  expect(names(waiters)).toEqual(['r2', 'r3']);
});

test('9: min is created at the start, counts lent resources, and is not added on top', async () => {
  const scene = play({ min: 2, max: 4 });
  expect(scene.factory.creates).toBe(2);
  await scene.step();
  expectStats(scene, { idle: 2, size: 2 });
  await scene.borrow(2);
  expect(scene.factory.creates).toBe(2);
  const times = createTimes(scene);
  await scene.borrow(1);
  expect(times).toHaveLength(1);
  expectStats(scene, { size: 3, borrowed: 3 });
});
