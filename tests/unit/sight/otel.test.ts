import { isDeepStrictEqual } from 'node:util';
import { context, trace, type Attributes } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type Histogram, type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, it } from 'vitest';
import { instrumentPools, poolMetrics } from 'millpond/otel';
import { busy, newPools, open, shut, shutAll } from './stage.ts';

afterEach(shutAll);

const POOL = 'db.client.connection.pool.name';
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Collected {
  readonly provider: MeterProvider;
  collect(): Promise<Map<string, MetricData>>;
}

/** A provider whose reader collects when it is asked. */
function metrics(metricProducers: MetricProducer[] = []): Collected {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000, metricProducers });
  const provider = new MeterProvider({ readers: [reader] });
  ends.push(() => provider.shutdown());
  return {
    provider,
    collect: async () => {
      const { resourceMetrics, errors } = await reader.collect();
      expect(errors).toEqual([]);
      return new Map(resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics).map((metric) => [metric.descriptor.name, metric]));
    },
  };
}

function instrumented(): Collected {
  const all = metrics();
  ends.push(instrumentPools({ meterProvider: all.provider, pools: newPools() }));
  return all;
}

/** The point of these attributes. */
function point(all: Map<string, MetricData>, name: string, attributes: Attributes): unknown {
  return all.get(name)?.dataPoints.find((each) => isDeepStrictEqual(each.attributes, attributes))?.value;
}

it('exports the nine metrics of the semantic conventions, as these name and measure them', async () => {
  const { collect } = instrumented();
  await busy('orders', { min: 1, fill: false });
  const all = await collect();
  const of = (name: string, attributes: Attributes = {}): unknown =>
    point(all, `db.client.connection.${name}`, { [POOL]: 'orders', ...attributes });
  expect(of('count', { 'db.client.connection.state': 'idle' })).toBe(1);
  expect(of('count', { 'db.client.connection.state': 'used' })).toBe(1);
  expect([of('idle.max'), of('idle.min'), of('max'), of('pending_requests'), of('timeouts')]).toEqual([2, 1, 2, 0, 1]);
  const units = [...all.values()].filter(({ descriptor }) => descriptor.name.startsWith('db.'))
    .map((metric) => {
      const { descriptor, dataPointType } = metric;
      const isMonotonic = 'isMonotonic' in metric ? metric.isMonotonic : undefined;
      return [descriptor.name.slice('db.client.connection.'.length), descriptor.unit, dataPointType, isMonotonic];
    });
  // 0: a histogram, 3: a sum.
  expect(units.sort(([a], [b]) => String(a) < String(b) ? -1 : 1)).toEqual([
    ['count', '{connection}', 3, false], ['create_time', 's', 0, undefined], ['idle.max', '{connection}', 3, false],
    ['idle.min', '{connection}', 3, false], ['max', '{connection}', 3, false], ['pending_requests', '{request}', 3, false],
    ['timeouts', '{timeout}', 3, true], ['use_time', 's', 0, undefined], ['wait_time', 's', 0, undefined],
  ]);
  const wait = of('wait_time') as Histogram;
  expect(wait.buckets.boundaries).toEqual([0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]);
  expect({ ...wait, buckets: wait.buckets.counts[4] }).toMatchObject({ count: 2, sum: 0.06, buckets: 2 });
  expect(of('create_time')).toMatchObject({ count: 2, sum: 0.06 });
  expect(of('use_time')).toMatchObject({ count: 1, sum: 0.2 });
});

it('exports what the conventions do not know under names of its own', async () => {
  const { collect } = instrumented();
  const { clock, pool } = await busy('orders', { leakThresholdMs: 100 });
  const all = await collect();
  const of = (name: string, attributes: Attributes = {}): unknown => point(all, `millpond.${name}`, { [POOL]: 'orders', ...attributes });
  expect(of('resources', { 'millpond.state': 'creating' })).toBe(0);
  expect(of('resources_limit')).toBe(2);
  expect(of('pool_state', { 'millpond.state': 'open' })).toBe(1);
  expect(of('acquires', { 'millpond.outcome': 'served' })).toBe(2);
  expect(of('rejections', { 'error.type': 'ERR_POOL_QUEUE_FULL' })).toBe(1);
  expect([of('creates'), of('create_errors'), of('leak_suspects'), of('leaks')]).toEqual([2, 0, 1, 2]);
  pool.evict();
  await clock.advance(0);
  expect(point(await collect(), 'millpond.destroys', { [POOL]: 'orders', 'millpond.reason': 'evicted' })).toBe(1);
});

it('picks up pools that come later, and takes back what it told of those that have closed', async () => {
  const { collect } = instrumented();
  expect((await collect()).size).toBe(0);
  const early = await busy('twin');
  await busy('twin');
  let all = await collect();
  const count = (name: string, state: string): unknown =>
    point(all, 'db.client.connection.count', { [POOL]: name, 'db.client.connection.state': state });
  expect([count('twin', 'used'), count('twin#2', 'used')]).toEqual([1, 1]);
  await shut(early);
  all = await collect();
  expect([count('twin', 'used'), count('twin', 'idle'), count('twin#2', 'used')]).toEqual([0, 0, 1]);
  expect(point(all, 'db.client.connection.max', { [POOL]: 'twin' })).toBe(0);
  expect(point(all, 'millpond.creates', { [POOL]: 'twin' })).toBe(2);
  expect(point(all, 'millpond.destroys', { [POOL]: 'twin', 'millpond.reason': 'poolClosed' })).toBe(2);
  // A pool that is made anew goes on under the name.
  await busy('twin');
  all = await collect();
  expect([count('twin', 'used'), point(all, 'db.client.connection.max', { [POOL]: 'twin' })]).toEqual([1, 2]);
  expect(point(all, 'db.client.connection.create_time', { [POOL]: 'twin' })).toMatchObject({ count: 4 });
});

it('measures the pools it is told to, takes a meter as well, and stops', async () => {
  const { provider, collect } = metrics();
  const stop = instrumentPools({ meter: provider.getMeter('app'), pools: ({ name }) => name === 'seen' });
  const { clock, pool } = await busy('seen');
  await busy('unseen');
  const all = await collect();
  expect(all.get('db.client.connection.max')?.dataPoints.map(({ attributes }) => attributes)).toEqual([{ [POOL]: 'seen' }]);
  stop();
  const acquired = pool.acquire();
  await clock.advance(0);
  (await acquired).release();
  const after = await collect();
  expect(point(after, 'db.client.connection.wait_time', { [POOL]: 'seen' })).toMatchObject({ count: 2 });
  stop();
});

it('hands the same metrics to a reader without a call of the SDK per acquire, and forgets pools that have closed', async () => {
  const isNew = newPools();
  const both = metrics([poolMetrics({ pools: (pool) => isNew(pool) && pool.name !== 'unseen' })]);
  const recorded = instrumented();
  const actor = await busy('orders', { min: 1, fill: false, leakThresholdMs: 100 });
  await busy('unseen');
  const [produced, instrumentedOnes] = [await both.collect(), await recorded.collect()];
  expect([...produced.keys()].sort()).toEqual([...instrumentedOnes.keys()].sort());
  for (const [name, metric] of instrumentedOnes) {
    const own = produced.get(name)!;
    const kept = ({ descriptor: { description, unit }, dataPointType, aggregationTemporality, dataPoints }: MetricData): unknown => ({
      description, unit, dataPointType, aggregationTemporality, dataPoints: dataPoints
        .filter(({ attributes }) => attributes[POOL] === 'orders')
        .map(({ attributes, value }) => ({ attributes, value: typeof value === 'number' ? value : withoutExtremes(value as Histogram) })),
    });
    expect(kept(own), name).toEqual(kept(metric));
    expect('isMonotonic' in own && own.isMonotonic, name).toBe('isMonotonic' in metric && metric.isMonotonic);
    for (const { startTime, endTime } of own.dataPoints) {
      expect(Math.abs(endTime[0] - Date.now() / 1000)).toBeLessThan(600);
      expect(endTime[0] - startTime[0] + (endTime[1] - startTime[1]) / 1e9).toBeGreaterThanOrEqual(0);
    }
  }
  expect(JSON.stringify([...produced.values()])).not.toContain('unseen');
  await shut(actor);
  expect((await both.collect()).size).toBe(0);
});

/** min and max are optional there, and of all time here. */
function withoutExtremes({ min: _min, max: _max, sum, ...rest }: Histogram): unknown {
  return { ...rest, sum: Math.round((sum ?? NaN) * 1e6) };
}

it('refuses options that are wrong', () => {
  expect(() => instrumentPools({})).toThrow(/meter is undefined, but must be given, or meterProvider or tracer/);
  expect(() => poolMetrics({ meter: 1 } as object)).toThrow(/unknown option meter/);
  expect(() => instrumentPools({ metre: 1 } as object)).toThrow(/did you mean meter\?/);
});

it('makes spans of slow and failed acquires, below the span of whoever acquired', async () => {
  const exporter = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer('app');
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  ends.push(() => context.disable());
  const under = <T>(name: string, work: () => T): T => {
    const span = tracer.startSpan(name);
    const result = context.with(trace.setSpan(context.active(), span), work);
    span.end();
    return result;
  };
  const { clock, pool } = open('traced', { max: 1 });
  const stop = instrumentPools({ tracer, acquireSlowerThanMs: 0 });
  ends.push(stop);
  const acquired = under('holder', () => pool.acquire({ label: 'GET /orders' }));
  await clock.advance(0);
  const lease = await acquired;
  const waiting = under('waiter', () => pool.acquire());
  const failing = under('loser', () => pool.acquire({ timeoutMs: 50 }).catch(() => undefined));
  await clock.advance(50);
  await failing;
  under('releaser', () => lease.release());
  (await waiting).release();
  const spans = exporter.getFinishedSpans();
  const nameOf = (id: string | undefined): string | undefined => spans.find((each) => each.spanContext().spanId === id)?.name;
  const made = spans.filter(({ name }) => name === 'millpond.acquire');
  expect(made.map(({ parentSpanContext, attributes, status }) => [nameOf(parentSpanContext?.spanId), attributes, status.code])).toEqual([
    ['holder', { [POOL]: 'traced', 'millpond.label': 'GET /orders' }, 0],
    ['loser', { [POOL]: 'traced', 'error.type': 'ERR_POOL_ACQUIRE_TIMEOUT' }, 2],
    ['waiter', { [POOL]: 'traced' }, 0],
  ]);
  expect(made.every(({ duration: [seconds, nanos] }) => seconds >= 0 && nanos >= 0)).toBe(true);
  stop();
  exporter.reset();
  ends.push(instrumentPools({ tracer, acquireSlowerThanMs: 3_600_000 }));
  (await pool.acquire()).release();
  expect(exporter.getFinishedSpans()).toEqual([]);
});

it('makes a span of an acquire that was aborted for a reason that is none', async () => {
  const exporter = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer('app');
  ends.push(instrumentPools({ tracer, acquireSlowerThanMs: 0 }));
  const { pool } = open('aborted', { max: 1 });
  await expect(pool.acquire({ signal: AbortSignal.abort(null) })).rejects.toBeNull();
  expect(exporter.getFinishedSpans().map(({ attributes }) => attributes['error.type'])).toEqual(['_OTHER']);
});
