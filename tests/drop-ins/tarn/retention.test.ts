// Under load nothing is left behind for a full collection: no Map and no Set has members that come and go with every acquire.

import { Pool, type PoolOptions } from '@millpond/tarn';
import { knexPool } from '@millpond/tarn/knex';
import { Pool as EnginePool } from 'millpond';
import { expect, test } from 'vitest';
import { isForgotten, retainedByCrowd } from '../../support/retained.ts';

/** When those that waited stood in a Set, it was 6 600 000. */
const NOTHING = 1_000_000;
const BASE: PoolOptions<object> = { create: () => ({}), destroy: () => undefined, min: 0, max: 10 };

test.each<[string, Partial<PoolOptions<object>>]>([
  ['waits', {}],
  ['is validated', { validate: () => Promise.resolve(true) }],
  ['has a handle', { millpond: true }],
])('an acquire that %s leaves nothing behind', async (_, options) => {
  const pool = new Pool<object>({ ...BASE, ...options });
  expect(await retainedByCrowd(() => pool.acquire().promise, (thing) => pool.release(thing))).toBeLessThan(NOTHING);
  await pool.destroy();
});

test("an acquire of knex's leaves nothing behind", async () => {
  const engine = new EnginePool<object>({ factory: { create: () => ({}), destroy: () => undefined }, max: 10, acquireTimeoutMs: 60_000 });
  const pool = knexPool(engine);
  expect(await retainedByCrowd(() => pool.acquire().promise, (thing) => pool.release(thing))).toBeLessThan(NOTHING);
  await pool.destroy();
});

test('a resource that is gone is forgotten', async () => {
  let good = true;
  const pool = new Pool<object>({ ...BASE, validate: () => good });
  const use = async (): Promise<WeakRef<object>> => {
    const thing = await pool.acquire().promise;
    pool.release(thing);
    good = false;
    const next = pool.acquire();
    good = true;
    await next.promise;
    return new WeakRef(thing);
  };
  expect(await isForgotten(await use())).toBe(true);
});
