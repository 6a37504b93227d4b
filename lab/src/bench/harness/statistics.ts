// What becomes of the figures of several rounds: the median, because one round in which somebody else had the machine must not count, and
// the lowest and highest beside it, so that a reader sees how much two runs may differ.
import { percentile } from '../../percentiles.ts';
import type { Figure, Target } from '../chapter.ts';

/** Median, lowest and highest. Undefined when there is nothing, or nothing finite. */
export function figure(values: readonly number[]): Figure | undefined {
  const ascending = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  const [low] = ascending;
  const high = ascending.at(-1);
  if (low === undefined || high === undefined) return undefined;
  return { median: median(ascending), low, high };
}

/** The middle value, or the mean of the two in the middle. NaN when there is none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const ascending = [...values].sort((a, b) => a - b);
  const upper = ascending[ascending.length >> 1]!;
  return ascending.length % 2 === 1 ? upper : (ascending[(ascending.length >> 1) - 1]! + upper) / 2;
}

/**
 * The ratio of two contenders, round by round: what disturbed a whole round disturbed both, and cancels out. Where one of them has fewer
 * rounds, only those that both have count.
 */
export function ratio(of: readonly number[], to: readonly number[]): Figure | undefined {
  const rounds = Math.min(of.length, to.length);
  return figure(Array.from({ length: rounds }, (_, index) => of[index]! / to[index]!));
}

/** A figure that is one value, because it does not vary: a size in bytes. */
export function exactly(value: number): Figure {
  return { median: value, low: value, high: value };
}

/** What the slowest share of operations took: of unsorted latencies. */
export function tail(latencies: Float64Array): { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number } {
  const ascending = Float64Array.from(latencies).sort();
  return {
    p50: percentile(ascending, 0.5), p99: percentile(ascending, 0.99), p999: percentile(ascending, 0.999), max: ascending.at(-1) ?? NaN,
  };
}

/** A target without a value to hold against it (its contender did not run) is left out. */
export function target(text: string, sense: Target['sense'], value: number | undefined, limit: number): Target[] {
  if (value === undefined || !Number.isFinite(value)) return [];
  return [{ text, sense, value, limit, holds: sense === 'atMost' ? value <= limit : value >= limit }];
}
