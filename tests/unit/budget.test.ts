// Rule 23: a limit that comes from outside and moves.

import { localBudget, Pool, type Budget } from 'millpond';
import {
  InvariantWatch,
  PLAIN_OPTIONS,
  probeCapacity,
  ScriptedFactory,
  seededRandom,
  VirtualClock,
  type ScriptedResource,
} from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectStats, manually, play } from './scenarios/play.ts';

/** A budget that the test moves by hand. */
class HandBudget implements Budget {
  limit: number;
  keeps = Infinity;
  wanted = 0;
  left = 0;
  readonly listeners = new Set<() => void>();
  pool: Parameters<Budget['join']>[0] | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  join(pool: Parameters<Budget['join']>[0]): ReturnType<Budget['join']> {
    this.pool = pool;
    const limitNow = (): number => this.limit;
    const keepsNow = (): number => this.keeps;
    return {
      get limit() {
        return limitNow();
      },
      get keeps() {
        return keepsNow();
      },
      onChange: (listener) => {
        this.listeners.add(listener);
        return () => void this.listeners.delete(listener);
      },
      want: () => void this.wanted++,
      leave: () => void this.left++,
    };
  }

  moveTo(limit: number): void {
    this.limit = limit;
    for (const listener of [...this.listeners]) listener();
  }
}

test('a pool creates no more than its budget grants, and says when it wants more', async () => {
  const budget = new HandBudget(2);
  const scene = play({ max: 10, budget }, { invariants: { limit: 2 } });
  const requests = Array.from({ length: 4 }, () => scene.acquire());
  await scene.step();
  expect(requests.map((request) => request.state)).toEqual(['served', 'served', 'waiting', 'waiting']);
  expect(budget.wanted).toBeGreaterThan(0);
  expect(budget.pool!.held()).toBe(2);
  expect(budget.pool!.demand()).toBe(4);
});

test('when the limit rises waiters are served in that call', async () => {
  const budget = new HandBudget(1);
  const scene = play({ max: 10, budget }, { invariants: { limit: 1 } });
  const requests = Array.from({ length: 3 }, () => scene.acquire());
  await scene.step();
  budget.moveTo(10);
  expect(scene.factory.creates).toBe(3);
  await scene.clock.flush();
  expect(requests.every((request) => request.state === 'served')).toBe(true);
});

test('max stays the ceiling, whatever the budget grants', async () => {
  const scene = play({ max: 2, budget: new HandBudget(100) });
  for (let i = 0; i < 5; i++) scene.acquire();
  await scene.step();
  expectStats(scene, { borrowed: 2, waiting: 3, max: 2 });
});

test('when it falls idle resources go at once and borrowed ones on release', async () => {
  const budget = new HandBudget(4);
  const scene = play({ max: 4, budget });
  await scene.fill(4);
  const held = await scene.borrow(2);
  budget.moveTo(1);
  await scene.step();
  expectStats(scene, { idle: 0, borrowed: 2 });
  expect(scene.pool.stats().totals.destroyed.recalled).toBe(2);
  expect(held.every((request) => !request.lease.ended)).toBe(true);
  held[0]!.release();
  await scene.step();
  expectStats(scene, { idle: 0, borrowed: 1, size: 1 });
  held[1]!.release();
  await scene.step();
  expectStats(scene, { idle: 1, size: 1 });
});

test('it is looked at before every create, also when nobody said that it changed', async () => {
  const budget = new HandBudget(5);
  const scene = play({ max: 5, budget }, { invariants: { limit: 2 } });
  await scene.borrow(2);
  budget.limit = 2; // silently
  const third = scene.acquire();
  await scene.step();
  expect(third.state).toBe('waiting');
  expect(scene.factory.creates).toBe(2);
});

test('after a long silence of the process it is looked at before anything is lent', async () => {
  const budget = new HandBudget(4);
  const scene = play({ max: 4, idleTimeoutMs: 600_000, budget });
  await scene.fill(4);
  budget.limit = 1; // while we were frozen
  await scene.clock.stall(120_000);
  const requests = Array.from({ length: 4 }, () => scene.acquire());
  await scene.clock.flush();
  expect(requests.filter((request) => request.state === 'served').length).toBeLessThanOrEqual(1);
});

test('it is looked at before a lease when it was looked at some time ago, also when nobody said that it changed', async () => {
  const budget = new HandBudget(4);
  const scene = play({ max: 4, budget });
  await scene.fill(4);
  await scene.adv(60);
  budget.limit = 0; // silently
  expect(scene.pool.tryAcquire()).toBeUndefined();
  expectStats(scene, { borrowed: 0, idle: 0 });
});

test('a budget of nothing lets acquires wait, until there is something or their time is up', async () => {
  const budget = new HandBudget(0);
  const scene = play({ max: 2, budget }, { invariants: { limit: 0 } });
  const [late, early] = [scene.acquire(), scene.acquire({ timeoutMs: 100 })];
  await scene.adv(100);
  expect(early.error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
  expect(late.state).toBe('waiting');
  budget.moveTo(1);
  await scene.clock.flush();
  expect(late.state).toBe('served');
});

test('min is bounded by the budget, and filled when it rises', async () => {
  const budget = new HandBudget(1);
  const scene = play({ min: 3, max: 4, budget }, { invariants: { limit: 1 } });
  await scene.step();
  expectStats(scene, { idle: 1 });
  budget.moveTo(4);
  await scene.clock.flush();
  expectStats(scene, { idle: 3 });
});

test('a pool leaves its budget when it is closed, once, and listens no more', async () => {
  const budget = new HandBudget(2);
  const scene = play({ max: 2, budget });
  await scene.fill(2);
  const closing = scene.pool.close();
  await scene.adv(0);
  await closing;
  expect(budget.left).toBe(1);
  expect(budget.listeners.size).toBe(0);
});

function pools(
  count: number,
  limit: number,
): { readonly clock: VirtualClock; readonly scenes: readonly { pool: Pool<ScriptedResource>; factory: ScriptedFactory }[] } {
  const clock = new VirtualClock();
  const budget = localBudget({ limit });
  const scenes = Array.from({ length: count }, () => {
    const factory = new ScriptedFactory({ clock });
    return { factory, pool: new Pool({ ...PLAIN_OPTIONS, max: limit, factory, clock, budget }) };
  });
  return { clock, scenes };
}

test('several pools of one process stay within one budget, and each gets a fair part when all want all', async () => {
  const { clock, scenes } = pools(3, 9);
  const leases: (() => void)[] = [];
  const again = (pool: Pool<ScriptedResource>): void => {
    void pool.acquire({ timeoutMs: Infinity }).then((lease) => {
      clock.schedule(clock.now() + 10, () => {
        lease.release();
        again(pool);
      });
    });
  };
  // The first pool takes everything before the others come.
  for (let i = 0; i < 15; i++) again(scenes[0]!.pool);
  await clock.advance(100);
  expect(scenes[0]!.factory.live).toBe(9);
  for (const { pool } of scenes.slice(1)) for (let i = 0; i < 15; i++) again(pool);
  for (let t = 0; t < 1000; t += 5) {
    await clock.advance(5);
    expect(scenes.reduce((sum, { factory }) => sum + factory.footprint().certain, 0)).toBeLessThanOrEqual(9);
  }
  expect(scenes.map(({ factory }) => factory.live)).toEqual([3, 3, 3]);
  expect(leases).toEqual([]);
});

test('a pool that asked in vain once is heard when it asks again', async () => {
  const { clock, scenes } = pools(2, 2);
  const [one, two] = scenes;
  const leases = await Promise.all([one!.pool.acquire(), one!.pool.acquire()]);
  const inVain = two!.pool.acquire({ timeoutMs: 10 });
  await Promise.all([expect(inVain).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' }), clock.advance(10)]);
  for (const lease of leases) lease.release(); // nobody wants them now, so they stay idle
  await clock.flush();
  expect(one!.pool.stats().idle).toBe(2);
  let served = false;
  void two!.pool.acquire().then(() => (served = true));
  await clock.flush();
  expect(served).toBe(true);
});

test('what a closed pool held is free for the others', async () => {
  const { clock, scenes } = pools(2, 4);
  const [one, two] = scenes;
  const leases = await Promise.all([1, 2, 3, 4].map(() => one!.pool.acquire()));
  let served = 0;
  for (let i = 0; i < 4; i++) void two!.pool.acquire({ timeoutMs: Infinity }).then(() => served++);
  await clock.flush();
  expect(served).toBe(0);
  const closing = one!.pool.close({ deadlineMs: 100 });
  leases[0]!.release();
  await clock.flush();
  expect(served).toBe(1);
  await clock.advance(100);
  await closing;
  expect(served).toBe(4);
});

test('a random life of three pools under one budget loses nothing', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = seededRandom(seed);
    const { clock, scenes } = pools(3, 6);
    const watches = scenes.map(({ pool, factory }) => new InvariantWatch(pool, factory, { limit: 0, backoff: true }));
    for (let step = 0; step < 400; step++) {
      const { pool } = random.pick(scenes);
      const watch = random.pick(watches);
      const dice = random();
      if (dice < 0.5) pool.acquire({ timeoutMs: random.pick([10, 100]) }).catch(() => undefined);
      else if (dice < 0.8) random.pick([...watch.leases, undefined])?.release();
      else if (dice < 0.9) random.pick([...watch.leases, undefined])?.destroy();
      else await clock.advance(random.int(0, 30));
      await clock.flush();
      for (const each of watches) each.check({ limit: 0 });
      expect(scenes.reduce((sum, { factory }) => sum + factory.footprint().certain, 0)).toBeLessThanOrEqual(6);
    }
    for (const watch of watches) for (const lease of watch.leases) lease.release();
    await clock.advance(1000);
    for (const watch of watches) for (const lease of watch.leases) lease.release();
    await clock.advance(1000);
    for (const { pool } of scenes) await probeCapacity(pool, clock);
  }
});

test('localBudget checks its limit', () => {
  for (const limit of [0, -1, Number.NaN, 1.5, Infinity]) {
    expect(() => localBudget({ limit }), String(limit)).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION', option: 'limit' }),
    );
  }
});

test('what a budget does not let it keep a pool closes at once: idle ones first, then those that were lent last', async () => {
  const budget = new HandBudget(4);
  const scene = play({ max: 4, budget });
  const requests = [];
  for (let count = 0; count < 4; count++) {
    requests.push(scene.acquire());
    await scene.adv(10);
  }
  requests[1]!.release();
  budget.keeps = 2;
  budget.moveTo(2);
  await scene.clock.flush();
  expect(requests.map(({ lease }) => lease.ended)).toEqual([false, true, false, true]);
  expectStats(scene, { size: 2, borrowed: 2 });
  expect(scene.pool.stats().totals.destroyed.recalled).toBe(2);
  expect(requests[3]!.lease.release()).toBe(false);
});

test('what is on its way is given up before anything that is lent', async () => {
  const budget = new HandBudget(4);
  const scene = play({ max: 4, budget, validateAfterIdleMs: 0 }, {
    prepare: ({ script }) => {
      script.create.does('manual');
      script.validate.does('manual');
    },
  });
  const acquire = (): ReturnType<typeof scene.acquire> => scene.acquire({ timeoutMs: 60_000 });
  const requests = [acquire(), acquire()];
  await scene.clock.flush();
  for (const create of [...scene.factory.script.create.pending]) create.ok();
  await scene.clock.flush();
  requests[1]!.release();
  await scene.adv(10);
  for (let count = 0; count < 3; count++) acquire();
  await scene.clock.flush();
  const { create, validate } = scene.factory.script;
  expect([scene.pool.stats().borrowed, create.pending.length, validate.pending.length]).toEqual([1, 2, 1]);
  const underWay = [...create.pending, ...validate.pending];
  budget.keeps = 1;
  budget.moveTo(1);
  await scene.clock.flush();
  expect(underWay.map(({ context }) => context.signal.aborted)).toEqual([true, true, true]);
  for (const each of create.pending) each.fail(new Error('given up'));
  await scene.clock.flush();
  expect(scene.pool.stats()).toMatchObject({ size: 1, borrowed: 1 });
  expect(requests[0]!.lease.ended).toBe(false);
});

test('what comes when a budget lets it keep nothing serves nobody', async () => {
  const budget = new HandBudget(2);
  const scene = play({ max: 4, budget }, { prepare: manually });
  const request = scene.acquire({ timeoutMs: 1_000 });
  await scene.adv(50);
  budget.limit = budget.keeps = 0;
  scene.factory.script.create.pending[0]!.ok();
  await scene.clock.flush();
  expect(request.state).toBe('waiting');
  expect(scene.pool.stats().totals.destroyed.recalled).toBe(1);
  budget.keeps = Infinity;
  budget.moveTo(1);
  await scene.clock.flush();
  scene.factory.script.create.pending[0]!.ok();
  await scene.clock.flush();
  expect(request.state).toBe('served');
});
