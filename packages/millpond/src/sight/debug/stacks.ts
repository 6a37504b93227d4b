// Stacks for a minute: a stack per acquire costs microseconds, so it is nothing to leave on, and when something hangs in production it is
// the one thing that is missing.

import type { Pool } from '../../pool.ts';
import { watchPools, type PoolFilter } from '../watch.ts';

/** Several may want the same pool's stacks at once; the first one finds how it was, the last one leaves it so. */
const wanted = new WeakMap<Pool<unknown>, { count: number; readonly before: number }>();

/** Longer than a timer can be. */
const MOST_MS = 2 ** 31 - 1;

/** Keeps the stack of every acquire for so long. `ended` is called when the time is over. Returns how to end it earlier. */
export function capture(ms: number, filter: PoolFilter, ended: () => void): () => void {
  const watch = watchPools(filter, (pool) => {
    want(pool);
    return () => unwant(pool);
  });
  const timer = ms > MOST_MS ? undefined : setTimeout(() => {
    watch.stop();
    ended();
  }, ms);
  timer?.unref();
  return () => {
    clearTimeout(timer);
    watch.stop();
  };
}

function want(pool: Pool<unknown>): void {
  const known = wanted.get(pool);
  if (known === undefined) wanted.set(pool, { count: 1, before: pool.captureStacks(1) });
  else known.count++;
}

function unwant(pool: Pool<unknown>): void {
  const known = wanted.get(pool);
  if (known === undefined || --known.count > 0) return;
  wanted.delete(pool);
  const last = pool.captureStacks(known.before);
  // Somebody has set it meanwhile, and meant it.
  if (last !== 1) pool.captureStacks(last);
}
