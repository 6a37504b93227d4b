// The catalog in Prometheus' words: families of samples, before they are text. prom-client takes them in this form.

import type { Pool } from '../../pool.ts';
import { METRICS, sampleOf, TIMINGS, valuesOf, type Metric, type Sample, type Timing } from '../catalog.ts';
import { uniqueName } from '../names.ts';

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  /** The samples of one pool. */
  read(pool: Named): Value[];
}

export interface Named {
  readonly name: string;
  readonly sample: Sample;
}

export interface Value {
  /** The family's, for a histogram with what the line is about behind it. */
  readonly name: string;
  /** A label beside `pool`, and its text. */
  readonly label: string | undefined;
  readonly text: string;
  readonly value: number;
}

/** In seconds: steps of 2 to 2.5 where pools live, and those of OpenTelemetry's convention are among them. */
export const DEFAULT_BUCKETS_MS: readonly number[] = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];

export function familiesOf(bucketsMs: readonly number[]): Family[] {
  return [...METRICS.map((metric) => numbers(metric)), ...TIMINGS.map((timing) => histogram(timing, bucketsMs))];
}

export function named(pools: Iterable<Pool<unknown>>): Named[] {
  return [...pools].map((pool) => ({ name: uniqueName(pool), sample: sampleOf(pool) }));
}

function numbers({ name: plain, kind, help, label, read }: Metric): Family {
  const name = `millpond_${plain}${kind === 'counter' ? '_total' : ''}`;
  return {
    name, help, type: kind,
    read: ({ sample }) => valuesOf(read(sample)).map(([text, value]) => ({
      name, label: text === undefined ? undefined : label, text: text ?? '', value,
    })),
  };
}

function histogram({ name: plain, help, read }: Timing, bucketsMs: readonly number[]): Family {
  const name = `millpond_${plain}_seconds`;
  const bucket = `${name}_bucket`;
  const bounds = bucketsMs.map((bound) => String(bound / 1000));
  return {
    name, help, type: 'histogram',
    read: ({ sample }) => {
      const measured = read(sample);
      const counts = measured.countsAtMost(bucketsMs);
      return [
        ...bounds.map((text, at) => ({ name: bucket, label: 'le', text, value: counts[at]! })),
        { name: bucket, label: 'le', text: '+Inf', value: measured.count },
        { name: `${name}_sum`, label: undefined, text: '', value: measured.sumMs / 1000 },
        { name: `${name}_count`, label: undefined, text: '', value: measured.count },
      ];
    },
  };
}
