// A freeze: time passes and nobody runs. Who comes first afterwards, be it a caller, an answer or a timer, must find what may have died
// meanwhile under suspicion.

import { Pool } from 'millpond';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { names, play } from './scenarios/play.ts';

/** Nothing is validated for its silence alone. */
const trusting = { max: 2, validateAfterIdleMs: Infinity, idleTimeoutMs: Infinity, acquireTimeoutMs: 60_000 };

test('what was idle answers before it is lent again, however long silence is trusted', async () => {
  const scene = play(trusting);
  const [r1] = await scene.fill(1);
  await scene.adv(600_000);
  await scene.clock.stall(5_000);
  expect(scene.pool.tryAcquire()).toBeUndefined();
  const [request] = await scene.borrow(1);
  expect(scene.factory.script.validate.calls.map(({ resource }) => resource)).toEqual([r1]);
  // Once is enough.
  request!.release();
  await scene.adv(10_000);
  expect(scene.pool.tryAcquire()?.resource).toBe(r1);
});

test('also when the caller comes before the timer', async () => {
  const scene = play(trusting);
  await scene.fill(1);
  const taken: unknown[] = [];
  scene.clock.schedule(scene.clock.now() + 1, () => taken.push(scene.pool.tryAcquire()));
  await scene.clock.stall(5_000);
  expect(taken).toEqual([undefined]);
});

test('also when an answer comes before both', async () => {
  const scene = play({ ...trusting, createTimeoutMs: 60_000 });
  const [held] = await scene.borrow(1);
  const { resource } = held!;
  scene.factory.auto = false;
  const next = scene.acquire();
  await scene.step();
  held!.release();
  await scene.step();
  expect(names([next])).toEqual(['r1']);
  next.release();
  await scene.step();
  scene.clock.schedule(scene.clock.now() + 1, () => scene.factory.pending[0]!.ok());
  await scene.clock.stall(5_000);
  await scene.step();
  await scene.borrow(2);
  expect(scene.factory.script.validate.calls.map((call) => call.resource)).toEqual([resource]);
});

test('what was borrowed across it is validated when it comes back, before the next in line gets it', async () => {
  const scene = play({ ...trusting, max: 1 });
  const [held] = await scene.borrow(1);
  const next = scene.acquire();
  await scene.step();
  scene.factory.script.validate.does(() => false);
  scene.clock.schedule(scene.clock.now() + 1, () => held!.release());
  await scene.clock.stall(5_000);
  await scene.step();
  expect(names([next])).toEqual(['r2']);
  expect(scene.factory.reason(scene.factory.resources[0]!)).toBe('invalid');
});

test('one that is found dead takes along those that sat through it', async () => {
  const scene = play(trusting);
  const [r1, r2] = await scene.fill(2);
  await scene.clock.stall(5_000);
  scene.factory.script.validate.does(() => false);
  expect(names(await scene.borrow(1))).toEqual(['r3']);
  expect(new Set([r1, r2].map((resource) => scene.factory.reason(resource!)))).toEqual(new Set(['invalid', 'stale']));
});

test('and not one that came after it, though those were given back later', async () => {
  const scene = play({ ...trusting, max: 3 });
  const old = await scene.borrow(2);
  await scene.clock.stall(5_000);
  const [fresh] = await scene.borrow(1);
  for (const request of [fresh!, ...old]) request.release();
  await scene.step();
  scene.factory.script.validate.does(() => false);
  expect(names(await scene.borrow(1))).toEqual(['r3']);
  expect(scene.factory.resources.map((resource) => scene.factory.reason(resource))).toEqual(['stale', 'invalid', undefined]);
});

test('a shared one is not lent to more before it has come back and answered', async () => {
  const scene = play({ ...trusting, max: 1, sharing: 2 });
  const [held] = await scene.borrow(1);
  await scene.clock.stall(5_000);
  const second = scene.acquire();
  await scene.step();
  expect(second.state).toBe('waiting');
  held!.release();
  await scene.step();
  expect(second.state).toBe('served');
  expect(scene.factory.validates).toBe(1);
});

test('a busy loop is no freeze: nothing more is validated after it than before', async () => {
  const scene = play(trusting);
  await scene.fill(1);
  for (let round = 0; round < 5; round++) {
    await scene.clock.stall(900);
    const [request] = await scene.borrow(1);
    await scene.clock.stall(900);
    request!.release();
    await scene.step();
  }
  expect(scene.factory.validates).toBe(0);
});

test('an idle pool whose resources are validated for their silence anyway is not woken to look at the time', async () => {
  const scene = play({ max: 2, idleTimeoutMs: 600_000, validateAfterIdleMs: 500 });
  const [request] = await scene.borrow(1);
  await scene.adv(900);
  request!.release();
  await scene.adv(200);
  expect(scene.clock.nextAt - scene.clock.now()).toBeGreaterThan(500_000);
  // It is again as soon as something is lent.
  expect(scene.pool.tryAcquire()).toBeDefined();
  expect(scene.clock.nextAt - scene.clock.now()).toBeLessThanOrEqual(1_000);
});

describe('where the factory cannot validate', () => {
  const mute = { factory: { validate: false } };

  test('what was idle is dropped, and not lent, though the caller comes before the timer', async () => {
    const scene = play({ ...trusting, min: 1, validateAfterIdleMs: 500 }, mute);
    const [r1] = await scene.fill(1);
    await scene.adv(600_000);
    const taken: unknown[] = [];
    scene.clock.schedule(scene.clock.now() + 1, () => taken.push(scene.pool.tryAcquire()));
    await scene.clock.stall(5_000);
    expect(taken).toEqual([undefined]);
    expect(scene.factory.reason(r1!)).toBe('stale');
    // And `min` is filled again.
    await scene.step();
    expect(scene.pool.tryAcquire()?.resource).toMatchObject({ id: 2 });
  });

  test('those who come first after it get new ones', async () => {
    const scene = play(trusting, mute);
    const stale = await scene.fill(2);
    await scene.clock.stall(5_000);
    expect(names(await scene.borrow(2))).toEqual(['r3', 'r4']);
    expect(stale.map((resource) => scene.factory.reason(resource))).toEqual(['stale', 'stale']);
  });

  test('what came after it stays', async () => {
    const scene = play({ ...trusting, createTimeoutMs: 60_000 }, mute);
    const [held] = await scene.borrow(1);
    scene.factory.auto = false;
    const abort = new AbortController();
    const late = scene.acquire({ signal: abort.signal });
    await scene.step();
    abort.abort(new Error('the client went away'));
    scene.clock.schedule(scene.clock.now() + 1, () => scene.factory.pending[0]!.ok());
    await scene.clock.stall(5_000);
    await scene.step();
    expect(late.error).toBeInstanceOf(Error);
    expect(scene.pool.tryAcquire()?.resource).toMatchObject({ id: 2 });
    held!.release();
  });

  test('what was borrowed its borrower knows: it is lent again', async () => {
    const scene = play({ ...trusting, max: 1 }, mute);
    const [held] = await scene.borrow(1);
    const next = scene.acquire();
    await scene.clock.stall(5_000);
    held!.release();
    await scene.step();
    expect(names([next])).toEqual(['r1']);
  });

  test('what came back long after it was lent, and was idle then, is dropped as well', async () => {
    const scene = play(trusting, mute);
    const [held] = await scene.borrow(1);
    await scene.adv(600_000);
    held!.release();
    await scene.clock.stall(5_000);
    expect(scene.pool.tryAcquire()).toBeUndefined();
    expect(scene.factory.reason(scene.factory.resources[0]!)).toBe('stale');
  });

  test('nothing is dropped after a stall that was no freeze, and nothing where flushOnStale is off', async () => {
    const stalled = play(trusting, mute);
    await stalled.fill(1);
    await stalled.clock.stall(900);
    expect(stalled.pool.tryAcquire()).toBeDefined();
    const kept = play({ ...trusting, flushOnStale: false }, mute);
    await kept.fill(1);
    await kept.clock.stall(600_000);
    expect(kept.pool.tryAcquire()).toBeDefined();
    expect(kept.clock.nextAt).toBe(Infinity);
  });
});

describe('a suspended machine may not count the time', () => {
  let leaptMs = 0;
  const leap = (ms: number): void => { leaptMs += ms; };
  /** The next one of the event loop: a reading of the clock serves all of one. */
  const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(() => setImmediate(resolve)); });

  beforeEach(() => {
    leaptMs = 0;
    const now = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => now() + leaptMs);
  });
  afterEach(() => vi.restoreAllMocks());

  test('a wall clock that leaps ahead is a hint: what is there answers once, and nothing expires', async () => {
    let validates = 0;
    const factory = { create: () => ({}), destroy: () => undefined, validate: () => ++validates > 0 };
    await using pool = new Pool({ factory, max: 1, validateAfterIdleMs: Infinity, idleTimeoutMs: 1_000_000 });
    const lease = await pool.acquire();
    const { resource } = lease;
    lease.release();
    await turn();
    leap(8 * 3_600_000);
    expect(pool.tryAcquire()).toBeUndefined();
    const again = await pool.acquire();
    expect(again.resource).toBe(resource);
    expect(validates).toBe(1);
    // Borrowed while it leaps.
    await turn();
    leap(8 * 3_600_000);
    again.release();
    expect(pool.tryAcquire()).toBeUndefined();
    const last = await pool.acquire();
    expect(last.resource).toBe(resource);
    expect(validates).toBe(2);
    last.release();
  });

  test('one that is set back means nothing', async () => {
    await using pool = new Pool({ factory: { create: () => ({}), destroy: () => undefined, validate: () => false }, max: 1 });
    (await pool.acquire()).release();
    await turn();
    leap(-8 * 3_600_000);
    expect(pool.tryAcquire()?.release()).toBe(true);
  });
});
