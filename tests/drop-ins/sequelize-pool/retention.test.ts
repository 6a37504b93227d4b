// Under load nothing is left behind for a full collection: no Map and no Set has members that come and go with every acquire.

import { Pool } from '@millpond/sequelize-pool';
import { expect, test } from 'vitest';
import { isForgotten, retainedByCrowd } from '../../support/retained.ts';

const NOTHING = 1_000_000;

test.each([['waits', false], ['has a handle', true]])('an acquire that %s leaves nothing behind', async (_, handles) => {
  const pool = new Pool<object>({
    create: async () => ({}), destroy: () => undefined, validate: () => true, max: 10, min: 0, millpond: { handles },
  });
  expect(await retainedByCrowd(() => pool.acquire(), (thing) => pool.release(thing))).toBeLessThan(NOTHING);
  await pool.drain();
  await pool.destroyAllNow();
});

test('a resource that is gone is forgotten, and so is one that was never of this pool', async () => {
  const pool = new Pool<object>({ create: async () => ({}), destroy: () => undefined, validate: () => true, max: 1, min: 0 });
  const use = async (): Promise<WeakRef<object>> => {
    const thing = await pool.acquire();
    pool.release(thing);
    await pool.destroyAllNow();
    return new WeakRef(thing);
  };
  const destroyForeign = async (): Promise<WeakRef<object>> => {
    const foreign = {};
    await pool.destroy(foreign);
    return new WeakRef(foreign);
  };
  expect([await isForgotten(await use()), await isForgotten(await destroyForeign())]).toEqual([true, true]);
});
