// What a pool tells: events, diagnostics channels, and the reason of every ending.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { DestroyReason, PoolEvents } from 'millpond';
import type { ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';
import { play, type Stage } from './scenarios/play.ts';

const E = new Error('refused');
const NAMES = [
  'create',
  'createError',
  'acquire',
  'acquireError',
  'release',
  'staleRelease',
  'destroy',
  'leak',
  'unleak',
  'state',
] as const;

function record(scene: Stage): [string, Record<string, unknown>][] {
  const seen: [string, Record<string, unknown>][] = [];
  for (const name of NAMES) scene.pool.on(name, (event: object) => seen.push([name, event as Record<string, unknown>]));
  return seen;
}

/** A life in which everything happens once. */
async function live(scene: Stage): Promise<void> {
  scene.factory.script.create.next({ rejects: E });
  scene.acquire({ label: 'unlucky' });
  await scene.step();
  scene.factory.script.create.next({ afterMs: 40 });
  const a = scene.acquire({ label: 'a' });
  await scene.adv(40);
  await scene.adv(1000);
  a.release();
  a.release();
  await scene.step();
  scene.pool.evict();
  await scene.step();
}

test('every event tells what happened, with its numbers', async () => {
  const scene = play({ max: 1, leakThresholdMs: 600, captureStacks: false });
  const seen = record(scene);
  await live(scene);
  const [r1] = scene.factory.resources;
  const info = {
    id: expect.any(Number),
    ageMs: expect.any(Number),
    idleMs: expect.any(Number),
    uses: expect.any(Number),
    generation: expect.any(Number),
  };
  // Which of the two errors is told first is not part of the contract.
  expect(seen.slice(0, 2).sort(([a], [b]) => (a < b ? -1 : 1))).toEqual([
    ['acquireError', { error: expect.objectContaining({ code: 'ERR_POOL_CREATE_FAILED' }), waitMs: 0 }],
    ['createError', { error: E, attempt: 1, retryInMs: undefined }],
  ]);
  expect(seen.slice(2)).toEqual([
    ['create', { resource: r1, info, durationMs: 40 }],
    ['acquire', { lease: scene.requests[1]!.lease, waitMs: 40 }],
    ['leak', { label: 'a', heldMs: 600 }],
    ['unleak', { label: 'a', heldMs: 1000 }],
    ['release', { resource: r1, info, useMs: 1000 }],
    ['staleRelease', { label: 'a' }],
    ['destroy', { resource: r1, info, reason: 'evicted' }],
  ]);
});

test('acquireError tells of aborts too, with the reason untouched', async () => {
  const scene = play({ max: 1 });
  const events: PoolEvents<ScriptedResource>['acquireError'][] = [];
  scene.pool.on('acquireError', (event) => events.push(event));
  await scene.borrow(1);
  const abort = new AbortController();
  scene.acquire({ signal: abort.signal });
  await scene.adv(30);
  abort.abort('why');
  await scene.step();
  expect(events).toEqual([{ error: 'why', waitMs: 30 }]);
});

test('on returns the unsubscribe function, and the same listener may be there twice', async () => {
  const scene = play({ max: 1 });
  let calls = 0;
  const listener = (): void => void calls++;
  const offs = [scene.pool.on('release', listener), scene.pool.on('release', listener)];
  const use = (): Promise<void> => scene.pool.use(() => undefined);
  await use();
  const twice = calls;
  offs[0]!();
  offs[0]!();
  await use();
  expect(calls).toBeGreaterThan(twice);
  offs[1]!();
  calls = 0;
  await use();
  expect(calls).toBe(0);
  await scene.step();
});

test('the same events go to node:diagnostics_channel, with the name of the pool', async () => {
  const seen: [string, Record<string, unknown>][] = [];
  const listeners = NAMES.map((name) => {
    const listener = (message: unknown): void => void seen.push([name, message as Record<string, unknown>]);
    subscribe(`millpond:${name}`, listener);
    return [name, listener] as const;
  });
  const scene = play({ name: 'channelled', max: 1, leakThresholdMs: 600 });
  await live(scene);
  for (const [name, listener] of listeners) unsubscribe(`millpond:${name}`, listener);
  const mine = seen.filter(([, message]) => message['pool'] === 'channelled');
  expect(
    mine
      .slice(0, 2)
      .map(([name]) => name)
      .sort(),
  ).toEqual(['acquireError', 'createError']);
  expect(mine.slice(2).map(([name]) => name)).toEqual(['create', 'acquire', 'leak', 'unleak', 'release', 'staleRelease', 'destroy']);
  expect(mine.find(([name]) => name === 'createError')![1]).toMatchObject({ error: E, attempt: 1 });
});

test('the reason of a create failure is told although nobody waits', async () => {
  const scene = play({ min: 1, max: 1 }, { prepare: (factory) => factory.failCreates(E) });
  const seen = record(scene);
  await scene.adv(1000);
  expect(seen.filter(([name]) => name === 'createError').length).toBeGreaterThan(0);
});

/** How each ending comes about: one way for each reason of the closed list. */
const ENDINGS: Record<
  DestroyReason,
  (end: (reason: DestroyReason, scene: Stage, play: () => Promise<void>) => Promise<void>) => Promise<void>
> = {
  idleTimeout: (end) =>
    run(end, 'idleTimeout', play({ idleTimeoutMs: 100 }), async (scene) => {
      await scene.fill(1);
      await scene.adv(100);
    }),
  maxLifetime: (end) =>
    run(end, 'maxLifetime', play({ maxLifetimeMs: 100 }), async (scene) => {
      await scene.fill(1);
      await scene.adv(100);
    }),
  maxUses: (end) =>
    run(end, 'maxUses', play({ maxUses: 1 }), async (scene) => {
      await scene.fill(1);
    }),
  invalid: (end) =>
    run(end, 'invalid', play({ validateAfterIdleMs: 0 }), async (scene) => {
      await scene.fill(1);
      await scene.adv(1);
      scene.factory.script.validate.next({ rejects: E });
      await scene.borrow(1);
    }),
  stale: (end) =>
    run(end, 'stale', play({ validateAfterIdleMs: 0 }), async (scene) => {
      await scene.fill(2);
      await scene.adv(1);
      scene.factory.script.validate.next({ rejects: E });
      await scene.borrow(1);
    }),
  broken: (end) =>
    run(end, 'broken', play(), async (scene) => {
      const [r1] = await scene.fill(1);
      scene.factory.lost(r1!, E);
      await scene.step();
    }),
  resetFailed: (end) =>
    run(end, 'resetFailed', play({}, { factory: { reset: true } }), async (scene) => {
      scene.factory.script.reset.next({ rejects: E });
      await scene.fill(1);
    }),
  evicted: (end) =>
    run(end, 'evicted', play(), async (scene) => {
      await scene.fill(1);
      scene.pool.evict();
      await scene.step();
    }),
  leaseDestroyed: (end) =>
    run(end, 'leaseDestroyed', play(), async (scene) => {
      (await scene.borrow(1))[0]!.lease.destroy(E);
      await scene.step();
    }),
  reclaimed: (end) =>
    run(end, 'reclaimed', play({ leakThresholdMs: 100, reclaim: true }), async (scene) => {
      await scene.borrow(1);
      await scene.adv(100);
    }),
  late: (end) =>
    run(end, 'late', play({ createTimeoutMs: 100 }, { prepare: (factory) => (factory.auto = false) }), async (scene) => {
      scene.acquire();
      await scene.adv(100);
      scene.factory.pending[0]!.ok();
      await scene.step();
    }),
  overSize: (end) =>
    run(end, 'overSize', play({ max: 2 }), async (scene) => {
      await scene.fill(2);
      scene.pool.resize({ max: 1 });
      await scene.step();
    }),
  recalled: async (end) => {
    let limit = 2;
    let listener: () => void = () => undefined;
    const budget = {
      join: () => ({
        get limit() {
          return limit;
        },
        onChange: (changed: () => void) => {
          listener = changed;
          return () => undefined;
        },
        want: () => undefined,
        leave: () => undefined,
      }),
    };
    await run(end, 'recalled', play({ max: 2, budget }), async (scene) => {
      await scene.fill(2);
      limit = 1;
      listener();
      await scene.step();
    });
  },
  poolClosed: (end) =>
    run(end, 'poolClosed', play(), async (scene) => {
      await scene.fill(1);
      void scene.pool.close();
      await scene.step();
    }),
};

function run(
  end: (reason: DestroyReason, scene: Stage, play: () => Promise<void>) => Promise<void>,
  reason: DestroyReason,
  scene: Stage,
  steps: (scene: Stage) => Promise<void>,
): Promise<void> {
  return end(reason, scene, () => steps(scene));
}

test.each(Object.entries(ENDINGS))('the reason %s is told by the factory, the event and the stats alike', async (_, ending) => {
  await ending(async (reason, scene, steps) => {
    const told: DestroyReason[] = [];
    scene.pool.on('destroy', (event) => told.push(event.reason));
    await steps();
    const { destroyed } = scene.pool.stats().totals;
    const hooks = scene.factory.script.destroy.calls.map((call) => call.context.reason);
    expect(told).toContain(reason);
    expect(hooks).toEqual(told);
    expect(destroyed[reason]).toBe(told.filter((each) => each === reason).length);
    expect(Object.values(destroyed).reduce((sum, count) => sum + count, 0)).toBe(told.length);
  });
});

test('stats are a snapshot: they do not change afterwards, and cannot be used to change the pool', async () => {
  const scene = play({ max: 2 });
  const before = scene.pool.stats();
  const copy = structuredClone(before);
  await scene.fill(2);
  scene.pool.evict();
  await scene.step();
  expect(before).toEqual(copy);
  (before.totals.destroyed as Record<string, number>)['evicted'] = 99;
  expect(scene.pool.stats().totals.destroyed.evicted).toBe(2);
});
