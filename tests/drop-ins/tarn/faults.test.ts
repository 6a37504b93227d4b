// What tarn gets wrong: better by default where nobody can miss the old way, and by `millpond: { … }` elsewhere.

import { Pool } from '@millpond/tarn';
import { InvalidOptionError, LeaseEndedError } from 'millpond';
import { expect, test } from 'vitest';
import { live, play, watch, type Thing } from './stage.ts';

test('a second release while the resource is idle takes nothing from anybody', async () => {
  const { pool } = play({ max: 1 });
  const thing = await pool.acquire().promise;
  expect([pool.release(thing), pool.release(thing)]).toEqual([true, false]);
  expect([pool.numFree(), pool.numUsed()]).toEqual([1, 0]);
});

test('with millpond, a second release of an old borrower does not take the resource from the new one', async () => {
  const { pool } = play({ max: 1 }, {});
  const old = await pool.acquire().promise;
  expect(old.id).toBe(1);
  pool.release(old);
  const mine = await pool.acquire().promise;
  expect([mine.id, pool.release(old), pool.numUsed()]).toEqual([1, false, 1]);
  const waiting = watch(pool.acquire().promise);
  await Promise.resolve();
  expect(waiting.state).toBe('pending');
  expect(() => { old.destroyed = 1; }).toThrow(LeaseEndedError);
  expect(pool.release(mine)).toBe(true);
});

test('what is being closed counts: there are never more than max', async () => {
  const closing: (() => void)[] = [];
  let peak = 0;
  const stage = play({
    validate: ({ id }) => id > 4,
    destroy: (thing: Thing) => new Promise<void>((resolve) => {
      closing.push(() => { thing.destroyed++; resolve(); });
    }),
  });
  const requests = [1, 2].map(() => watch(stage.pool.acquire().promise));
  for (let round = 0; round < 20; round++) {
    await stage.clock.advance(5);
    peak = Math.max(peak, live(stage));
    closing.shift()?.();
  }
  expect(peak).toBe(2);
  expect(requests.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
});

test('min is not filled, as tarn does not; with millpond it is, and refilled', async () => {
  const faithful = play({ min: 2, max: 3 });
  await faithful.clock.advance(1000);
  expect(faithful.made).toHaveLength(0);
  const better = play({ min: 2, max: 3 }, {});
  await better.clock.advance(1000);
  expect(better.pool.numFree()).toBe(2);
});

test('destroy waits for ever for what is used, as tarn does; with millpond until endDeadlineMs', async () => {
  const faithful = play();
  await faithful.pool.acquire().promise;
  const never = watch(faithful.pool.destroy());
  await faithful.clock.advance(3_600_000);
  expect(never.state).toBe('pending');

  const better = play({}, { endDeadlineMs: 5000 });
  const thing = await better.pool.acquire().promise;
  const end = watch(better.pool.destroy());
  await better.clock.advance(4999);
  expect(end.state).toBe('pending');
  await better.clock.advance(1);
  expect([end.state, thing.destroyed]).toEqual(['resolved', 1]);
  expect(better.pool.release(thing)).toBe(false);
  expect(thing.destroyed).toBe(1);
});

test('no timer keeps the process alive once nobody waits', async () => {
  const stage = play({ idleTimeoutMillis: 1000, validate: async () => true });
  const pending = stage.pool.acquire();
  expect(stage.clock.keepingAlive).toBeGreaterThan(0);
  const thing = await pending.promise;
  expect(stage.clock.keepingAlive).toBe(0);
  stage.pool.release(thing);
  expect(stage.clock.keepingAlive).toBe(0);
  await stage.pool.destroy();
  expect(stage.clock.pending).toBe(0);
});

test.each(['arrives', 'fails'])('a create that %s after its time is no unhandled rejection, and leaves nothing behind', async (how) => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', listen);
  try {
    let settle = (): void => undefined;
    const thing: Thing = { id: 1, destroyed: 0 };
    const stage = play({
      createTimeoutMillis: 100,
      propagateCreateError: true,
      create: () => new Promise<Thing>((resolve, reject) => {
        settle = () => (how === 'arrives' ? resolve(thing) : reject(new Error('too late')));
      }),
      destroy: (late) => { late.destroyed++; throw new Error('and its destroy fails'); },
    });
    const failures: unknown[] = [];
    stage.pool.on('createFail', (...values: unknown[]) => failures.push(values));
    const outcome = watch(stage.pool.acquire().promise);
    await stage.clock.advance(100);
    expect(outcome.state).toBe('rejected');
    settle();
    await stage.clock.advance(0);
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(thing.destroyed).toBe(how === 'arrives' ? 1 : 0);
    expect(failures).toHaveLength(1);
    expect(unhandled).toEqual([]);
    expect(stage.pool.isEmpty()).toBe(true);
  } finally {
    process.off('unhandledRejection', listen);
  }
});

test('a cold pool opens all its connections at once, as tarn does; with millpond two', async () => {
  const stage = play({ max: 10, create: () => new Promise(() => undefined) }, {});
  for (let caller = 0; caller < 10; caller++) watch(stage.pool.acquire().promise);
  expect(stage.pool.numPendingCreates()).toBe(2);
  const faithful = play({ max: 10, create: () => new Promise(() => undefined) });
  for (let caller = 0; caller < 10; caller++) watch(faithful.pool.acquire().promise);
  expect(faithful.pool.numPendingCreates()).toBe(10);
});

test('what millpond: true changes is what millpond: {} changes, and without it the pool is as tarn', async () => {
  const hooks = { create: () => ({}), destroy: () => undefined, min: 1, max: 3 };
  for (const [millpond, filled] of [[true, 1], [{}, 1], [false, 0], [undefined, 0]] as const) {
    const pool = new Pool<object>({ ...hooks, ...(millpond === undefined ? {} : { millpond }) });
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(pool.numFree()).toBe(filled);
    await pool.destroy();
  }
  expect(() => new Pool({ ...hooks, millpond: { handles: 1 as never } })).toThrow(InvalidOptionError);
  expect(() => new Pool({ ...hooks, millpond: { endDeadlineMs: Number.NaN } })).toThrow(InvalidOptionError);
});
