// Rules 17 and 18: leaks, holders, nested acquires.

import { NestedAcquireError } from 'millpond';
import { expect, test, vi } from 'vitest';
import { expectFailed, expectStats, names, play } from './scenarios/play.ts';

test('a leak is reported whatever else is going on, once per lease', async () => {
  const scene = play({ max: 3, leakThresholdMs: 1000, idleTimeoutMs: 300, keepaliveIntervalMs: 100 });
  const at: [string | undefined, number][] = [];
  scene.pool.on('leak', ({ label }) => at.push([label, scene.clock.now()]));
  scene.acquire({ label: 'a' });
  await scene.adv(250);
  scene.acquire({ label: 'b' });
  await scene.adv(600);
  const c = scene.acquire({ label: 'c' });
  await scene.adv(900);
  c.release();
  await scene.adv(10_000);
  expect(at).toEqual([['a', 1000], ['b', 1250]]);
});

test('reclaim destroys a leaked resource, never pools it again, and its place is free', async () => {
  const scene = play({ max: 1, leakThresholdMs: 1000, reclaim: true, acquireTimeoutMs: 5000 });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  const waiter = scene.acquire();
  await scene.adv(1000);
  expect(names([waiter])).toEqual(['r2']);
  expect(scene.factory.reason(r1)).toBe('reclaimed');
  expect(held!.lease.ended).toBe(true);
  expect(held!.release()).toBe(false);
  await scene.step();
  expect(scene.pool.stats().totals.staleReleases).toBe(1);
  expect(waiter.lease.ended).toBe(false);
});

test('stacks are captured only when asked for', async () => {
  const silent = play({ max: 1 });
  silent.acquire({ label: 'x' });
  await silent.step();
  expect(silent.pool.holders()).toEqual([{ id: 1, label: 'x', heldMs: 0 }]);

  const asked = play({ max: 1, captureStacks: true });
  asked.acquire();
  await asked.step();
  expect(asked.pool.holders()).toEqual([{ id: 1, heldMs: 0, stack: expect.stringContaining('reports.test') }]);

  const never = play({ max: 1, leakThresholdMs: 100, captureStacks: 0 });
  const leaks: object[] = [];
  never.pool.on('leak', (event) => leaks.push(event));
  never.acquire();
  await never.adv(100);
  expect(leaks).toEqual([{ heldMs: 100 }]);
});

test('holders are named oldest first', async () => {
  const scene = play({ max: 3 });
  for (const label of ['first', 'second', 'third']) {
    scene.acquire({ label });
    await scene.adv(10);
  }
  expect(scene.pool.holders().map(({ label, heldMs }) => [label, heldMs])).toEqual([['first', 30], ['second', 20], ['third', 10]]);
});

test('the error of an exhausted pool names who holds what', async () => {
  const scene = play({ max: 2 });
  scene.acquire({ label: 'nightly report' });
  scene.acquire();
  const waiter = scene.acquire({ label: 'GET /orders' });
  await scene.adv(1000);
  expectFailed(waiter, 'ERR_POOL_ACQUIRE_TIMEOUT');
  expect((waiter.error as Error).message).toContain('nightly report');
  expect((waiter.error as Error).message).toContain('GET /orders');
});

test('nested acquires are found through awaits, timers and other pools, and not after the end of the lease', async () => {
  const scene = play({ max: 5, nested: 'error' });
  const other = play({ max: 5, nested: 'error' });
  await scene.pool.use(async () => {
    await Promise.resolve();
    await expect(scene.pool.acquire()).rejects.toBeInstanceOf(NestedAcquireError);
    await expect(scene.pool.use(() => 1)).rejects.toMatchObject({ code: 'ERR_POOL_NESTED_ACQUIRE' });
    await other.pool.use(async () => {
      await expect(scene.pool.acquire()).rejects.toBeInstanceOf(NestedAcquireError);
    });
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 1);
    });
    await expect(scene.pool.acquire()).rejects.toBeInstanceOf(NestedAcquireError);
  });
  await scene.pool.use(async (_, lease) => {
    lease.release();
    (await scene.pool.acquire()).release();
  });
  await scene.step();
  expectStats(scene, { borrowed: 0, waiting: 0 });
});

test('siblings in one context are not nested in each other', async () => {
  const scene = play({ max: 5, nested: 'error' });
  const all = Promise.all([1, 2, 3].map((n) => scene.pool.use(async () => n)));
  await expect(all).resolves.toEqual([1, 2, 3]);
  await scene.step();
});

test("nested: 'allow' is the default and says nothing", async () => {
  const scene = play({ max: 2 });
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  await scene.pool.use(async () => {
    (await scene.pool.acquire()).release();
  });
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});

test('the error of a nested acquire names both places', async () => {
  const scene = play({ max: 2, nested: 'error' });
  const error = await scene.pool
    .use(function outerPlace() {
      const innerPlace = (): Promise<unknown> => scene.pool.acquire();
      return innerPlace();
    }, { label: 'the outer one' })
    .then(
      () => undefined,
      (caught: unknown) => caught as Error,
    );
  expect(error!.message).toContain('innerPlace');
  expect(error!.message).toContain('the outer one');
  expect(error!.message.match(/reports\.test/g)!.length).toBeGreaterThanOrEqual(2);
});
