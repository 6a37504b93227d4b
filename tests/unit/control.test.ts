// Rule 15: pause, evict, resize.

import { expect, test } from 'vitest';
import { createTimes, expectFailed, expectStats, manually, names, play } from './scenarios/play.ts';

test('evict({ where }) concerns what it chooses: idle ones now, borrowed ones on release', async () => {
  const scene = play({ max: 4 });
  const [r1, r2, r3, r4] = await scene.fill(4);
  const held = await scene.borrow(2); // r4, r3
  const generation = scene.pool.stats().generation;
  expect(scene.pool.evict({ where: (resource) => [r1, r4].includes(resource) })).toBe(2);
  await scene.step();
  expect([r1, r2, r3, r4].map((resource) => scene.factory.destroyed(resource!))).toEqual([1, 0, 0, 0]);
  for (const request of held) request.release();
  await scene.step();
  expect([r3, r4].map((resource) => scene.factory.reason(resource!))).toEqual([undefined, 'evicted']);
  expect(scene.pool.stats().generation).toBe(generation);
});

test('the predicate sees what the pool knows of a resource; one that throws evicts nothing', async () => {
  const scene = play({ max: 2 });
  await scene.fill(2);
  await scene.adv(100);
  const seen: unknown[] = [];
  scene.pool.evict({ where: (_, info) => !seen.push(info) });
  expect(seen).toEqual([
    expect.objectContaining({ ageMs: 100, idleMs: 100, uses: 1 }),
    expect.objectContaining({ ageMs: 100, idleMs: 100, uses: 1 }),
  ]);
  const bug = new Error('bug in the predicate');
  let asked = 0;
  expect(() =>
    scene.pool.evict({
      where: () => {
        if (++asked === 2) throw bug;
        return true;
      },
    }),
  ).toThrow(bug);
  await scene.step();
  expectStats(scene, { idle: 2 });
});

test('evict fills min again', async () => {
  const scene = play({ min: 3, max: 3 });
  await scene.step();
  expect(scene.pool.evict()).toBe(3);
  await scene.step();
  expectStats(scene, { idle: 3 });
  expect(scene.factory.creates).toBe(6);
});

test('evict({ spreadMs }) replaces evenly, and never dips below min', async () => {
  const scene = play({ min: 4, max: 8 }, { invariants: { spreading: true } });
  await scene.step();
  const old = scene.factory.alive();
  const at: number[] = [];
  scene.pool.on('destroy', (event) => {
    expect(event.reason).toBe('evicted');
    at.push(scene.clock.now());
  });
  expect(scene.pool.evict({ spreadMs: 4000 })).toBe(4);
  for (let t = 0; t <= 4000; t += 50) {
    const { idle, borrowed } = scene.pool.stats();
    expect(idle + borrowed).toBeGreaterThanOrEqual(4);
    await scene.adv(50);
  }
  expect(at).toHaveLength(4);
  const gaps = at.map((time, index) => time - (at[index - 1] ?? 0));
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(500);
  expect(old.every((resource) => scene.factory.destroyed(resource) === 1)).toBe(true);
  expectStats(scene, { idle: 4, size: 4 });
});

test('evict({ spreadMs }) at max replaces all the same', async () => {
  const scene = play({ min: 4, max: 4 }, { invariants: { spreading: true } });
  await scene.step();
  scene.pool.evict({ spreadMs: 4000 });
  await scene.adv(10_000);
  expect(scene.factory.creates).toBe(8);
  expectStats(scene, { idle: 4, size: 4 });
});

test('evict({ spreadMs }) with everything lent replaces on release', async () => {
  const scene = play({ max: 3 }, { invariants: { spreading: true } });
  const held = await scene.borrow(3);
  const old = held.map((request) => request.resource);
  scene.pool.evict({ spreadMs: 300 });
  await scene.adv(1000);
  expect(held.every((request) => !request.lease.ended)).toBe(true);
  for (const request of held) request.release();
  await scene.adv(0);
  expect(old.map((resource) => scene.factory.destroyed(resource))).toEqual([1, 1, 1]);
});

test('a second evict during a spread ends the rest at once', async () => {
  const scene = play({ max: 4 }, { invariants: { spreading: true } });
  const old = await scene.fill(4);
  scene.pool.evict({ spreadMs: 10_000 });
  await scene.adv(100);
  scene.pool.evict();
  await scene.step();
  expect(old.map((resource) => scene.factory.destroyed(resource))).toEqual([1, 1, 1, 1]);
});

test('an evict while a resource is validated or reset ends it after its hook', async () => {
  const scene = play({ max: 2, validateAfterIdleMs: 0 }, { factory: { reset: true } });
  await scene.fill(1);
  await scene.adv(1);
  scene.factory.script.validate.does('manual');
  const request = scene.acquire();
  await scene.step();
  scene.pool.evict();
  scene.factory.script.validate.pending[0]?.ok(true);
  await scene.step();
  expect(names([request])).toEqual(['r2']);
  scene.factory.script.reset.does('manual');
  request.release();
  await scene.step();
  scene.pool.evict();
  scene.factory.script.reset.pending[0]?.ok();
  await scene.step();
  expectStats(scene, { size: 0 });
});

test('an outdated create is told to stop, and counts until it has ended', async () => {
  const scene = play({ max: 1 }, { prepare: manually });
  const request = scene.acquire();
  await scene.step();
  scene.pool.evict();
  await scene.step();
  expect(scene.factory.script.create.calls[0]!.context.signal.aborted).toBe(true);
  expect(scene.factory.maxFootprint).toBe(1);
  scene.factory.script.create.calls[0]!.fail(new Error('aborted'));
  await scene.step();
  expect(request.state).toBe('waiting');
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(names([request])).toEqual(['r1']);
});

test('raising min creates at once; lowering it lets go with time', async () => {
  const scene = play({ min: 0, max: 4, idleTimeoutMs: 1000 });
  scene.pool.resize({ min: 3 });
  expect(scene.factory.creates).toBe(3);
  await scene.adv(5000);
  expectStats(scene, { idle: 3, min: 3 });
  scene.pool.resize({ min: 1 });
  await scene.adv(1000);
  expectStats(scene, { idle: 1, min: 1 });
});

test('shrinking ends surplus idle resources in that call, least recently used first', async () => {
  const scene = play({ max: 4 });
  const [r1, r2] = await scene.fill(4);
  scene.pool.resize({ max: 2 });
  expectStats(scene, { idle: 2, max: 2 });
  await scene.step();
  expect([r1, r2].map((resource) => scene.factory.reason(resource!))).toEqual(['overSize', 'overSize']);
});

test('a create that arrives after a shrink is destroyed when there is no place for it', async () => {
  const scene = play({ max: 2 });
  await scene.borrow(1);
  scene.factory.auto = false;
  const abort = new AbortController();
  scene.acquire({ signal: abort.signal });
  await scene.step();
  scene.pool.resize({ max: 1 });
  abort.abort(new Error('gone'));
  await scene.step();
  scene.factory.script.create.calls[1]!.ok();
  await scene.step();
  expectStats(scene, { borrowed: 1, size: 1 });
  expect(scene.factory.live).toBe(1);
});

test('resize refuses what makes no sense and changes nothing then', async () => {
  const scene = play({ min: 1, max: 4 });
  for (const size of [{ max: 0 }, { min: 5 }, { min: -1 }, { max: Number.NaN }, { max: 2, min: 3 }, { maximum: 3 }]) {
    expect(() => scene.pool.resize(size)).toThrow(expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }));
  }
  expectStats(scene, { min: 1, max: 4 });
  await scene.step();
});

test('pause and resume may be said twice, and resume without pause does nothing', async () => {
  const scene = play({ max: 1 });
  scene.pool.resume();
  scene.pool.pause();
  scene.pool.pause();
  const request = scene.acquire();
  await scene.step();
  scene.pool.resume();
  await scene.step();
  expect(request.state).toBe('served');
  scene.pool.resume();
  expect(scene.pool.state).toBe('open');
});

test('a create that arrives during a pause is kept, and lent after it', async () => {
  const scene = play({ max: 1 }, { prepare: manually });
  const request = scene.acquire();
  await scene.step();
  scene.pool.pause();
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(request.state).toBe('waiting');
  expectStats(scene, { idle: 1 });
  scene.pool.resume();
  await scene.step();
  expect(names([request])).toEqual(['r1']);
});

test('a validation that ends during a pause does not lend', async () => {
  const scene = play({ max: 1, validateAfterIdleMs: 0 });
  await scene.fill(1);
  await scene.adv(1);
  scene.factory.script.validate.does('manual');
  const request = scene.acquire();
  await scene.step();
  scene.pool.pause();
  scene.factory.script.validate.pending[0]!.ok(true);
  await scene.step();
  expect(request.state).toBe('waiting');
  scene.pool.resume();
  await scene.step();
  expect(request.state).toBe('served');
});

test('pause() after pause({ reject }) lets acquires wait again', async () => {
  const scene = play({ max: 1 });
  scene.pool.pause({ reject: true });
  const refused = scene.acquire();
  await scene.step();
  expectFailed(refused, 'ERR_POOL_PAUSED');
  scene.pool.pause();
  const waits = scene.acquire();
  await scene.step();
  expect(waits.state).toBe('waiting');
});

test('backoffs and breaker probes rest during a pause', async () => {
  const scene = play({ min: 1, max: 2, breaker: { failures: 2, probeIntervalMs: 100 } });
  await scene.step();
  scene.factory.failCreates(new Error('refused'));
  scene.factory.lost(scene.factory.alive()[0]!);
  await scene.adv(1000);
  scene.pool.pause();
  const times = createTimes(scene);
  await scene.adv(10_000);
  expect(times).toEqual([]);
  scene.factory.auto = true;
  scene.pool.resume();
  await scene.adv(10_000);
  expectStats(scene, { state: 'open', idle: 1 });
});
