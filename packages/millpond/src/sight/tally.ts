// What a pool tells and does not count itself: why it refused, and how many leases were reported as leaks. Counted from the first look on,
// for as long as the pool lives, the same numbers whoever looks. It listens only to what is rare.

import { PoolError } from '../errors.ts';
import type { Pool } from '../pool.ts';

export interface Tally {
  /** How many acquires were refused with each `ERR_POOL_*` code; those that timed out or were aborted are in the pool's stats. */
  readonly rejected: ReadonlyMap<string, number>;
  /** How many leases have passed `leakThresholdMs`. */
  readonly leaks: number;
}

const tallies = new WeakMap<object, Tally>();

export function tallyOf(pool: Pool<unknown>): Tally {
  const known = tallies.get(pool);
  if (known !== undefined) return known;
  const rejected = new Map<string, number>();
  const tally = { rejected, leaks: 0 };
  tallies.set(pool, tally);
  pool.on('acquireError', ({ error }) => {
    // The reason of an abort is the caller's own, and may be anything.
    if (!PoolError.is(error) || error.pool !== pool.name || error.code === 'ERR_POOL_ACQUIRE_TIMEOUT') return;
    rejected.set(error.code, (rejected.get(error.code) ?? 0) + 1);
  });
  pool.on('leak', () => tally.leaks++);
  return tally;
}
