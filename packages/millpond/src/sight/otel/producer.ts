// The way without a cost per acquire: a reader of OpenTelemetry's SDK can ask others beside the SDK for metrics that they have measured
// already, and so the histograms of this package are handed over as they are.

import type { Pool } from '../../pool.ts';
import { sampleOf, TIMINGS, valuesOf } from '../catalog.ts';
import type { Histogram } from '../histogram.ts';
import { sightOf } from '../sight.ts';
import { tallyOf } from '../tally.ts';
import { watchPools, type PoolFilter } from '../watch.ts';
import { attributesOf, BUCKETS, DESCRIBED, withLabel } from './instruments.ts';
import type { OtelMeasured, OtelProducer, OtelResource, OtelSum, OtelTime } from './types.ts';

/** Members of the SDK's enumerations DataPointType, AggregationTemporality and ValueType. */
const HISTOGRAM = 0;
const SUM = 3;
const CUMULATIVE = 1;
const DOUBLE = 1;

/** Not looked at: the process is described by the SDK beside which this is asked. */
const NO_RESOURCE: OtelResource = { attributes: {}, merge: (other) => other, getRawAttributes: () => [] };

const BOUNDS_MS = BUCKETS.map((bound) => bound * 1000);

interface Looked {
  readonly sample: ReturnType<typeof sampleOf>;
  /** What all points of a pool have in common. */
  readonly common: Pick<OtelSum['dataPoints'][number], 'startTime' | 'endTime' | 'attributes'>;
}

export function producerOf(filter: PoolFilter): OtelProducer {
  const since = new WeakMap<Pool<unknown>, OtelTime>();
  const watch = watchPools(filter, (pool) => {
    sightOf(pool);
    tallyOf(pool);
    since.set(pool, wallTime());
    return () => undefined;
  });
  return {
    collect: () => {
      const endTime = wallTime();
      const pools = watch.pools().map((pool): Looked => {
        return { sample: sampleOf(pool), common: { startTime: since.get(pool)!, endTime, attributes: attributesOf(pool) } };
      });
      const metrics = [...sums(pools), ...histograms(pools)].filter(({ dataPoints }) => dataPoints.length > 0);
      const scopeMetrics = [{ scope: { name: 'millpond' }, metrics }];
      return Promise.resolve({ resourceMetrics: { resource: NO_RESOURCE, scopeMetrics }, errors: [] });
    },
  };
}

function sums(pools: readonly Looked[]): OtelSum[] {
  return DESCRIBED.map(({ name, help, unit, kind, attribute, read }) => ({
    ...headOf(name, help, unit), dataPointType: SUM, isMonotonic: kind === 'counter',
    dataPoints: pools.flatMap(({ sample, common }) => valuesOf(read(sample)).map(([label, value]) =>
      ({ ...common, value, attributes: withLabel(common.attributes, attribute, label) }))),
  }));
}

function histograms(pools: readonly Looked[]): OtelMeasured[] {
  return TIMINGS.map(({ name, help, read }) => ({
    ...headOf(`db.client.connection.${name}_time`, help, 's'), dataPointType: HISTOGRAM,
    dataPoints: pools.map(({ sample, common }) => ({ ...common, value: valueOf(read(sample)) })),
  }));
}

function headOf(name: string, description: string, unit: string): Pick<OtelSum, 'descriptor' | 'aggregationTemporality'> {
  return { descriptor: { name, description, unit, valueType: DOUBLE }, aggregationTemporality: CUMULATIVE };
}

function valueOf(measured: Histogram): OtelMeasured['dataPoints'][number]['value'] {
  const { count, sumMs } = measured;
  const upTo = [...measured.countsAtMost(BOUNDS_MS), count];
  const counts = upTo.map((atMost, at) => atMost - (upTo[at - 1] ?? 0));
  return { buckets: { boundaries: [...BUCKETS], counts }, sum: sumMs / 1000, count };
}

/** Of a clock that does not jump. */
function wallTime(): OtelTime {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.floor((ms - seconds * 1000) * 1e6)];
}
