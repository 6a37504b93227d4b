// Several pools let go at once: a process that is about to be frozen has one deadline, however many pools it has.

import type { QuiesceOptions, QuiesceResult } from './pool.ts';

/**
 * {@link Pool.quiesce} of each, side by side under one deadline: pools, keyed pools, and whatever else has the method. Tells what is left
 * of all. Rejects when one of them does, after all have begun.
 */
export async function quiesce(
  pools: Iterable<{ quiesce(options?: QuiesceOptions): Promise<QuiesceResult> }>, options?: QuiesceOptions,
): Promise<QuiesceResult> {
  const results = await Promise.all([...pools].map((pool) => pool.quiesce(options)));
  return {
    left: results.reduce((sum, { left }) => sum + left, 0),
    holders: results.flatMap(({ holders }) => holders),
  };
}
