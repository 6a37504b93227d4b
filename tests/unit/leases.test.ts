// Rules 9 and 10: release is immediate, and a lease that is over stays over.

import events from 'node:events';
import { expect, test } from 'vitest';
import { expectStats, manually, names, play } from './scenarios/play.ts';

const E = new Error('broken');

test('release does not throw for anything its resource or the factory does', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  scene.factory.script.destroy.does({ throws: E });
  scene.factory.broken.add(r1);
  expect(held!.release()).toBe(true);
  await scene.step();
  expectStats(scene, { size: 0 });
});

test('an isBroken that throws counts as broken', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  scene.factory.observe((hook) => {
    if (hook === 'isBroken') throw E;
  });
  expect(held!.release()).toBe(true);
  await scene.step();
  expect(scene.factory.reason(r1)).toBe('broken');
});

test('using releases at the end of the block, also when it is left by a throw', async () => {
  const scene = play({ max: 1 });
  {
    using lease = await scene.pool.acquire();
    expect(lease.resource.name).toBe('r1');
    expectStats(scene, { borrowed: 1 });
  }
  expectStats(scene, { idle: 1 });
  await expect(
    (async () => {
      using _lease = await scene.pool.acquire();
      throw E;
    })(),
  ).rejects.toBe(E);
  expectStats(scene, { idle: 1 });
  await scene.step();
});

test('using with a lease that was ended inside is no late end', async () => {
  const scene = play({ max: 1 });
  {
    using lease = await scene.pool.acquire();
    lease.release();
  }
  await scene.step();
  expectStats(scene, { idle: 1 });
  expect(scene.pool.stats().totals.staleReleases).toBeLessThanOrEqual(1);
});

test('await using waits until the resource is clean', async () => {
  const scene = play({ max: 1 }, { factory: { reset: true } });
  scene.factory.script.reset.does({ afterMs: 50 });
  let left = false;
  const block = (async () => {
    {
      await using lease = await scene.pool.acquire();
      expect(lease.resource.name).toBe('r1');
    }
    left = true;
  })();
  await scene.step();
  expectStats(scene, { resetting: 1 });
  await scene.adv(49);
  expect(left).toBe(false);
  await scene.adv(1);
  expect(left).toBe(true);
  await block;
});

test('await using waits until a broken one is destroyed, also when its reset hangs or its destroy fails', async () => {
  const scene = play({ max: 1, resetTimeoutMs: 100 }, { factory: { reset: true } });
  scene.factory.script.reset.does('manual');
  scene.factory.script.destroy.does({ afterMs: 50, rejects: E });
  let left = false;
  const lease = (await scene.borrow(1))[0]!.lease;
  void lease[Symbol.asyncDispose]().then(() => (left = true));
  await scene.adv(149);
  expect(left).toBe(false);
  await scene.adv(1);
  expect(left).toBe(true);
});

test('a lease that ended twice by different ways ends by the first', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  expect(held!.lease.release()).toBe(true);
  expect(held!.lease.destroy(E)).toBe(false);
  expect(() => held!.lease.detach()).toThrow(expect.objectContaining({ code: 'ERR_POOL_LEASE_ENDED' }));
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(0);
  expectStats(scene, { idle: 1 });
});

test('what one lease knows of its resource stays true for the next', async () => {
  const scene = play({ max: 1 });
  const [first] = await scene.borrow(1);
  expect(first!.lease.info).toEqual({ id: 1, ageMs: 0, idleMs: 0, uses: 1, generation: scene.pool.stats().generation });
  await scene.adv(100);
  first!.release();
  await scene.adv(50);
  const [second] = await scene.borrow(1);
  expect(second!.lease.info).toMatchObject({ id: 1, ageMs: 150, idleMs: 0, uses: 2 });
});

test('a detached resource is not touched any more: not destroyed, not listened to', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const r1 = held!.lease.detach();
  expectStats(scene, { size: 0 });
  expect(scene.factory.listening(r1)).toBe(0);
  await scene.step();
  const closing = scene.pool.close();
  await scene.adv(0);
  await closing;
  expect(scene.factory.destroyed(r1)).toBe(0);
});

test('a detach makes room for a waiter at once', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  scene.factory.auto = false;
  const waiter = scene.acquire();
  await scene.step();
  held!.lease.detach();
  expect(scene.factory.creates).toBe(2);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(names([waiter])).toEqual(['r2']);
});

test('destroy passes its cause on to the event', async () => {
  const scene = play({ max: 1 });
  const events: unknown[] = [];
  scene.pool.on('destroy', (event) => events.push(event));
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  held!.lease.destroy(E);
  await scene.step();
  expect(events).toEqual([{ resource: r1, info: expect.objectContaining({ id: 1 }), reason: 'leaseDestroyed', error: E }]);
});

test('a resource that dies in its reset or validation is destroyed once, and its hook is told to stop', async () => {
  const scene = play({ max: 2, validateAfterIdleMs: 0 }, { factory: { reset: true } });
  const { reset, validate } = scene.factory.script;
  reset.does('manual');
  validate.does('manual');
  const [held] = await scene.borrow(1);
  const r1 = held!.resource;
  held!.release();
  await scene.step();
  scene.factory.lost(r1, E);
  await scene.step();
  expect(scene.factory.destroyed(r1)).toBe(1);
  expect(reset.calls[0]!.context.signal.aborted).toBe(true);
  reset.does('ok');
  const [r2] = await scene.fill(1);
  await scene.adv(1);
  const request = scene.acquire();
  await scene.step();
  expectStats(scene, { validating: 1 });
  scene.factory.lost(r2!, E);
  await scene.step();
  expect(scene.factory.destroyed(r2!)).toBe(1);
  expect(validate.calls[0]!.context.signal.aborted).toBe(true);
  expect(names([request])).toEqual(['r3']);
});

test('a hook that ends well keeps its signal: nothing aborts it afterwards', async () => {
  const scene = play(
    { max: 1, validateAfterIdleMs: 0, createTimeoutMs: 100, validateTimeoutMs: 100, resetTimeoutMs: 100 },
    { factory: { reset: true } },
  );
  await scene.fill(1);
  await scene.adv(1);
  const [held] = await scene.borrow(1);
  held!.release();
  await scene.step();
  const signals = (['create', 'validate', 'reset'] as const).map((hook) => scene.factory.script[hook].calls[0]!.context.signal);
  const closing = scene.pool.close();
  await scene.adv(10_000);
  await closing;
  expect(signals.map((signal) => signal.aborted)).toEqual([false, false, false]);
});

test('an acquire whose signal aborts in the tick in which it is served ends one way only', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const abort = new AbortController();
  const request = scene.acquire({ signal: abort.signal });
  await scene.step();
  held!.release(); // serves it
  abort.abort(E);
  await scene.step();
  expect(request.state).toBe('served');
  expectStats(scene, { borrowed: 1, waiting: 0 });
  request.release();
  await scene.step();
  expectStats(scene, { idle: 1 });
});

test('one signal may end many waits, in several pools', async () => {
  const scenes = [play({ max: 1 }), play({ max: 1 })];
  const abort = new AbortController();
  for (const scene of scenes) {
    await scene.borrow(1);
    for (let i = 0; i < 3; i++) scene.acquire({ signal: abort.signal });
    await scene.step();
  }
  abort.abort(E);
  for (const scene of scenes) {
    await scene.step();
    expectStats(scene, { waiting: 0 });
    expect(scene.requests.slice(1).map((request) => request.error)).toEqual([E, E, E]);
  }
});

test('a signal leaves no listener behind, however the acquire ended', async () => {
  const scene = play({ max: 1 }, { prepare: manually });
  const { signal } = new AbortController();
  const served = scene.acquire({ signal });
  await scene.step();
  scene.factory.pending[0]!.ok();
  await scene.step();
  const late = scene.acquire({ signal, timeoutMs: 10 });
  await scene.adv(10);
  expect([served.state, late.state]).toEqual(['served', 'failed']);
  expect(events.getEventListeners(signal, 'abort')).toEqual([]);
});
