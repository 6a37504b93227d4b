// What is observed, under which name: the nine metrics of OpenTelemetry's semantic conventions for connection pools, and everything else of
// the catalog under `millpond.*`.

import type { Pool } from '../../pool.ts';
import { METRICS, type Reading, type Sample } from '../catalog.ts';
import { uniqueName } from '../names.ts';
import type { OtelAttributes, OtelMeter, OtelObservable } from './types.ts';

export const POOL_NAME = 'db.client.connection.pool.name';
/** In seconds, as the conventions advise. */
export const BUCKETS: readonly number[] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** A metric under its whole name. */
export interface Described {
  readonly name: string;
  /** A gauge falls to 0 when the pool has closed; a counter stays where it is. */
  readonly kind: 'gauge' | 'counter';
  readonly unit: string;
  readonly help: string;
  /** Tells several values apart. */
  readonly attribute?: string;
  read(sample: Sample): Reading;
}

export interface Instrument extends Described {
  readonly observable: OtelObservable;
}

/** The conventions know idle connections and used ones; those on their way are in `millpond.resources`. */
const STANDARD: readonly Described[] = [
  {
    name: 'count', kind: 'gauge', unit: '{connection}', attribute: 'db.client.connection.state', help: 'Connections, idle and in use.',
    read: ({ stats }) => ({ idle: stats.idle, used: stats.borrowed }),
  },
  { name: 'idle.max', kind: 'gauge', unit: '{connection}', help: 'How many may be idle: max.', read: ({ stats }) => stats.max },
  { name: 'idle.min', kind: 'gauge', unit: '{connection}', help: 'How many are kept ready.', read: ({ stats }) => stats.min },
  { name: 'max', kind: 'gauge', unit: '{connection}', help: 'How many there may be.', read: ({ stats }) => stats.max },
  {
    name: 'pending_requests', kind: 'gauge', unit: '{request}', help: 'Acquires that are not served yet.',
    read: ({ stats }) => stats.waiting,
  },
  {
    name: 'timeouts', kind: 'counter', unit: '{timeout}', help: 'Acquires whose deadline passed.',
    read: ({ stats }) => stats.totals.timedOut,
  },
];

/** What the names above tell already. */
const TOLD: ReadonlySet<string> = new Set(['resources_max', 'resources_min', 'waiting']);

/** Every metric that is a number, in the order in which they are exported. */
export const DESCRIBED: readonly Described[] = [
  ...STANDARD.map((metric) => ({ ...metric, name: `db.client.connection.${metric.name}` })),
  ...METRICS.filter(({ name }) => !TOLD.has(name)).map((metric) => {
    const { name, label } = metric;
    const full = { ...metric, name: `millpond.${name}` };
    return label === undefined ? full : { ...full, attribute: label === 'code' ? 'error.type' : `millpond.${label}` };
  }),
];

export function observables(meter: OtelMeter): Instrument[] {
  return DESCRIBED.map((metric) => {
    const options = { description: metric.help, unit: metric.unit };
    const observable = metric.kind === 'gauge' ? meter.createObservableUpDownCounter(metric.name, options)
      : meter.createObservableCounter(metric.name, options);
    return { ...metric, observable };
  });
}

/**
 * OpenTelemetry has no histogram that is read: the three times are recorded as they come, one call of the SDK per acquire, per end of a
 * lease and per create, with attributes that are made once per pool. That is a constant cost, and the largest one here: who does not want
 * it has `poolMetrics` (producer.ts).
 */
export function histograms(meter: OtelMeter): (pool: Pool<unknown>) => () => void {
  const make = (name: string, description: string): ReturnType<OtelMeter['createHistogram']> =>
    meter.createHistogram(`db.client.connection.${name}`, { description, unit: 's', advice: { explicitBucketBoundaries: [...BUCKETS] } });
  const create = make('create_time', 'What a create took that succeeded.');
  const wait = make('wait_time', 'From an acquire to its lease.');
  const use = make('use_time', 'From a lease to its end.');
  return (pool) => {
    const attributes = attributesOf(pool);
    const ends = [
      pool.on('create', ({ durationMs }) => create.record(durationMs / 1000, attributes)),
      pool.on('acquire', ({ waitMs }) => wait.record(waitMs / 1000, attributes)),
      pool.on('release', ({ useMs }) => use.record(useMs / 1000, attributes)),
    ];
    return () => {
      for (const end of ends) end();
    };
  };
}

export function withLabel(attributes: OtelAttributes, attribute: string | undefined, label: string | undefined): OtelAttributes {
  return attribute === undefined || label === undefined ? attributes : { ...attributes, [attribute]: label };
}

export function attributesOf(pool: Pool<unknown>): OtelAttributes {
  return { [POOL_NAME]: uniqueName(pool) };
}
