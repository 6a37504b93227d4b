// What generic-pool's users know of acquire, use and release.

import genericPool, { createPool, DefaultEvictor, Deque, Pool, PriorityQueue } from '@millpond/generic-pool';
import { AcquireTimeoutError } from 'millpond';
import { expect, test } from 'vitest';
import { FAITHFUL, play, watch } from './stage.ts';

test('the package is what generic-pool is: an object with the same names', () => {
  expect(Object.keys(genericPool)).toEqual(['Pool', 'Deque', 'PriorityQueue', 'DefaultEvictor', 'createPool']);
  expect(genericPool.createPool).toBe(createPool);
  const factory = { create: () => ({}), destroy: () => undefined };
  expect(new Pool(DefaultEvictor, Deque, PriorityQueue, factory)).toBeInstanceOf(Pool);
});

test('a factory is checked, options that are no numbers fall back, and the engine says what is wrong with its own', () => {
  const factory = { create: () => ({}), destroy: () => undefined };
  expect(() => createPool({} as never)).toThrow(new TypeError('factory.create must be a function'));
  expect(() => createPool({ ...factory, validate: 1 } as never)).toThrow(new TypeError('factory.validate must be a function'));
  for (const [options, max, min] of [[{ max: 'x', min: [] }, 1, 0], [{ max: '3', min: 5 }, 3, 3], [{ max: -1 }, 1, 0]] as const) {
    const pool = createPool(factory, options as never);
    expect([pool.max, pool.min]).toEqual([max, min]);
  }
  expect(() => createPool(factory, { millpond: { maxUsers: 3 } as never })).toThrow(/did you mean maxUses/);
  expect(() => createPool(factory, { millpond: { handles: 'yes' as never } })).toThrow(/millpond.handles/);
});

test('the numbers say where the resources are', async () => {
  const { pool } = play({ max: 3 });
  const numbers = (): number[] => [pool.size, pool.available, pool.borrowed, pool.pending, pool.spareResourceCapacity];
  expect(numbers()).toEqual([0, 0, 0, 0, 3]);
  const first = pool.acquire();
  expect(numbers()).toEqual([1, 0, 0, 1, 2]);
  const thing = await first;
  expect(numbers()).toEqual([1, 0, 1, 0, 2]);
  expect(pool.isBorrowedResource(thing)).toBe(true);
  await pool.release(thing);
  expect(numbers()).toEqual([1, 1, 0, 0, 2]);
  expect(pool.isBorrowedResource(thing)).toBe(false);
});

test('the one that has been idle for longest is lent first, or with fifo: false the last one', async () => {
  for (const [options, expected] of [[{}, 1], [{ fifo: false }, 2]] as const) {
    const { pool } = play(options);
    const things = await Promise.all([pool.acquire(), pool.acquire()]);
    for (const thing of things) await pool.release(thing);
    expect((await pool.acquire()).id).toBe(expected);
  }
});

test('what is not borrowed can be neither released nor destroyed', async () => {
  const { pool, made } = play();
  const thing = await pool.acquire();
  await expect(pool.release({ id: 1, destroyed: 0 })).rejects.toThrow('Resource not currently part of this pool');
  await pool.release(thing);
  await expect(pool.release(thing)).rejects.toThrow('Resource not currently part of this pool');
  await expect(pool.destroy(thing)).rejects.toThrow('Resource not currently part of this pool');
  expect([made[0]!.destroyed, pool.available]).toEqual([0, 1]);
});

test('an acquire times out with a TimeoutError, whose cause has the numbers', async () => {
  const { pool, clock } = play({ max: 1, acquireTimeoutMillis: 1000 });
  await pool.acquire();
  const late = watch(pool.acquire());
  await clock.advance(999);
  expect(late.state).toBe('pending');
  await clock.advance(1);
  expect(late.value).toMatchObject({ name: 'TimeoutError', message: 'ResourceRequest timed out' });
  expect((late.value as Error).cause).toBeInstanceOf(AcquireTimeoutError);
  expect(pool.pending).toBe(0);
});

test('maxWaitingClients turns away whoever comes beyond it', async () => {
  const { pool } = play({ max: 1, maxWaitingClients: 1 });
  const thing = await pool.acquire();
  const waiting = watch(pool.acquire());
  await expect(pool.acquire()).rejects.toThrow('max waitingClients count exceeded');
  await pool.release(thing);
  await Promise.resolve();
  expect(waiting.value).toBe(thing);
  await expect(play({ max: 1, maxWaitingClients: 0 }).pool.acquire()).resolves.toMatchObject({ id: 1 });
});

test('use lends for as long as the function runs, and passes its result on', async () => {
  const { pool } = play();
  expect(await pool.use(async ({ id }) => [id, pool.borrowed])).toEqual([1, 1]);
  expect(await pool.use(({ id }) => id)).toBe(1);
  expect([pool.borrowed, pool.available]).toEqual([0, 1]);
});

test('a custom Promise is what every method returns', async () => {
  class Own<T> extends Promise<T> {}
  const { pool } = play({ Promise: Own });
  const acquired = pool.acquire();
  expect(acquired).toBeInstanceOf(Own);
  const released = [pool.release(await acquired), pool.release({ id: 0, destroyed: 0 })];
  const again = [...released, pool.acquire(), pool.clear(), pool.ready(), pool.drain()];
  for (const promise of again) {
    expect(promise).toBeInstanceOf(Own);
    promise.catch(() => undefined);
  }
});

test('tracing may wrap acquire on the prototype, and sees use as well', async () => {
  const seen: unknown[] = [];
  const original = Reflect.get(Pool.prototype, 'acquire');
  Pool.prototype.acquire = function traced(this: Pool<unknown>, priority?: number): Promise<unknown> {
    seen.push(priority);
    return original.call(this, priority);
  };
  try {
    const { pool } = play({ priorityRange: 3 });
    await pool.release(await pool.acquire(2));
    await pool.use(() => 1, 1);
    expect(seen).toEqual([2, 1]);
  } finally {
    Pool.prototype.acquire = original;
  }
});

test('a resource is validated before each acquire with testOnBorrow, and with testOnReturn when it comes back', async () => {
  let good = true;
  const validated: number[] = [];
  const validate = async ({ id }: { id: number }): Promise<boolean> => { validated.push(id); return good; };
  const borrowing = play({ max: 1, testOnBorrow: true }, { validate });
  await borrowing.pool.release(await borrowing.pool.acquire());
  await borrowing.pool.release(await borrowing.pool.acquire());
  expect(validated).toEqual([1, 1]);

  validated.length = 0;
  const returning = play({ max: 1, testOnReturn: true }, { validate });
  await returning.pool.release(await returning.pool.acquire());
  expect(validated).toEqual([1]);
  await returning.clock.advance(0);
  expect(returning.pool.available).toBe(1);
  const thing = await returning.pool.acquire();
  good = false;
  await returning.pool.release(thing);
  await returning.clock.advance(0);
  expect([thing.destroyed, returning.pool.size]).toEqual([1, 0]);
});

test('a test on return may answer at once', async () => {
  let good = true;
  const { pool, clock, made } = play({ max: 1, testOnReturn: true }, { validate: () => good });
  await pool.release(await pool.acquire());
  expect(pool.available).toBe(1);
  const thing = await pool.acquire();
  good = false;
  await pool.release(thing);
  await clock.advance(0);
  expect([made[0]!.destroyed, pool.size]).toEqual([1, 0]);
});

test('clear waits for the tests of what has come back, but for none that was given up', async () => {
  const answers: ((good: boolean) => void)[] = [];
  const validate = (): Promise<boolean> => new Promise((resolve) => { answers.push(resolve); });
  const { pool, clock, made } = play({ max: 1, testOnReturn: true }, { validate }, { handles: false, resetTimeoutMs: 1000 });
  await pool.release(await pool.acquire());
  const cleared = watch(pool.clear());
  await clock.advance(500);
  expect(cleared.state).toBe('pending');
  answers[0]!(true);
  await clock.advance(0);
  expect([cleared.state, made[0]!.destroyed]).toEqual(['resolved', 1]);
  await pool.release(await pool.acquire());
  await clock.advance(1000);
  expect(made[1]!.destroyed).toBe(1);
  await pool.clear();
});

test('a validation that rejects or throws says no', async () => {
  for (const refuse of [() => Promise.reject(new Error('no answer')), () => { throw new Error('no answer'); }]) {
    const { pool, made } = play({ max: 1, testOnBorrow: true }, { validate: ({ id }) => (id === 1 ? refuse() : true) });
    expect((await pool.acquire()).id).toBe(2);
    expect(made[0]!.destroyed).toBe(1);
  }
});

test.each([true, false])('with millpond %s, faithful is the default', async (millpond) => {
  const pool = createPool({ create: () => ({ id: 1 }), destroy: () => undefined }, { millpond });
  const old = await pool.acquire();
  const raw = millpond ? 'a stand-in' : 'itself';
  await pool.release(old);
  expect((await pool.acquire()) === old ? 'itself' : 'a stand-in').toBe(raw);
  expect(FAITHFUL.handles).toBe(false);
});
