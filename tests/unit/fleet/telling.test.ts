// What a pool of a fleet tells: in errors, in numbers and on channels; and what it makes of a server that has no connection left.

import { AcquireTimeoutError, OverloadedError, Pool, type AcquireError } from 'millpond';
import type { FleetMemberStats, FleetMessages } from 'millpond/fleet';
import { ScriptedFactory } from 'millpond/testing';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, test } from 'vitest';
import { House } from './house.ts';

function failureOf(promise: Promise<unknown>): Promise<AcquireError> {
  return promise.then(() => { throw new Error('it was served'); }, (error: unknown) => error as AcquireError);
}

/** Of a pool that waits for a second connection while another one has all others and wants more. */
async function starved(house: House): Promise<AcquireError> {
  await house.learn();
  const [rich, poor] = [house.pool('orders', { name: 'orders-7' }), house.pool('mail', { name: 'mail-1' })];
  for (let nth = 0; nth < 4; nth++) rich.acquire().catch(() => undefined);
  await house.clock.advance(500);
  poor.acquire().catch(() => undefined);
  const failure = failureOf(poor.acquire({ timeoutMs: 2_000 }));
  await house.clock.advance(2_100);
  return failure;
}

describe('an error', () => {
  test('says how many permits are leased elsewhere, who has most, and who waits there', async () => {
    const error = await starved(new House());
    expect(error).toBeInstanceOf(AcquireTimeoutError);
    expect(error.message).toMatch(
      /3 of 4 permits are leased elsewhere, most by orders-7 \(3\); oldest waiter elsewhere \d\.\d s, of orders-7\./);
    expect(error.message).toMatch(/The budget grants 1 of max 10/);
    const holders = [{ name: 'orders-7', held: 3 }];
    expect(error.budget).toMatchObject({ limit: 4, elsewhere: 3, holders, oldestWaiter: { name: 'orders-7' } });
    expect(error.budget!.oldestWaiter!.waitMs).toBeGreaterThan(0);
  });

  test('of an overload says so as well', async () => {
    const house = new House();
    await house.learn();
    const rich = house.pool('orders');
    for (let nth = 0; nth < 3; nth++) rich.acquire().catch(() => undefined);
    await house.clock.advance(500);
    const pool = new Pool({
      factory: new ScriptedFactory({ clock: house.clock }), max: 10, clock: house.clock, budget: house.budget('mail'), shedding: true,
    });
    const served = pool.use(() => new Promise((resolve) => house.clock.schedule(house.clock.now() + 5_000, () => resolve(1))));
    await house.clock.advance(600);
    const failures = Array.from({ length: 20 }, () => failureOf(pool.acquire({ timeoutMs: 1_000 })));
    await house.clock.advance(30_000);
    const shed = (await Promise.all(failures)).find((error) => error instanceof OverloadedError);
    await served.catch(() => undefined);
    expect(shed?.message).toMatch(/of 4 permits are leased elsewhere/);
  });

  test('says that the coordinator does not answer, without a password', async () => {
    const house = new House();
    house.why = new Error('cannot reach redis://u:secret@cache:6379.');
    house.away = true;
    const failure = failureOf(house.pool('a').acquire({ timeoutMs: 3_000 }));
    await house.clock.advance(3_100);
    const { message, budget } = await failure;
    expect(message).toMatch(
      /has not answered for [23]\.\d s \(cannot reach redis:\/\/\*\*\*@cache:6379\): once its last grant has ended .* nothing\./);
    expect(budget).toMatchObject({ limit: 4, elsewhere: 0, holders: [] });
  });

  test('says that the fleet learns, is full, or has other terms, and which', async () => {
    const house = new House();
    const said = async (options: Parameters<House['pool']>[1]): Promise<string> => {
      const failure = failureOf(house.pool('a', options).acquire({ timeoutMs: 300 }));
      await house.clock.advance(400);
      return (await failure).message;
    };
    expect(await said({ members: 2 })).toMatch(/nothing more until it has learnt who holds what/);
    expect(await said({ members: 2, limit: 5, leaseMs: 6_000 }))
      .toMatch(/other terms, so this pool may hold nothing: limit is 4 there and 5 here, leaseMs is 5000 there and 6000 here\./);
    await said({ members: 2 });
    expect(await said({ members: 2 })).toMatch(/The fleet is full: there are 2 members already/);
  });

  test('of a pool that has all it may have says nothing of the fleet', async () => {
    const house = new House();
    await house.learn();
    const pool = new Pool({ factory: new ScriptedFactory({ clock: house.clock }), max: 1, clock: house.clock, budget: house.budget('a') });
    const lease = pool.acquire();
    await house.clock.advance(500);
    const failure = failureOf(pool.acquire({ timeoutMs: 100 }));
    await house.clock.advance(200);
    expect((await failure).budget).toBeUndefined();
    expect('budget' in await failure).toBe(false);
    (await lease).release();
  });
});

describe('a server that has no connection left', () => {
  const full = Object.assign(new Error('sorry, too many clients already'), { code: '53300' });
  const wrapped = new Error('connect failed', { cause: Object.assign(new Error('Too many connections'), { errno: 1040 }) });

  const both = [['PostgreSQL', full], ['MySQL, wrapped', wrapped]] as const;
  test.each(both)('%s: the permit counts as denied for a while, and nobody is told', async (_, error) => {
    const house = new House();
    await house.learn();
    const budget = house.budget('a');
    const factory = new ScriptedFactory({ clock: house.clock });
    factory.failCreates(error);
    const pool = new Pool({
      factory, max: 10, clock: house.clock, budget, createRetry: false, acquireTimeoutMs: 20_000,
      breaker: { failures: 1, probeIntervalMs: 60_000 },
    });
    const served = pool.acquire();
    await house.clock.advance(400);
    expect(pool.state).toBe('open');
    expect(factory.script.create.calls.length).toBe(1);
    await house.clock.advance(1_000);
    // After half a second, and after one more.
    expect(factory.script.create.calls.length).toBe(2);
    expect(budget.stats()[0]).toMatchObject({ denied: 2, leased: 1 });
    factory.auto = true;
    await house.clock.advance(1_000);
    expect((await served).release()).toBe(true);
    expect(pool.stats().totals.createErrors).toBe(0);
  });

  test('is named in the error of who has waited in vain', async () => {
    const house = new House();
    await house.learn();
    const factory = new ScriptedFactory({ clock: house.clock });
    factory.failCreates(full);
    const failure = failureOf(house.poolOn('a', house.budget('a'), factory).acquire({ timeoutMs: 1_000 }));
    await house.clock.advance(1_100);
    expect((await failure).message).toMatch(/The server has no connection left, though the fleet has \(guard, limit\): tried again in/);
  });

  test('another failure is one', async () => {
    const house = new House();
    await house.learn();
    const factory = new ScriptedFactory({ clock: house.clock });
    factory.failCreates(Object.assign(new Error('the database system is starting up'), { code: '57P03' }));
    const pool = house.poolOn('a', house.budget('a'), factory);
    const failure = failureOf(pool.acquire({ timeoutMs: 1_000 }));
    await house.clock.advance(1_100);
    expect((await failure).message).toMatch(/The last create failed: the database system is starting up/);
    expect(pool.stats().totals.createErrors).toBeGreaterThan(1);
  });
});

describe('numbers', () => {
  test('of every pool that has the budget and is open', async () => {
    const house = new House();
    const budget = house.budget('orders-7', { limit: 6, floor: 1, members: 3 });
    expect(budget.stats()).toEqual([]);
    const [a, b] = ['a', 'b'].map((name) => house.poolOn(name, budget, new ScriptedFactory({ clock: house.clock })));
    const only = (): FleetMemberStats => budget.stats().find(({ pool }) => pool === 'a')!;
    expect(only()).toMatchObject({
      name: 'orders-7', mode: 'floor', leased: 1, floor: 1, limit: 6, guard: 0, epoch: 0, heartbeats: 0,
      latencyMs: undefined, answeredMs: undefined,
    });
    const waits = [a!.acquire(), a!.acquire()];
    await house.clock.advance(300);
    expect(only()).toMatchObject({
      mode: 'learning', leased: 1, held: 1, wanted: 2, members: 1, epoch: 1, failures: 0, latencyMs: 2, identity: 'run 1', denied: 0,
    });
    expect(only().shortMs).toBeGreaterThan(200);
    await house.clock.advance(8_000);
    expect(only()).toMatchObject({ mode: 'granted', held: 2, shortMs: 0 });
    house.away = true;
    await house.clock.advance(8_000);
    expect(only()).toMatchObject({ mode: 'floor', leased: 1 });
    expect(only().failures).toBeGreaterThan(2);
    expect(only().answeredMs).toBeGreaterThan(6_000);
    for (const lease of waits) (await lease).release();
    house.away = false;
    const closing = a!.close();
    await house.clock.advance(1_000);
    await closing;
    expect(budget.stats().map(({ pool }) => pool)).toEqual(['b']);
    void b;
  });
});

describe('channels', () => {
  const heard: [string, object][] = [];
  const listeners = new Map<keyof FleetMessages, (message: unknown) => void>();
  const listen = (...names: (keyof FleetMessages)[]): void => {
    for (const name of names) {
      const listener = (message: unknown): void => void heard.push([name, message as object]);
      listeners.set(name, listener);
      subscribe(name, listener);
    }
  };
  afterEach(() => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
    heard.length = 0;
  });

  test('tell of grants that change, of refusals, and of a coordinator that does not answer', async () => {
    const house = new House();
    await house.learn();
    listen('millpond:fleet:grant', 'millpond:fleet:refused', 'millpond:fleet:failure');
    const lease = house.pool('a').acquire();
    await house.clock.advance(700);
    expect(heard).toEqual([['millpond:fleet:grant', { pool: 'a', permit: 1, before: 0, learning: false, unmet: 0 }]]);
    house.pool('b', { limit: 9 }).acquire({ timeoutMs: 50 }).catch(() => undefined);
    await house.clock.advance(100);
    expect(heard.at(-1)).toEqual(['millpond:fleet:refused', { pool: 'b', reason: 'terms' }]);
    house.away = true;
    await house.clock.advance(700);
    expect(heard.at(-1)).toEqual(['millpond:fleet:failure', { pool: 'a', error: house.why }]);
    (await lease).release();
  });
});
