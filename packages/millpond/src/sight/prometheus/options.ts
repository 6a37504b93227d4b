// What exporters to Prometheus can be told.

import { Checker } from '../../options.ts';
import type { PoolFilter } from '../watch.ts';
import { DEFAULT_BUCKETS_MS } from './families.ts';

export interface PrometheusOptions {
  /** Which pools are exported, asked with each. Default: every pool of the process. */
  readonly pools?: PoolFilter;
  /** The upper bounds of the histograms' buckets in ms, ascending. Default: 0.5 to 10 000, steps of 2 to 2.5. */
  readonly bucketsMs?: readonly number[];
}

/** The bounds of the buckets. Throws {@link InvalidOptionError} for options that are wrong. */
export function checkedBuckets(options: PrometheusOptions): readonly number[] {
  const check = new Checker('prometheus');
  check.object('options', options);
  check.keys('', options, ['pools', 'bucketsMs']);
  check.functionAt('pools', options.pools, false);
  const bounds = options.bucketsMs ?? DEFAULT_BUCKETS_MS;
  const isList: boolean = Array.isArray(bounds);
  const right = isList && bounds.length > 0 && bounds.every((bound, at) => Number.isFinite(bound) && bound > (bounds[at - 1] ?? 0));
  if (!right) throw check.bad('bucketsMs', bounds, 'a list of numbers above 0, each above the one before');
  return bounds;
}
