// A pool under load leaves nothing behind for the next full collection. What comes and goes with every acquire must not stand in a Map or a
// Set: their old copies point to the newer ones, and one that has grown old keeps all that come after it.

import { Pool } from 'millpond';
import { expect, test } from 'vitest';
import { retainedByCrowd } from '../support/retained.ts';

/** When those that waited on a signal stood in a Set, it was 5 600 000. */
const NOTHING = 1_000_000;

function poolOfTen(): Pool<object> {
  return new Pool({ factory: { create: () => ({}), destroy: () => undefined }, max: 10, acquireTimeoutMs: 60_000 });
}

test('acquires that wait leave nothing behind', async () => {
  const pool = poolOfTen();
  expect(await retainedByCrowd(() => pool.acquire(), (lease) => lease.release())).toBeLessThan(NOTHING);
  await pool.close();
});

test('acquires that wait with a signal they share leave nothing behind', async () => {
  const pool = poolOfTen();
  const { signal } = new AbortController();
  expect(await retainedByCrowd(() => pool.acquire({ signal }), (lease) => lease.release())).toBeLessThan(NOTHING);
  await pool.close();
});

test('a signal that aborts tells those that wait on it in the order in which they came, and nobody twice', async () => {
  const pool = new Pool({ factory: { create: () => ({}), destroy: () => undefined }, max: 1 });
  const lease = await pool.acquire();
  const abort = new AbortController();
  const told: string[] = [];
  const waiting = ['a', 'b', 'c'].map((name) => pool.acquire({ signal: abort.signal }).then(
    (got) => { told.push(`${name} served`); got.release(); },
    (error: unknown) => told.push(`${name} ${String(error)}`),
  ));
  const other = pool.acquire().then((got) => { told.push('other served'); got.release(); });
  lease.release();
  abort.abort('enough');
  await Promise.all([...waiting, other]);
  expect(told).toEqual(['a served', 'b enough', 'c enough', 'other served']);
  await pool.close();
});
