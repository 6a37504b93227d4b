// Real pools whose budget is a fleet's, with a coordinator in the same process and a clock that stands still.

import { InvalidOptionError, Pool } from 'millpond';
import { fleetBudget, type Coordinator, type FleetBudgetOptions, type Heartbeat, type Reply } from 'millpond/fleet';
import { ScriptedFactory, type ScriptedResource } from 'millpond/testing';
import { describe, expect, test } from 'vitest';
import { House } from './house.ts';

const sizes = (...pools: Pool<ScriptedResource>[]): number[] => pools.map((pool) => pool.stats().size);

describe('pools of a fleet', () => {
  test('hold together what there is: one that needs it gets what another gives back', async () => {
    const house = new House();
    await house.learn();
    const [a, b] = [house.pool('a'), house.pool('b')];
    const all = Array.from({ length: 6 }, () => a.acquire());
    await house.clock.advance(500);
    // A twentieth of four, rounded up, stays free.
    expect(sizes(a, b)).toEqual([3, 0]);
    const mine = b.acquire();
    for (let at = 0; at < 40 && b.stats().borrowed === 0; at++) {
      await house.clock.advance(100);
      expect(sizes(a, b).reduce((sum, size) => sum + size)).toBeLessThanOrEqual(4);
      void all.shift()?.then((lease) => lease.release());
    }
    expect(b.stats().borrowed).toBe(1);
    (await mine).release();
  });

  test('say nothing when there is nothing to say, and give back what they do not need', async () => {
    const house = new House();
    await house.learn();
    const a = house.pool('a');
    const lease = a.acquire();
    await house.clock.advance(500);
    (await lease).release();
    await house.clock.advance(30_000);
    expect(sizes(a)).toEqual([0]);
    const { heartbeats } = house;
    await house.clock.advance(60_000);
    expect(house.heartbeats).toBe(heartbeats);
    expect(house.fleet.reserved).toBe(0);
  });

  test('keep what they were granted until that ends when the coordinator is away, and then their floor', async () => {
    const house = new House();
    const options = { limit: 8, floor: 1, members: 3 };
    const a = house.pool('a', options);
    const first = a.acquire();
    await house.clock.advance(10);
    expect((await first).ended).toBe(false);
    const waiting = [a.acquire(), a.acquire()];
    await house.clock.advance(8_500);
    const [second, third] = await Promise.all(waiting);
    house.away = true;
    await house.clock.advance(4_000);
    expect(sizes(a)).toEqual([3]);
    await house.clock.advance(2_500);
    expect(sizes(a)).toEqual([1]);
    expect([second!.ended, third!.ended]).toEqual([true, true]);
    expect((await first).release()).toBe(true);
    expect(a.tryAcquire()?.release()).toBe(true);
    house.away = false;
    const more = [a.acquire(), a.acquire()];
    await house.clock.advance(1_500);
    expect(sizes(a)).toEqual([2]);
    for (const lease of more) (await lease).release();
  });

  test('look at their lease before they lend, after a sleep in which no timer fired', async () => {
    const house = new House();
    await house.learn();
    const a = house.pool('a');
    const lease = a.acquire();
    await house.clock.advance(500);
    (await lease).release();
    expect(a.stats().idle).toBe(1);
    let lent: unknown = 'not asked';
    // The first thing after the sleep is somebody who asks.
    house.clock.schedule(house.clock.now(), () => {
      lent = a.tryAcquire();
    });
    await house.clock.stall(60_000);
    expect(lent).toBeUndefined();
    expect(a.stats().idle).toBe(0);
  });

  test('are told apart by their names in the view, and forgotten when they are closed', async () => {
    const house = new House();
    await house.learn();
    const [a, b] = [house.pool('orders'), house.pool('search', { name: 'search-7' })];
    const leases = [a.acquire(), a.acquire(), b.acquire()];
    await house.clock.advance(300);
    const { members } = await house.coordinator.view();
    expect(members.map(({ name }) => name).sort()).toEqual(['orders', 'search-7']);
    for (const lease of leases) (await lease).release();
    await Promise.all([a.close(), b.close(), house.clock.advance(500)]);
    expect(house.fleet.seats.size).toBe(0);
    expect(house.clock.pending).toBe(0);
  });

  test('take a coordinator that throws for one that cannot be reached', async () => {
    const house = new House();
    const a = new Pool({
      factory: new ScriptedFactory({ clock: house.clock }), clock: house.clock,
      budget: fleetBudget({
        heartbeat: () => { throw new Error('broken'); },
        view: () => Promise.reject(new Error('broken')),
      }, { limit: 4, floor: 1, members: 4, clock: house.clock }),
    });
    const [one, two] = [a.acquire(), a.acquire({ timeoutMs: 400 }).catch((error: unknown) => error)];
    await house.clock.advance(1_000);
    expect((await one).ended).toBe(false);
    expect(await two).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
  });

  const granted = { kind: 'granted', permit: 1, now: 1, identity: 'x', learning: false, reserved: 1, unmet: 0, members: 1 };
  const answers: readonly [string, unknown][] = [
    ['nothing', undefined], ['null', null], ['an empty object', {}], ['another kind', { kind: 'queued' }],
    ['no number', { ...granted, permit: NaN }], ['no end', { ...granted, permit: Infinity }], ['a text', { ...granted, permit: '3' }],
    ['less than nothing', { ...granted, permit: -3 }], ['no terms', { kind: 'refused', reason: 'terms' }],
  ];
  test.each(answers)('take a coordinator that answers %s for one that cannot be reached', async (_, answer) => {
    const house = new House();
    const said: Heartbeat[] = [];
    const budget = fleetBudget({
      heartbeat: (request) => {
        said.push(request);
        return Promise.resolve(answer as Reply);
      },
      view: () => Promise.reject(new Error('broken')),
    }, { limit: 4, floor: 1, members: 4, clock: house.clock });
    const a = house.poolOn('a', budget, new ScriptedFactory({ clock: house.clock }));
    const [one, two] = [a.acquire(), a.acquire({ timeoutMs: 400 }).catch((error: unknown) => error)];
    await house.clock.advance(1_000);
    expect((await one).ended).toBe(false);
    expect(String(await two)).toMatch(/has not answered for .* \(the coordinator answered what is no reply/);
    expect([budget.stats()[0]?.leased, said.at(-1)?.has]).toEqual([1, 1]);
  });
});

describe('options', () => {
  const { coordinator } = new House();
  const wrong: readonly [string, FleetBudgetOptions, string][] = [
    ['limit', { limit: 0 }, 'limit'],
    ['a guard that leaves nothing', { limit: 5, guard: 5 }, 'guard'],
    ['a floor without members', { limit: 5, floor: 1 }, 'members'],
    ['floors that are more than there is', { limit: 5, floor: 1, members: 6 }, 'floor'],
    ['a weight above 100', { limit: 5, weight: 101 }, 'weight'],
    ['a lease that is too short', { limit: 5, leaseMs: 10 }, 'leaseMs'],
    ['an unknown key', { limit: 5, limits: 3 } as FleetBudgetOptions, 'limits'],
  ];

  test.each(wrong)('%s is refused', (_, options, option) => {
    let thrown: unknown;
    try {
      fleetBudget(coordinator, options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidOptionError);
    expect(thrown).toMatchObject({ option });
  });

  test('something that is no coordinator is refused', () => {
    expect(() => fleetBudget({} as Coordinator, { limit: 5 })).toThrow(/coordinator\.heartbeat/);
  });
});
