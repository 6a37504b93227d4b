// Who looks at a pool in this chapter. Each gets a process of its own, so what one listens to costs nobody else.
import { subscribe } from 'node:diagnostics_channel';
import { trace } from '@opentelemetry/api';
import {
  AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { Pool } from 'millpond';
import { createConsole } from 'millpond/console';
import { captureStacksFor } from 'millpond/debug';
import { instrumentPools, poolMetrics } from 'millpond/otel';
import { prometheusText, registerWith } from 'millpond/prometheus';
import { Histogram, Registry } from 'prom-client';

/** What one scrape or collection is; undefined: nobody collects. */
export type Collect = (() => unknown) | undefined;

export interface Watcher {
  readonly id: string;
  readonly name: string;
  readonly configuration: string;
  /** Packages whose versions are shown. */
  readonly from: readonly string[];
  readonly ours: boolean;
  /** Begins to look. */
  watch(pool: Pool<unknown>): Collect;
}

export const NOBODY = 'nobody';
const TOKEN = 'token-of-the-benchmark';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const WATCHERS: readonly Watcher[] = [
  { id: NOBODY, name: 'nobody', configuration: 'no listener', from: ['millpond'], ours: true, watch: () => undefined },
  {
    id: 'prometheus', name: 'millpond/prometheus', configuration: 'prometheusText, three histograms per pool', from: ['millpond'],
    ours: true,
    watch: () => {
      prometheusText();
      return () => prometheusText();
    },
  },
  {
    id: 'prom-client', name: 'millpond/prometheus in prom-client', configuration: 'registerWith', from: ['millpond', 'prom-client'],
    ours: true,
    watch: () => {
      const registry = new Registry();
      registerWith(registry);
      return () => registry.metrics();
    },
  },
  {
    id: 'console', name: 'millpond/console', configuration: 'one viewer, with details of the pool', from: ['millpond'], ours: true,
    watch: (pool) => {
      const { fetch: ask } = createConsole({ auth: TOKEN });
      const request = (path: string): Request => new Request(`http://localhost/${path}?pool=${pool.name}&token=${TOKEN}`);
      void ask(request('events')).then(({ body }) => body?.pipeTo(new WritableStream()));
      return async () => (await ask(request('snapshot'))).text();
    },
  },
  {
    id: 'otel', name: 'millpond/otel', configuration: 'instrumentPools, metrics', from: ['millpond', '@opentelemetry/sdk-metrics'],
    ours: true,
    watch: () => {
      const reader = otelReader();
      instrumentPools({ meterProvider: reader.provider });
      return reader.collect;
    },
  },
  {
    id: 'otel-producer', name: 'millpond/otel, read', configuration: 'poolMetrics of a reader',
    from: ['millpond', '@opentelemetry/sdk-metrics'], ours: true,
    watch: () => otelReader([poolMetrics()]).collect,
  },
  {
    id: 'otel-spans', name: 'millpond/otel, spans', configuration: 'instrumentPools, spans of slow acquires only', from: ['millpond'],
    ours: true,
    watch: () => {
      instrumentPools({ tracer: trace.getTracer('bench'), acquireSlowerThanMs: HOUR_MS });
      return undefined;
    },
  },
  {
    id: 'console-unseen', name: 'millpond/console, unseen', configuration: 'createConsole, nobody looks', from: ['millpond'], ours: true,
    watch: () => {
      createConsole();
      return undefined;
    },
  },
  {
    id: 'channels', name: 'diagnostics channels', configuration: 'a subscriber that does nothing, acquire and release', from: ['millpond'],
    ours: true,
    watch: () => {
      for (const event of ['acquire', 'release']) subscribe(`millpond:${event}`, () => undefined);
      return undefined;
    },
  },
  {
    id: 'stacks', name: 'millpond/debug', configuration: 'captureStacksFor', from: ['millpond'], ours: true,
    watch: () => {
      captureStacksFor(DAY_MS);
      return undefined;
    },
  },
  {
    id: 'by-hand', name: 'prom-client by hand', configuration: 'two histograms, observe() in the listeners of acquire and release',
    from: ['prom-client'], ours: false,
    watch: (pool) => {
      const registry = new Registry();
      const labelNames = ['pool'];
      const wait = new Histogram({ name: 'wait_seconds', help: 'wait', labelNames, registers: [registry] });
      const use = new Histogram({ name: 'use_seconds', help: 'use', labelNames, registers: [registry] });
      pool.on('acquire', ({ waitMs }) => wait.observe({ pool: pool.name }, waitMs / 1000));
      pool.on('release', ({ useMs }) => use.observe({ pool: pool.name }, useMs / 1000));
      return () => registry.metrics();
    },
  },
];

/** A reader that collects when it is told to. */
function otelReader(metricProducers: MetricProducer[] = []): { readonly provider: MeterProvider; collect(): Promise<unknown> } {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: HOUR_MS, metricProducers });
  return { provider: new MeterProvider({ readers: [reader] }), collect: () => reader.collect() };
}
