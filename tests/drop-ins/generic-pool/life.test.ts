// Filling, eviction, draining.

import { createPool, DefaultEvictor, Deque, Pool, PriorityQueue, type Evictor } from '@millpond/generic-pool';
import { VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { live, play, watch, type Thing } from './stage.ts';

test('min is filled at once, or with autostart: false at the first acquire; ready tells', async () => {
  const eager = play({ min: 2 });
  await eager.pool.ready();
  expect(eager.pool.available).toBe(2);

  const lazy = play({ min: 2, autostart: false, evictionRunIntervalMillis: 1000 });
  const ready = watch(lazy.pool.ready());
  await lazy.clock.advance(100);
  expect([lazy.made.length, ready.state, lazy.pool._scheduledEviction]).toEqual([0, 'pending', null]);
  await lazy.pool.acquire();
  await lazy.clock.advance(0);
  expect([lazy.made.length, ready.state]).toEqual([2, 'resolved']);
  expect(lazy.pool._scheduledEviction).not.toBe(null);
});

test('an eviction run destroys what has been idle for too long, and min is filled again', async () => {
  const stage = play({ min: 1, max: 2, evictionRunIntervalMillis: 100, idleTimeoutMillis: 1000 });
  await stage.pool.release(await stage.pool.acquire());
  await stage.clock.advance(1000);
  expect(live(stage)).toBe(1);
  await stage.clock.advance(100);
  expect(stage.made.map(({ destroyed }) => destroyed)).toEqual([1, 0]);
});

test('softIdleTimeoutMillis leaves min idle', async () => {
  const stage = play({ min: 1, max: 3, evictionRunIntervalMillis: 100, softIdleTimeoutMillis: 500, idleTimeoutMillis: 60_000 });
  const things = await Promise.all([1, 2, 3].map(() => stage.pool.acquire()));
  for (const thing of things) void stage.pool.release(thing);
  await stage.clock.advance(600);
  expect([live(stage), stage.pool.available]).toEqual([1, 1]);
});

test('an evictor of ones own sees each idle resource in its turn, so many a run, and what is lent never', async () => {
  const clock = new VirtualClock();
  const seen: [number, number][] = [];
  class Own implements Evictor {
    evict(_: unknown, resource: { readonly obj: unknown; readonly lastIdleTime: number }, available: number): boolean {
      expect(Math.abs(performance.timeOrigin + performance.now() - resource.lastIdleTime)).toBeGreaterThanOrEqual(0);
      seen.push([(resource.obj as Thing).id, available]);
      return (resource.obj as Thing).id === 2;
    }
  }
  let made = 0;
  const factory = { create: async () => ({ id: ++made, destroyed: 0 }), destroy: (thing: Thing) => void thing.destroyed++ };
  const pool = new Pool<Thing>(Own, Deque, PriorityQueue, factory,
    { max: 4, evictionRunIntervalMillis: 100, numTestsPerEvictionRun: 2, millpond: { clock, maxCreating: 4 } });
  const things = await Promise.all([1, 2, 3, 4].map(() => pool.acquire()));
  for (const thing of things.slice(0, 3)) void pool.release(thing);
  await clock.advance(100);
  expect(seen).toEqual([[1, 3], [2, 3]]);
  await clock.advance(100);
  expect(seen.slice(2)).toEqual([[3, 2], [1, 2]]);
  expect(new DefaultEvictor().evict({ softIdleTimeoutMillis: -1, idleTimeoutMillis: 5, min: 0 },
    { obj: 1, state: 'IDLE', creationTime: 0, lastIdleTime: 0, lastReturnTime: null, lastBorrowTime: null }, 1)).toBe(true);
});

test('drain serves who waits, takes no more work, and waits for everything to come back; clear then empties the pool', async () => {
  const stage = play({ max: 1, min: 1 });
  const { pool, clock } = stage;
  const thing = await pool.acquire();
  const waiting = watch(pool.acquire());
  const drained = watch(pool.drain());
  await expect(pool.acquire()).rejects.toThrow('pool is draining and cannot accept work');
  await pool.release(thing);
  await clock.advance(0);
  expect([waiting.value, drained.state]).toEqual([thing, 'pending']);
  await pool.release(thing);
  await clock.advance(0);
  expect([drained.state, live(stage)]).toEqual(['resolved', 1]);
  await pool.clear();
  expect([live(stage), pool.size]).toEqual([0, 0]);
});

test('drain is over when the last who waited has timed out', async () => {
  const { pool, clock } = play({ max: 1, acquireTimeoutMillis: 500 });
  const thing = await pool.acquire();
  const waiting = watch(pool.acquire());
  void pool.destroy(thing);
  const stuck = play({ max: 1, acquireTimeoutMillis: 500 }, { create: () => new Promise(() => undefined) });
  const never = watch(stuck.pool.acquire());
  const drained = watch(stuck.pool.drain());
  await stuck.clock.advance(500);
  expect([never.state, drained.state]).toEqual(['rejected', 'resolved']);
  await clock.advance(0);
  expect(waiting.state).toBe('resolved');
});

test('clear waits for creates, and leaves what is lent alone', async () => {
  const come: ((thing: Thing) => void)[] = [];
  const stage = play({ max: 3 }, { create: () => new Promise<Thing>((resolve) => { come.push(resolve); }) });
  const first = stage.pool.acquire();
  come[0]!({ id: 1, destroyed: 0 });
  const lent = await first;
  const second = stage.pool.acquire();
  const cleared = watch(stage.pool.clear());
  await stage.clock.advance(100);
  expect(cleared.state).toBe('pending');
  come[1]!({ id: 2, destroyed: 0 });
  const other = await second;
  await stage.clock.advance(0);
  expect([cleared.state, lent.destroyed]).toEqual(['resolved', 0]);
  await stage.pool.release(lent);
  await stage.pool.release(other);
  await stage.pool.clear();
  expect([lent.destroyed, other.destroyed]).toEqual([1, 1]);
});

test('clear waits for the destroys, and min is filled again', async () => {
  const gone: (() => void)[] = [];
  const stage = play({ min: 1, max: 2 }, { destroy: () => new Promise<void>((resolve) => { gone.push(resolve); }) });
  await stage.pool.ready();
  const cleared = watch(stage.pool.clear());
  await stage.clock.advance(10);
  expect([cleared.state, stage.made.length]).toEqual(['pending', 2]);
  gone[0]!();
  await stage.clock.advance(0);
  expect([cleared.state, stage.pool.available]).toEqual(['resolved', 1]);
});

test('errors of the factory are events, with or without listeners', async () => {
  let creates = 0;
  const create = async (): Promise<Thing> => {
    if (++creates === 1) throw new Error('refused');
    return { id: creates, destroyed: 0 };
  };
  const silent = createPool({ create, destroy: () => Promise.reject(new Error('no')) });
  await silent.destroy(await silent.acquire());

  creates = 0;
  const stage = play({}, { create, destroy: () => Promise.reject(new Error('no')) });
  const seen: unknown[] = [];
  for (const name of ['factoryCreateError', 'factoryDestroyError']) stage.pool.on(name, ({ message }: Error) => seen.push([name, message]));
  const thing = watch(stage.pool.acquire());
  await stage.clock.advance(1000);
  await stage.pool.destroy(thing.value as Thing);
  await stage.clock.advance(0);
  expect(seen).toEqual([['factoryCreateError', 'refused'], ['factoryDestroyError', 'no']]);
});

test('a destroy that takes too long is an error, told once', async () => {
  const stage = play({ destroyTimeoutMillis: 100 }, { destroy: () => new Promise((_, reject) => { setTimeout(reject, 0); }) });
  const slow = play({ destroyTimeoutMillis: 100 }, { destroy: () => new Promise(() => undefined) });
  const seen: string[] = [];
  slow.pool.on('factoryDestroyError', ({ message }: Error) => seen.push(message));
  await slow.pool.destroy(await slow.pool.acquire());
  await slow.clock.advance(100);
  expect(seen).toEqual(['destroy timed out']);
  await slow.pool.clear();
  await stage.pool.drain();
});
