// quiesce(): everything is let go before the process is frozen, and the pool goes on with the next acquire.

import { KeyedPool, quiesce } from 'millpond';
import { ScriptedFactory, VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectStats, manually, names, play } from './scenarios/play.ts';

/** What a promise has come to so far. */
function watched<R>(promise: Promise<R>): { value: R | undefined } {
  const seen: { value: R | undefined } = { value: undefined };
  void promise.then((value) => { seen.value = value; });
  return seen;
}

test('what is idle goes at once, and min is not filled before the next acquire', async () => {
  const scene = play({ min: 2, max: 4 });
  await scene.fill(3);
  const result = watched(scene.pool.quiesce());
  await scene.step();
  expect(result.value).toEqual({ left: 0, holders: [] });
  expect(scene.factory.resources.map((resource) => scene.factory.reason(resource))).toEqual(['evicted', 'evicted', 'evicted']);
  await scene.adv(3_600_000);
  expectStats(scene, { size: 0 });
  expect(scene.pool.state).toBe('open');
  const [request] = await scene.borrow(1);
  expectStats(scene, { size: 2, borrowed: 1 });
  request!.release();
  await scene.step();
  expectStats(scene, { idle: 2 });
});

test('what is borrowed is waited for, and goes when it comes back', async () => {
  const scene = play({ max: 2 });
  const [held] = await scene.borrow(1);
  const result = watched(scene.pool.quiesce({ deadlineMs: 5_000 }));
  await scene.adv(3_000);
  expect(result.value).toBeUndefined();
  held!.release();
  await scene.step();
  expect(result.value).toEqual({ left: 0, holders: [] });
  expectStats(scene, { size: 0 });
});

test('at the deadline it tells what is left, and who holds it; that goes later all the same', async () => {
  const scene = play({ max: 2 });
  const report = scene.acquire({ label: 'report' });
  await scene.step();
  const result = watched(scene.pool.quiesce({ deadlineMs: 200 }));
  await scene.adv(199);
  expect(result.value).toBeUndefined();
  await scene.adv(1);
  expect(result.value).toMatchObject({ left: 1, holders: [{ label: 'report', heldMs: 200 }] });
  report.release();
  await scene.step();
  expectStats(scene, { size: 0 });
});

test('a destroy that has not ended is left as well', async () => {
  const scene = play({ max: 1 });
  await scene.fill(1);
  scene.factory.script.destroy.does('manual');
  const result = watched(scene.pool.quiesce({ deadlineMs: 100 }));
  await scene.adv(100);
  expect(result.value).toEqual({ left: 1, holders: [] });
  scene.factory.script.destroy.pending[0]!.ok();
});

test('who waits already is served, by what comes back and by creates that were under way, and none of it stays', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 60_000 });
  const [held] = await scene.borrow(1);
  const [first, second] = [scene.acquire(), scene.acquire()];
  await scene.step();
  const result = watched(scene.pool.quiesce({ deadlineMs: 60_000 }));
  held!.release();
  await scene.step();
  expect(names([first])).toEqual(['r2']);
  first.release();
  await scene.step();
  expect(names([second])).toEqual(['r2']);
  expect(result.value).toBeUndefined();
  second.release();
  await scene.step();
  expect(result.value).toEqual({ left: 0, holders: [] });
  expectStats(scene, { size: 0 });
});

test('creates that nobody waits for are called off', async () => {
  const scene = play({ min: 2, max: 2, maxCreating: 2 }, { prepare: manually });
  await scene.step();
  const result = watched(scene.pool.quiesce({ deadlineMs: 60_000 }));
  expect(scene.factory.pending.map(({ context }) => context.signal.aborted)).toEqual([true, true]);
  for (const call of [...scene.factory.pending]) call.ok();
  await scene.step();
  expect(result.value).toEqual({ left: 0, holders: [] });
  expectStats(scene, { size: 0 });
});

test('a create that somebody waits for goes on', async () => {
  const scene = play({ max: 2, maxCreating: 2 }, { prepare: manually });
  const [waits, leaves] = [scene.acquire(), scene.acquire({ timeoutMs: 10 })];
  await scene.adv(10);
  expect(leaves.state).toBe('failed');
  void scene.pool.quiesce();
  expect(scene.factory.pending.map(({ context }) => context.signal.aborted)).toEqual([true, false]);
  scene.factory.pending[1]!.ok();
  await scene.step();
  expect(waits.state).toBe('served');
  scene.factory.pending[0]!.ok();
  waits.release();
  await scene.step();
  expectStats(scene, { size: 0 });
});

test('for those who wait there is what they need, and nothing for min', async () => {
  const scene = play({ min: 3, max: 4, maxCreating: 4 }, { prepare: manually });
  const waits = scene.acquire();
  await scene.step();
  const { creates } = scene.factory;
  void scene.pool.quiesce();
  for (const call of [...scene.factory.pending]) call.ok();
  await scene.step();
  expect(waits.state).toBe('served');
  expect(scene.factory.creates).toBe(creates);
  expectStats(scene, { size: 1 });
});

test('a tryAcquire that finds nothing ends the quiet too', async () => {
  const scene = play({ min: 2 });
  await scene.step();
  await scene.pool.quiesce();
  expect(scene.pool.tryAcquire()).toBeUndefined();
  await scene.step();
  expectStats(scene, { idle: 2 });
});

test('an acquire ends the quiet: what comes back of it stays, what was there before goes', async () => {
  const scene = play({ max: 3 });
  const [old] = await scene.borrow(1);
  const result = watched(scene.pool.quiesce({ deadlineMs: 60_000 }));
  const [fresh] = await scene.borrow(1);
  fresh!.release();
  await scene.step();
  expectStats(scene, { idle: 1, borrowed: 1 });
  expect(result.value).toBeUndefined();
  old!.release();
  await scene.step();
  expect(result.value).toEqual({ left: 0, holders: [] });
  expectStats(scene, { idle: 1, size: 1 });
});

test('an acquire behind others who wait ends the quiet as well', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 60_000 });
  const [held] = await scene.borrow(1);
  const first = scene.acquire();
  void scene.pool.quiesce();
  const second = scene.acquire();
  held!.release();
  await scene.step();
  first.release();
  await scene.step();
  second.release();
  await scene.step();
  expectStats(scene, { idle: 1 });
});

test('ready() ends the quiet too: it asks for min', async () => {
  const scene = play({ min: 1 });
  await scene.step();
  await scene.pool.quiesce();
  await scene.pool.ready();
  expectStats(scene, { idle: 1 });
});

test('a server that is down is not asked again and again by a quiet pool', async () => {
  const breaker = { failures: 2, probeIntervalMs: 100 };
  const scene = play({ min: 1, breaker }, { prepare: (factory) => factory.failCreates(new Error('down')) });
  await scene.adv(1_000);
  expect(scene.pool.state).toBe('unavailable');
  void scene.pool.quiesce();
  const { creates } = scene.factory;
  await scene.adv(60_000);
  expect(scene.factory.creates).toBe(creates);
  scene.factory.script.create.does('ok');
  scene.acquire();
  await scene.adv(200);
  expectStats(scene, { state: 'open', size: 1 });
});

test('while the pool is paused who waits still has a claim; when the last of them leaves, nothing stays', async () => {
  const scene = play({ max: 1, acquireTimeoutMs: 1_000 });
  const [held] = await scene.borrow(1);
  scene.pool.pause();
  scene.acquire();
  const result = watched(scene.pool.quiesce({ deadlineMs: 60_000 }));
  held!.release();
  await scene.adv(1_000);
  expect(result.value).toEqual({ left: 0, holders: [] });
});

test('a close meanwhile ends the wait', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const result = watched(scene.pool.quiesce({ deadlineMs: Infinity }));
  void scene.pool.close({ deadlineMs: 100 });
  await scene.adv(100);
  expect(result.value).toEqual({ left: 0, holders: [] });
  expect(await scene.pool.quiesce()).toEqual({ left: 0, holders: [] });
});

test('wrong options are refused by the promise', async () => {
  const scene = play({});
  await expect(scene.pool.quiesce({ deadlineMs: -1 })).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', option: 'deadlineMs' });
  await expect(scene.pool.quiesce({ deadline: 1 } as never)).rejects.toThrow('did you mean deadlineMs?');
});

test('several pools, keyed ones among them, let go under one deadline', async () => {
  const clock = new VirtualClock();
  const scene = play({ name: 'one', max: 2 });
  await scene.fill(2);
  const factory = new ScriptedFactory({ clock });
  const keyed = new KeyedPool<string, object>({ name: 'keyed', factory: () => factory, clock });
  const lease = await keyed.acquire('a', { label: 'long' });
  (await keyed.acquire('b')).release();
  const all = watched(quiesce([scene.pool, keyed], { deadlineMs: 100 }));
  await scene.adv(100);
  await clock.advance(100);
  expect(all.value).toMatchObject({ left: 1, holders: [{ label: 'long' }] });
  expectStats(scene, { size: 0 });
  expect(keyed.stats()).toMatchObject({ size: 1, borrowed: 1 });
  lease.release();
  await clock.flush();
  expect(keyed.stats().size).toBe(0);
});
