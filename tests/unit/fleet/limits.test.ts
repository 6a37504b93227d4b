import { describeFleet, limitedBudget, newFleet, step, viewOf, type Coordinator, type Heartbeat } from 'millpond/fleet';
import { Pool, type Budget } from 'millpond';
import { coordinatorContract, runCases } from 'millpond/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';

/** In this process. */
function local(): Coordinator & { readonly heard: Heartbeat[]; now: number } {
  const fleet = newFleet();
  const heard: Heartbeat[] = [];
  return {
    heard, now: 1_000_000,
    async heartbeat(request, signal) {
      signal?.throwIfAborted();
      heard.push(request);
      return step(fleet, request, this.now, 'one');
    },
    async view() { return viewOf(fleet, this.now); },
  };
}

const factory = { create: () => ({}), destroy: () => undefined };

/** Somebody who waits there, for as long as the fleet learns. */
function waiting(budget: Budget): Pool<object> {
  const pool = new Pool({ factory, budget });
  pool.use(() => 1).catch(() => undefined);
  return pool;
}

const members = async (coordinator: Coordinator): Promise<number> => (await coordinator.view()).members.length;

describe('a limit that has to be found out', () => {
  test('is asked for once, and goes with every heartbeat', async () => {
    const coordinator = local();
    let asked = 0;
    const pool = waiting(limitedBudget(coordinator, { limit: async () => { asked++; return 12.7; }, random: () => 0 }));
    await expect.poll(() => coordinator.heard.length).toBeGreaterThan(1);
    expect(coordinator.heard.every(({ terms }) => terms.limit === 12)).toBe(true);
    expect(asked).toBe(1);
    await pool.close();
  });

  test('is what the members who are there have, whatever the server says now', async () => {
    const coordinator = local();
    const first = waiting(limitedBudget(coordinator, { limit: 30 }));
    await expect.poll(() => members(coordinator)).toBe(1);
    const second = waiting(limitedBudget(coordinator, { limit: () => Promise.reject(new Error('not asked')) }));
    await expect.poll(() => members(coordinator)).toBe(2);
    await Promise.all([first.close(), second.close()]);
  });

  test('is what who came first was told, when two have asked at once', async () => {
    const coordinator = local();
    const first = waiting(limitedBudget(coordinator, { limit: 30 }));
    await expect.poll(() => members(coordinator)).toBe(1);
    const blind: Coordinator = { heartbeat: (...args) => coordinator.heartbeat(...args), view: async () => viewOf(newFleet(), 0) };
    const second = waiting(limitedBudget(blind, { limit: async () => 40, random: () => 0 }));
    await expect.poll(() => members(coordinator)).toBe(2);
    expect(coordinator.heard.map(({ terms }) => terms.limit)).toContain(40);
    expect(coordinator.heard.at(-1)?.terms.limit).toBe(30);
    await Promise.all([first.close(), second.close()]);
  });

  test('is not used when it cannot hold the floors', async () => {
    const coordinator = local();
    let asked = 0;
    const budget = limitedBudget(coordinator, { limit: async () => { asked++; return 4; }, floor: 1, members: 5, random: () => 0 });
    const pool = new Pool({ factory, budget });
    await pool.use(() => pool.use(() => 1, { timeoutMs: 100 }).catch(() => undefined));
    expect(asked).toBeGreaterThan(0);
    expect(coordinator.heard).toEqual([]);
    await pool.close();
  });
});

describe('a limit that is asked for in vain, of somebody who never answers, is asked for again', () => {
  afterEach(() => vi.restoreAllMocks());
  const never = new Promise<never>(() => undefined);

  async function comesThrough(hangs: { view?: boolean; limit?: boolean }): Promise<void> {
    const { timeout } = AbortSignal;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout.call(AbortSignal, ms / 500));
    const coordinator = local();
    const view = vi.spyOn(coordinator, 'view');
    if (hangs.view === true) view.mockReturnValueOnce(never);
    const limit = vi.fn(async () => 12);
    if (hangs.limit === true) limit.mockReturnValueOnce(never);
    const pool = waiting(limitedBudget(coordinator, { limit, random: () => 0 }));
    await expect.poll(() => coordinator.heard.length).toBeGreaterThan(0);
    await pool.close();
  }

  test('of the members', () => comesThrough({ view: true }));
  test('of the server', () => comesThrough({ limit: true }));

  test('and the connection that it was asked by is closed', async () => {
    const { timeout } = AbortSignal;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout.call(AbortSignal, ms / 500));
    const destroy = vi.fn(() => undefined);
    const pool = new Pool({
      factory: { create: () => ({ processID: 1, query: () => never }), destroy },
      budget: limitedBudget(local(), { limit: 'auto', random: () => 0 }),
    });
    pool.use(() => 1).catch(() => undefined);
    await expect.poll(() => destroy.mock.calls.length).toBeGreaterThan(0);
    await pool.close();
  });
});

test('a pool whose server cannot be asked says so, once', async () => {
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  const pool = waiting(limitedBudget(local(), { limit: 'auto', random: () => 0 }));
  const message: unknown = expect.stringMatching(/node-postgres or mysql2; give a number/);
  expect(await warned).toMatchObject({ code: 'MILLPOND_FLEET_LIMIT', message });
  await pool.close();
});

test('who is short stands first in the description of a fleet', () => {
  const fleet = newFleet();
  const terms = { limit: 22, guard: 2, floor: 0, members: 100, lend: false, leaseMs: 5_000, graceMs: 1_000, deadManMs: 0 };
  const words = { terms, weight: 1, leaving: false, lends: 0, lendsUntil: 0, identity: '' };
  expect(describeFleet(viewOf(fleet, 0))).toBe('nobody has been here yet');
  step(fleet, { ...words, member: 'a', name: 'orders@one', seq: 1, held: 18, has: 18, base: 20, demand: 24, shortMs: 0 }, 0, 'one');
  step(fleet, { ...words, member: 'b', name: 'mail@two', seq: 1, held: 0, has: 0, base: 3, demand: 4, shortMs: 1_200 }, 500, 'one');
  expect(describeFleet(viewOf(fleet, 1_000))).toBe([
    '18 of 20 permits are reserved (limit 22, guard 2, floor 0 each); 2 of 100 members, 1 short',
    'learning for another 5.0 s: nothing new is granted until then',
    'member      held  permit  needs  wants  weight  silent',
    'mail@two       0       0      3      4       1   0.5 s  waits since 1.2 s',
    'orders@one    18      18     20     20       1   1.0 s',
  ].join('\n'));
});

describe('the contract of coordinators', () => {
  const reference = () => {
    const fleets = new Map<string, ReturnType<typeof newFleet>>();
    return (key: string, clock: { now(): number; identity(): string } | undefined, answer: typeof step): Coordinator => {
      const fleet = fleets.get(key) ?? newFleet();
      fleets.set(key, fleet);
      return {
        async heartbeat(request, signal) {
          signal?.throwIfAborted();
          return answer(fleet, request, clock!.now(), clock!.identity());
        },
        view: async () => viewOf(fleet, clock!.now()),
      };
    };
  };

  test('holds for the reference', async () => {
    const make = reference();
    const cases = coordinatorContract({ name: 'reference', coordinator: (key, clock) => make(key, clock, step), timed: true });
    expect(await runCases(cases)).toEqual([]);
  });

  const faults: Record<string, typeof step> = {
    'gives everybody what it wants': (fleet, request, now, identity) => {
      const reply = step(fleet, request, now, identity);
      return reply.kind === 'granted' ? { ...reply, permit: Math.max(reply.permit, request.base) } : reply;
    },
    'does not mind who was overtaken': (fleet, request, now, identity) => (
      step(fleet, { ...request, seq: 1e9 + fleet.seenAt + fleet.came }, now, identity)),
    'never learns again': (fleet, request, now) => step(fleet, request, now, 'always'),
    'believes that nobody holds more than it was given': (fleet, request, now, identity) => (
      step(fleet, { ...request, held: 0 }, now, identity)),
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(`is broken by one that ${name}`, async () => {
      const make = reference();
      const cases = coordinatorContract({ name: 'faulty', coordinator: (key, clock) => make(key, clock, fault), timed: true });
      expect((await runCases(cases)).length).toBeGreaterThan(0);
    });
  }
});
