// What generic-pool gets wrong: better by default where nobody can miss the old way, and by `millpond: { … }` elsewhere.

import { createPool } from '@millpond/generic-pool';
import { LeaseEndedError } from 'millpond';
import { expect, test } from 'vitest';
import { live, play, watch, type Thing } from './stage.ts';

test('with millpond, a second release of an old borrower does not take the resource from the new one', async () => {
  const { pool } = play({ max: 1 }, {}, {});
  const old = await pool.acquire();
  await pool.release(old);
  const mine = await pool.acquire();
  await expect(pool.release(old)).rejects.toThrow('Resource not currently part of this pool');
  await expect(pool.destroy(old)).rejects.toThrow('Resource not currently part of this pool');
  expect([pool.borrowed, pool.isBorrowedResource(old), pool.isBorrowedResource(mine)]).toEqual([1, false, true]);
  expect(() => { old.destroyed = 1; }).toThrow(LeaseEndedError);
});

test('whoever releases what use has lent does not have it released again from under the next', async () => {
  const { pool } = play({ max: 1 });
  let next: Promise<Thing> | undefined;
  await pool.use(async (thing) => {
    void pool.release(thing);
    next = pool.acquire();
    await next;
  });
  expect(pool.isBorrowedResource(await next!)).toBe(true);
  expect([pool.borrowed, pool.available]).toEqual([1, 0]);
});

test('a function that throws synchronously does not leak what use has lent', async () => {
  const { pool, made } = play({ max: 1 });
  await expect(pool.use(() => { throw new Error('at once'); })).rejects.toThrow('at once');
  await expect(pool.use(() => Promise.reject(new Error('later')))).rejects.toThrow('later');
  expect(made.map(({ destroyed }) => destroyed)).toEqual([1, 1]);
  expect(pool.borrowed).toBe(0);
});

test('what is being closed counts: there are never more than max', async () => {
  const gone: (() => void)[] = [];
  const destroy = (thing: Thing): Promise<void> => new Promise((resolve) => {
    gone.push(() => { thing.destroyed++; resolve(); });
  });
  const stage = play({ max: 2 }, { destroy });
  let peak = 0;
  for (let round = 0; round < 5; round++) {
    const things = [watch(stage.pool.acquire()), watch(stage.pool.acquire())];
    for (let step = 0; step < 4; step++) {
      await stage.clock.advance(1);
      peak = Math.max(peak, live(stage));
      gone.shift()?.();
    }
    await stage.clock.advance(1);
    for (const { value } of things) void stage.pool.destroy(value as Thing);
  }
  expect(peak).toBe(2);
});

test('a create that fails is retried with growing pauses, not in a hot loop', async () => {
  let attempts = 0;
  const stage = play({ acquireTimeoutMillis: 5000 }, { create: async () => { attempts++; throw new Error('refused'); } });
  const outcome = watch(stage.pool.acquire());
  await stage.clock.advance(5000);
  expect(outcome.state).toBe('rejected');
  // After 10, 20, 40 … 640 ms, then every second.
  expect(attempts).toBe(11);
  const seen = (outcome.value as { cause: Error }).cause;
  expect((seen.cause as Error).message).toBe('refused');
});

test('idle resources stay for ever, as eviction is off by default; with millpond they leave after idleTimeoutMillis', async () => {
  const faithful = play({ idleTimeoutMillis: 1000 });
  await faithful.pool.release(await faithful.pool.acquire());
  await faithful.clock.advance(3_600_000);
  expect(live(faithful)).toBe(1);
  const better = play({ idleTimeoutMillis: 1000 }, {}, {});
  await better.pool.release(await better.pool.acquire());
  await better.clock.advance(1000);
  expect(live(better)).toBe(0);
});

test('drain waits for ever for what is lent, as generic-pool does; with millpond until endDeadlineMs', async () => {
  const faithful = play({ max: 1 });
  await faithful.pool.acquire();
  const never = watch(faithful.pool.drain());
  await faithful.clock.advance(3_600_000);
  expect(never.state).toBe('pending');

  const better = play({ max: 1 }, {}, { acquireTimeoutMs: 60_000 });
  await better.pool.acquire();
  const waiting = watch(better.pool.acquire());
  const drained = watch(better.pool.drain());
  await better.clock.advance(9_999);
  expect([drained.state, waiting.state]).toEqual(['pending', 'pending']);
  await better.clock.advance(1);
  expect([drained.state, waiting.state, better.made[0]!.destroyed]).toEqual(['resolved', 'rejected', 1]);
  expect(better.clock.pending).toBe(0);
});

test('an acquire waits for ever, as generic-pool does; with millpond it has a deadline', async () => {
  const faithful = play({ max: 1 });
  await faithful.pool.acquire();
  const never = watch(faithful.pool.acquire());
  await faithful.clock.advance(3_600_000);
  expect(never.state).toBe('pending');
  const better = play({ max: 1 }, {}, {});
  await better.pool.acquire();
  const late = watch(better.pool.acquire());
  await better.clock.advance(5000);
  expect(late.value).toMatchObject({ name: 'TimeoutError' });
});

test('no timer keeps the process alive once nobody waits', async () => {
  const { pool, clock } = play({ min: 1, evictionRunIntervalMillis: 100, acquireTimeoutMillis: 1000 });
  const pending = pool.acquire();
  expect(clock.keepingAlive).toBeGreaterThan(0);
  const thing = await pending;
  expect(clock.keepingAlive).toBe(0);
  await pool.release(thing);
  await pool.drain();
  await pool.clear();
  expect([pool._scheduledEviction, clock.keepingAlive]).toEqual([null, 0]);
});

test('the timer of priorities keeps the process alive while somebody waits, and then not', async () => {
  const { pool, clock } = play({ max: 1, priorityRange: 2, acquireTimeoutMillis: 1000 });
  const thing = await pool.acquire();
  const seen: number[] = [];
  for (let round = 0; round < 2; round++) {
    const waiting = pool.acquire(1);
    seen.push(clock.keepingAlive);
    void pool.release(thing);
    seen.push(clock.keepingAlive);
    await waiting;
  }
  expect(seen).toEqual([2, 0, 2, 0]); // the engine has one as well
});

test('so it does on the clock of the system', async () => {
  const pool = createPool({ create: () => ({}), destroy: () => undefined }, { priorityRange: 2, acquireTimeoutMillis: 60_000 });
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const thing = await pool.acquire();
  const waiting = pool.acquire(1);
  expect(timers()).toBeGreaterThan(before);
  void pool.release(thing);
  expect(timers()).toBe(before);
  await waiting;
});

test('a create that comes after its time leaves nothing behind', async () => {
  const late: Thing = { id: 1, destroyed: 0 };
  let come: (thing: Thing) => void = () => undefined;
  const create = (): Promise<Thing> => new Promise((resolve) => { come = resolve; });
  const stage = play({ max: 1 }, { create }, { createTimeoutMs: 100, acquireTimeoutMs: 150 });
  const outcome = watch(stage.pool.acquire());
  const first = come;
  await stage.clock.advance(150);
  expect(outcome.state).toBe('rejected');
  first(late);
  await stage.clock.advance(0);
  expect(late.destroyed).toBe(1);
});
