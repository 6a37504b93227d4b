// Exact percentiles: a run of a few seconds has some ten thousand latencies, few enough to keep and sort all of them.

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly mean: number;
}

/** By nearest rank: the smallest value such that at least `share` of all values are no larger. NaN when there is none. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  if (ascending.length === 0) return NaN;
  const rank = Math.ceil(share * ascending.length - 1e-9);
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1] as number;
}

/** Leaves the values given as they are. */
export function percentiles(values: readonly number[]): Percentiles {
  const ascending = Float64Array.from(values).sort();
  let sum = 0;
  for (const value of ascending) sum += value;
  return {
    p50: percentile(ascending, 0.5),
    p95: percentile(ascending, 0.95),
    p99: percentile(ascending, 0.99),
    mean: sum / ascending.length,
  };
}
