// Strict priorities, above an engine that has none.

import { PriorityQueue } from '@millpond/generic-pool';
import { expect, test } from 'vitest';
import { play, watch } from './stage.ts';

test('the highest priority is served first, and within one whoever asked first', async () => {
  const { pool, clock } = play({ max: 1, priorityRange: 3 });
  const thing = await pool.acquire();
  const served: string[] = [];
  const ask = (name: string, priority?: number): unknown => pool.acquire(priority).then((next) => {
    served.push(name);
    return pool.release(next);
  });
  ask('low 1', 2);
  ask('middle 1', 1);
  ask('low 2', 2);
  ask('high 1');
  ask('outside', 7);
  ask('high 2', 0);
  ask('middle 2', 1);
  expect(pool.pending).toBe(7);
  await pool.release(thing);
  await clock.advance(0);
  expect(served).toEqual(['high 1', 'high 2', 'middle 1', 'middle 2', 'low 1', 'low 2', 'outside']);
  expect([pool.pending, pool.borrowed, pool.available]).toEqual([0, 0, 1]);
});

test('whoever gave way keeps his own deadline', async () => {
  const { pool, clock } = play({ max: 1, priorityRange: 2, acquireTimeoutMillis: 1000 });
  const thing = await pool.acquire();
  const low = watch(pool.acquire(1));
  await clock.advance(600);
  const high = watch(pool.acquire(0));
  await pool.release(thing);
  await clock.advance(399);
  expect([high.state, low.state]).toEqual(['resolved', 'pending']);
  await clock.advance(1);
  expect([low.state, pool.pending, pool.stats().waiting]).toEqual(['rejected', 0, 0]);
});

test('whoever gave way is told when the pool ends', async () => {
  const { pool, clock } = play({ max: 1, priorityRange: 2 }, {}, { handles: false, endDeadlineMs: 100, acquireTimeoutMs: Infinity });
  const thing = await pool.acquire();
  const low = watch(pool.acquire(1));
  const high = watch(pool.acquire(0));
  await pool.release(thing);
  const drained = watch(pool.drain());
  await clock.advance(100);
  expect([high.state, low.state, drained.state]).toEqual(['resolved', 'rejected', 'resolved']);
});

test('whoever is in line when something is free gets it, not who comes later with a higher priority', async () => {
  const { pool, clock } = play({ max: 1, priorityRange: 2 });
  const thing = await pool.acquire();
  const low = watch(pool.acquire(1));
  void pool.release(thing);
  const high = watch(pool.acquire(0));
  await clock.advance(0);
  expect([low.state, high.state]).toEqual(['resolved', 'pending']);
});

test('whoever has timed out is not in the way of others', async () => {
  const { pool, clock } = play({ max: 1, priorityRange: 2, acquireTimeoutMillis: 1000 });
  const thing = await pool.acquire();
  const high = watch(pool.acquire(0));
  await clock.advance(500);
  const low = watch(pool.acquire(1));
  await clock.advance(500);
  expect([high.state, low.state]).toEqual(['rejected', 'pending']);
  await pool.release(thing);
  await clock.advance(0);
  expect(low.value).toBe(thing);
});

test('resources that come back together go to the highest priorities, and none is lost', async () => {
  const { pool, clock } = play({ max: 3, priorityRange: 2 });
  const things = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  const low = [1, 2, 3].map(() => watch(pool.acquire(1)));
  const high = [1, 2].map(() => watch(pool.acquire(0)));
  for (const thing of things) void pool.release(thing);
  await clock.advance(0);
  expect(high.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
  expect(low.map(({ state }) => state)).toEqual(['resolved', 'pending', 'pending']);
  for (const thing of things) void pool.release(thing);
  await clock.advance(0);
  expect(low.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved']);
  expect([pool.borrowed, pool.pending]).toEqual([2, 0]);
});

test('a priority queue gives out the head of the first level that has one', () => {
  const queue = new PriorityQueue<string>(2);
  queue.enqueue('b', 1);
  const c = queue.enqueue('c', 9);
  queue.enqueue('a');
  expect([queue.length, queue.head, queue.tail]).toEqual([3, 'a', 'c']);
  expect([queue.dequeue(), queue.remove(c), queue.remove(c)]).toEqual(['a', true, false]);
  expect([queue.dequeue(), queue.dequeue()]).toEqual(['b', undefined]);
});
