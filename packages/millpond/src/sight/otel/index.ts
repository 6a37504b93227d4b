/// <reference lib="esnext.disposable" preserve="true" />
// millpond/otel: the pools of this process as OpenTelemetry's metrics, and spans for acquires that were slow. @opentelemetry/api is not
// loaded: the caller hands in what it has.

import { Checker } from '../../options.ts';
import { everyPool, type PoolFilter } from '../watch.ts';
import { exportMetrics } from './metrics.ts';
import { producerOf } from './producer.ts';
import { exportSpans } from './spans.ts';
import type { OtelMeter, OtelMeterProvider, OtelProducer, OtelTracer } from './types.ts';

export type {
  OtelAttributes, OtelCollection, OtelHistogram, OtelMeasured, OtelMeter, OtelMeterProvider, OtelMetricOptions, OtelObservable,
  OtelObserver, OtelProducer, OtelResource, OtelSpan, OtelSum, OtelTime, OtelTracer,
} from './types.ts';
export type { PoolFilter } from '../watch.ts';

export interface InstrumentPoolsOptions {
  /** Where the instruments are made; or a provider of it, which is asked for the meter `millpond`. At least this or {@link tracer}. */
  readonly meter?: OtelMeter;
  readonly meterProvider?: OtelMeterProvider;
  /** Which pools are measured, asked once for each. Spans are made for all. Default: every pool of the process. */
  readonly pools?: PoolFilter;
  /** With it there are spans `millpond.acquire`. Default: none. Every acquire pays for being timed then. */
  readonly tracer?: OtelTracer;
  /** How long an acquire has to take, in ms, served or not, to get a span. Default: 100; 0: all do. */
  readonly acquireSlowerThanMs?: number;
}

const DEFAULT_SLOWER_THAN_MS = 100;

/**
 * Measures every pool of this process, those that come later too: the nine metrics `db.client.connection.*` of OpenTelemetry's semantic
 * conventions, and `millpond.*`. Whatever is a number is read from the pools when a reader collects; times are recorded as they come. Of
 * several pools with one name the later ones are told apart as `name#2`. Returns how to stop. Throws {@link InvalidOptionError} for
 * options that are wrong.
 */
export function instrumentPools(options: InstrumentPoolsOptions): () => void {
  const check = new Checker('otel');
  check.object('options', options);
  check.keys('', options, ['meter', 'meterProvider', 'pools', 'tracer', 'acquireSlowerThanMs']);
  check.functionAt('pools', options.pools, false);
  const slowerThanMs = check.duration('acquireSlowerThanMs', options.acquireSlowerThanMs, DEFAULT_SLOWER_THAN_MS);
  const { meterProvider, tracer } = options;
  const meter = options.meter ?? meterProvider?.getMeter('millpond');
  if (meter === undefined && tracer === undefined) throw check.bad('meter', meter, 'given, or meterProvider or tracer');
  const stops = [
    ...meter === undefined ? [] : [exportMetrics(meter, options.pools ?? everyPool)],
    ...tracer === undefined ? [] : [exportSpans(tracer, slowerThanMs)],
  ];
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}

/**
 * The same metrics for a reader of @opentelemetry/sdk-metrics, instead of {@link instrumentPools}:
 * `new PeriodicExportingMetricReader({ exporter, metricProducers: [poolMetrics()] })`. Times too are read when the reader collects, so that
 * an acquire costs no call of the SDK; values are cumulative, whatever the exporter prefers. Every pool is measured from the call on, until
 * the process ends. Throws {@link InvalidOptionError} for options that are wrong.
 */
export function poolMetrics(options: Pick<InstrumentPoolsOptions, 'pools'> = {}): OtelProducer {
  const check = new Checker('otel');
  check.object('options', options);
  check.keys('', options, ['pools']);
  check.functionAt('pools', options.pools, false);
  return producerOf(options.pools ?? everyPool);
}
