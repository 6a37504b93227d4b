// Under load nothing is left behind for a full collection: no Map and no Set has members that come and go with every acquire.

import { createPool, type Options } from '@millpond/generic-pool';
import { expect, test } from 'vitest';
import { isForgotten, retainedByCrowd } from '../../support/retained.ts';

const NOTHING = 1_000_000;
const FACTORY = { create: () => ({}), destroy: () => undefined, validate: () => Promise.resolve(true) };

test.each<[string, Options]>([
  ['waits', {}],
  ['is tested', { testOnBorrow: true }],
  ['is tested when it ends', { testOnReturn: true }],
  ['has a priority', { priorityRange: 2, acquireTimeoutMillis: 60_000 }],
  ['has a priority, and for ever', { priorityRange: 2 }],
  ['has a handle', { millpond: true }],
])('an acquire that %s leaves nothing behind', async (_, options) => {
  const pool = createPool<object>(FACTORY, { max: 10, ...options });
  let asked = 0;
  expect(await retainedByCrowd(() => pool.acquire(asked++ % 2), (thing) => pool.release(thing))).toBeLessThan(NOTHING);
  await pool.drain();
  await pool.clear();
});

test('a resource that is gone is forgotten', async () => {
  const pool = createPool<object>(FACTORY, { max: 1, testOnReturn: true });
  const use = async (): Promise<WeakRef<object>> => {
    const thing = await pool.acquire();
    await pool.release(thing);
    await pool.clear();
    return new WeakRef(thing);
  };
  expect(await isForgotten(await use())).toBe(true);
});
