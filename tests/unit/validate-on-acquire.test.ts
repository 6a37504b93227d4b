// validateOnAcquire: what is lent was validated for this very lease.

import { Pool } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectFailed, expectStats, names, play } from './scenarios/play.ts';

test('a new resource is validated before its first lease', async () => {
  const scene = play({ max: 1, validateOnAcquire: true });
  await scene.borrow(1);
  expect(scene.factory.validates).toBe(1);
});

test('without it, neither what is new nor what was just given back is validated', async () => {
  const scene = play({ max: 1, validateOnAcquire: false });
  const [first] = await scene.borrow(1);
  const second = scene.acquire();
  first!.release();
  await scene.step();
  expect(names([second])).toEqual(['r1']);
  expect(scene.factory.validates).toBe(0);
});

test('what comes straight from its last borrower is validated for the next, who keeps his place meanwhile', async () => {
  const scene = play({ max: 1, validateOnAcquire: true });
  const [first] = await scene.borrow(1);
  const waiters = [scene.acquire(), scene.acquire()];
  await scene.step();
  scene.factory.script.validate.does('manual');
  first!.release();
  await scene.step();
  expectStats(scene, { validating: 1, waiting: 2 });
  // It is dead. The replacement is validated as well, and goes to the same waiter.
  scene.factory.script.validate.pending[0]!.ok(false);
  await scene.step();
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expect(names([waiters[0]!])).toEqual(['r2']);
  expectStats(scene, { borrowed: 1, waiting: 1 });
});

test('the same moment does not excuse it: given back and acquired within one reading of the clock, it is validated again', async () => {
  const scene = play({ max: 1, validateOnAcquire: true });
  for (let lease = 1; lease <= 3; lease++) {
    const [request] = await scene.borrow(1);
    expect(scene.factory.validates).toBe(lease);
    request!.release();
    expect(scene.pool.tryAcquire()).toBeUndefined();
  }
});

test('validated for somebody who has left, it is validated again for the next', async () => {
  const scene = play({ max: 1, validateOnAcquire: true });
  scene.factory.script.validate.does('manual');
  const request = scene.acquire({ timeoutMs: 100 });
  await scene.adv(100);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.adv(10);
  expectStats(scene, { idle: 1 });
  const next = scene.acquire();
  await scene.step();
  expect(scene.factory.script.validate.pending).toHaveLength(1);
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expect(names([next])).toEqual(['r1']);
});

test.each([{}, { createRetry: false }] as const)('new resources that never pass are no hot loop (%o)', async (options) => {
  // A factory that answers at once: without the pauses, nothing else would ever run again.
  const clock = new VirtualClock();
  let creates = 0;
  const factory = { create: () => ({ name: ++creates }), destroy: () => undefined, validate: () => false };
  const pool = new Pool({ factory, clock, max: 2, validateOnAcquire: true, acquireTimeoutMs: 1000, ...options });
  const failed = pool.acquire().catch((error: unknown) => error);
  for (let ms = 0; ms < 1000; ms++) await clock.advance(1);
  expect(await failed).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
  // Two at once, then pauses of 1, 2, 4 … 64, 100, 100 … ms.
  expect(creates).toBe(18);
});

test('what was just validated serves before another is validated for the same waiter', async () => {
  const scene = play({ max: 2, validateOnAcquire: true });
  const [first, second] = await scene.borrow(2);
  scene.factory.script.validate.does('manual');
  first!.release();
  const request = scene.acquire();
  await scene.step();
  await scene.adv(1);
  // Given back later, it would be the next to be taken.
  second!.release();
  await scene.step();
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expect(names([request])).toEqual(['r1']);
  expectStats(scene, { borrowed: 1, validating: 0, idle: 1 });
});
