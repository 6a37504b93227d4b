// E. Generation, pause, close.

import { PoolClosedError, PoolPausedError, type CloseResult } from 'millpond';
import { expect, test } from 'vitest';
import { createTimes, expectFailed, expectStats, names, play } from './play.ts';

test('47: evict ends the idle now, the busy on release, and the pending create when it arrives', async () => {
  const scene = play({ max: 4 });
  const requests = await scene.borrow(3);
  const [r1, r2, r3] = requests.map((request) => request.resource);
  scene.factory.auto = false;
  const w = scene.acquire();
  await scene.step();
  requests[0]!.release(); // serves w, whose create runs on
  await scene.step();
  expect(names([w])).toEqual(['r1']);
  w.release();
  requests[1]!.release();
  await scene.step();
  expectStats(scene, { idle: 2, borrowed: 1, creating: 1 });
  const oldIds = requests[2]!.lease.info.id;

  expect(scene.pool.evict()).toBeGreaterThanOrEqual(3);
  await scene.step();
  expect([r1, r2, r3].map((resource) => scene.factory.destroyed(resource!))).toEqual([1, 1, 0]);
  expect(requests[2]!.resource).toBe(r3);

  const x = scene.acquire();
  await scene.step();
  const pendingOld = scene.factory.script.create.calls[3]!;
  pendingOld.ok();
  await scene.step();
  expect(scene.factory.destroyed(scene.factory.resources[3]!)).toBe(1);
  expect(scene.factory.reason(scene.factory.resources[3]!)).toBe('evicted');
  expect(x.state).toBe('waiting');
  for (const call of scene.factory.pending) call.ok();
  await scene.step();
  expect(x.state).toBe('served');
  expect(x.lease.info.id).toBeGreaterThan(oldIds);
  expect(x.lease.info.generation).toBe(scene.pool.stats().generation);

  requests[2]!.release();
  await scene.step();
  expect(scene.factory.reason(r3!)).toBe('evicted');
  expectStats(scene, { borrowed: 1, idle: 0, size: 1 });
});

test('47: a waiter whose create is outdated by evict is served by a fresh one', async () => {
  const scene = play({ max: 2 });
  const [busy] = await scene.borrow(1);
  scene.factory.auto = false;
  const w = scene.acquire();
  await scene.step();
  scene.pool.evict();
  await scene.step();
  scene.factory.script.create.calls[1]!.ok();
  await scene.step();
  expect(w.state).toBe('waiting');
  expect(scene.factory.creates).toBe(3);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(names([w])).toEqual(['r3']);
  busy!.release();
  await scene.step();
  expectStats(scene, { size: 1 });
});

test('47: the variant of max 1: the release alone leads to a fresh resource for the waiter', async () => {
  const scene = play({ max: 1 });
  const [a] = await scene.borrow(1);
  const r1 = a!.resource;
  const b = scene.acquire();
  await scene.step();
  scene.pool.evict();
  await scene.step();
  expect(b.state).toBe('waiting');
  a!.release();
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(1);
  expect(names([b])).toEqual(['r2']);
});

test('48: pause holds acquires and creates, not releases; resume serves in order', async () => {
  const scene = play({ max: 3 });
  const requests = await scene.borrow(2);
  scene.pool.pause();
  expect(scene.pool.state).toBe('paused');
  const waiting = [scene.acquire(), scene.acquire(), scene.acquire()];
  const order: number[] = [];
  waiting.forEach((request, index) => void request.promise.then(() => order.push(index)));
  for (const request of requests) request.release();
  await scene.step();
  expectStats(scene, { idle: 2, waiting: 3, borrowed: 0 });
  expect(scene.pool.tryAcquire()).toBeUndefined();
  expect(scene.factory.creates).toBe(2);
  scene.pool.resume();
  await scene.step();
  expect(order).toEqual([0, 1, 2]);
  expect(scene.pool.state).toBe('open');
});

test('48: with two idle ones an acquire waits for resume', async () => {
  const scene = play();
  await scene.fill(2);
  scene.pool.pause();
  const request = scene.acquire();
  await scene.adv(500);
  expect(request.state).toBe('waiting');
  scene.pool.resume();
  await scene.step();
  expect(request.state).toBe('served');
});

test('48: deadlines run on during a pause', async () => {
  const scene = play();
  await scene.fill(2);
  scene.pool.pause();
  const request = scene.acquire();
  await scene.adv(1000);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
});

test('48: pause({ reject: true }) fails those who wait and those who come', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const before = scene.acquire();
  await scene.step();
  scene.pool.pause({ reject: true });
  await scene.step();
  expect(before.error).toBeInstanceOf(PoolPausedError);
  const after = scene.acquire();
  await scene.step();
  expectFailed(after, 'ERR_POOL_PAUSED');
  expect(after.waitedMs).toBe(0);
});

test('48: min is not filled during a pause, but afterwards', async () => {
  const scene = play({ min: 2, max: 4 });
  await scene.step();
  scene.pool.pause();
  for (const resource of scene.factory.alive()) scene.factory.lost(resource);
  const times = createTimes(scene);
  await scene.adv(60_000);
  expect(times).toEqual([]);
  scene.pool.resume();
  await scene.step();
  expectStats(scene, { idle: 2 });
});

test('49: close fails waiters at once, ends the idle, waits for the busy and for their destroy', async () => {
  const scene = play({ max: 2 });
  const [idle] = await scene.fill(2);
  const requests = await scene.borrow(2);
  const waiter = scene.acquire();
  await scene.step();
  const r1 = requests[0]!.resource;
  const other = requests[1]!;
  expect([idle, r1, other.resource].length).toBe(3);
  scene.factory.script.destroy.does('manual');
  const results: CloseResult[] = [];
  const closing = scene.pool.close();
  void closing.then((result) => results.push(result));
  expect(scene.pool.close()).toBe(closing);
  expect(scene.pool.state).toBe('draining');
  await scene.step();
  expect(waiter.error).toBeInstanceOf(PoolClosedError);
  expect(waiter.settledAt).toBe(scene.clock.now());
  expect(() => scene.pool.tryAcquire()!.resource).toThrow();
  const late = scene.acquire();
  await scene.step();
  expectFailed(late, 'ERR_POOL_CLOSED');

  requests[0]!.release();
  other.release();
  await scene.step();
  expect(scene.factory.destroys).toBe(2);
  expect(results).toEqual([]);
  scene.factory.script.destroy.pending[0]!.ok();
  await scene.step();
  expect(results).toEqual([]);
  scene.factory.script.destroy.pending[0]!.ok();
  await scene.step();
  expect(results).toEqual([{ abandoned: [] }]);
  expect(scene.pool.state).toBe('closed');
  expect(scene.pool.close()).toBe(closing);
  expect(scene.clock.pending).toBe(0);
  expect(scene.factory.live).toBe(0);
});

test('49: the idle are destroyed in the call', async () => {
  const scene = play({ max: 3 });
  await scene.fill(3);
  const closing = scene.pool.close();
  expect(scene.factory.destroys).toBe(3);
  await scene.step();
  await closing;
  expect(scene.pool.stats().totals.destroyed.poolClosed).toBe(3);
});
