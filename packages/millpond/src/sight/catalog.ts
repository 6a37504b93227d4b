// Everything that exporters tell of a pool, once: name, meaning, and where the number comes from. An exporter only writes it down in the
// form of its receiver.

import type { Engine } from '../engine/engine.ts';
import { liveHolds } from '../engine/slots.ts';
import type { PoolState } from '../engine/words.ts';
import { Pool } from '../pool.ts';
import type { PoolStats } from '../stats.ts';
import type { Histogram } from './histogram.ts';
import { sightOf } from './sight.ts';
import { tallyOf, type Tally } from './tally.ts';

/** A pool at the moment in which it is looked at. */
export interface Sample {
  readonly pool: Pool<unknown>;
  readonly stats: PoolStats;
  readonly tally: Tally;
  /** Undefined of a pool of another copy of this package. */
  readonly engine: Engine<unknown> | undefined;
}

/** One number, several by the value of the label, or nothing to be told of this pool. */
export type Reading = number | Readonly<Record<string, number>> | undefined;

export interface Metric {
  /** In words joined by underscores; exporters put a prefix before it, and what their receivers want behind it. */
  readonly name: string;
  /** A gauge goes up and down, a counter only up. */
  readonly kind: 'gauge' | 'counter';
  /** What is counted, as OpenTelemetry writes it. */
  readonly unit: string;
  readonly help: string;
  readonly label?: 'state' | 'outcome' | 'code' | 'reason' | 'lane';
  read(sample: Sample): Reading;
}

export interface Timing {
  readonly name: 'wait' | 'use' | 'create';
  readonly help: string;
  read(sample: Sample): Histogram;
}

const STATES: readonly PoolState[] = ['open', 'paused', 'unavailable', 'draining', 'closed'];

export function sampleOf(pool: Pool<unknown>): Sample {
  const engine = pool instanceof Pool ? Pool.engineOf(pool) : undefined;
  return { pool, stats: pool.stats(), tally: tallyOf(pool), engine };
}

const GAUGES: readonly Metric[] = [
  {
    name: 'resources', kind: 'gauge', unit: '{resource}', label: 'state',
    help: 'Places taken, by the state of what is there: borrowed is what callers use.',
    read: ({ stats }) => {
      const { idle, borrowed, creating, validating, resetting, destroying } = stats;
      return { idle, borrowed, creating, validating, resetting, destroying };
    },
  },
  { name: 'resources_max', kind: 'gauge', unit: '{resource}', help: 'How many there may be.', read: ({ stats }) => stats.max },
  { name: 'resources_min', kind: 'gauge', unit: '{resource}', help: 'How many are kept ready.', read: ({ stats }) => stats.min },
  {
    name: 'resources_limit', kind: 'gauge', unit: '{resource}', help: 'How many there may be now: max, or less if a budget grants less.',
    read: ({ engine }) => engine?.limit,
  },
  { name: 'waiting', kind: 'gauge', unit: '{acquire}', help: 'Acquires that are not served yet.', read: ({ stats }) => stats.waiting },
  {
    name: 'pool_state', kind: 'gauge', unit: '1', label: 'state', help: '1 for the state that the pool is in, 0 for the others.',
    read: ({ stats }) => Object.fromEntries(STATES.map((state) => [state, Number(state === stats.state)])),
  },
  {
    name: 'lane_borrowed', kind: 'gauge', unit: '{lease}', label: 'lane', help: 'Leases that a lane holds, where there are several lanes.',
    read: ({ engine }) => byLane(engine, ({ held }) => held),
  },
  {
    name: 'lane_waiting', kind: 'gauge', unit: '{acquire}', label: 'lane', help: 'Acquires of a lane that are not served yet.',
    read: ({ engine }) => byLane(engine, ({ queue }) => queue.size),
  },
  {
    name: 'leak_suspects', kind: 'gauge', unit: '{lease}', help: 'Leases that are held for longer than leakThresholdMs at present.',
    read: ({ engine }) => engine === undefined || engine.settings.leakThresholdMs === Infinity ? undefined
      : liveHolds(engine.slots).filter(({ leaked }) => leaked).length,
  },
];

const COUNTERS: readonly Metric[] = [
  {
    name: 'acquires', kind: 'counter', unit: '{acquire}', label: 'outcome', help: 'Acquires that have been settled, by how.',
    read: ({ stats: { totals: { served, timedOut, aborted, rejected } } }) => ({ served, timedOut, aborted, rejected }),
  },
  {
    name: 'rejections', kind: 'counter', unit: '{acquire}', label: 'code',
    help: 'Acquires that were refused since the first look, by error.',
    read: ({ tally }) => Object.fromEntries(tally.rejected),
  },
  {
    name: 'creates', kind: 'counter', unit: '{resource}', help: 'Creates that yielded a resource.',
    read: ({ stats }) => stats.totals.created,
  },
  {
    name: 'create_errors', kind: 'counter', unit: '{create}', help: 'Creates that failed or timed out.',
    read: ({ stats }) => stats.totals.createErrors,
  },
  {
    name: 'destroys', kind: 'counter', unit: '{resource}', label: 'reason', help: 'Resources that are gone, by reason.',
    read: ({ stats }) => stats.totals.destroyed,
  },
  {
    name: 'destroy_timeouts', kind: 'counter', unit: '{destroy}', help: 'Destroys that took longer than destroyTimeoutMs.',
    read: ({ stats }) => stats.totals.destroyTimeouts,
  },
  {
    name: 'detaches', kind: 'counter', unit: '{resource}', help: 'Resources that left by lease.detach().',
    read: ({ stats }) => stats.totals.detached,
  },
  {
    name: 'leaks', kind: 'counter', unit: '{lease}', help: 'Leases that have passed leakThresholdMs since the first look.',
    read: ({ tally }) => tally.leaks,
  },
  {
    name: 'stale_releases', kind: 'counter', unit: '{release}', help: 'Ends of leases that had ended before.',
    read: ({ stats }) => stats.totals.staleReleases,
  },
];

export const METRICS: readonly Metric[] = [...GAUGES, ...COUNTERS];

export const TIMINGS: readonly Timing[] = [
  { name: 'wait', help: 'From an acquire to its lease.', read: ({ pool }) => sightOf(pool).wait },
  { name: 'use', help: 'From a lease to its end.', read: ({ pool }) => sightOf(pool).use },
  { name: 'create', help: 'What a create took that succeeded.', read: ({ pool }) => sightOf(pool).create },
];

/** A pool with one lane has nothing to tell of lanes. */
function byLane(engine: Engine<unknown> | undefined, read: (lane: Engine<unknown>['lanes']['all'][number]) => number): Reading {
  return engine?.lanes.many === true ? Object.fromEntries(engine.lanes.all.map((lane) => [lane.name, read(lane)])) : undefined;
}

/** The values of a reading, each with the value of its label. */
export function valuesOf(reading: Reading): (readonly [label: string | undefined, value: number])[] {
  if (reading === undefined) return [];
  return typeof reading === 'number' ? [[undefined, reading]] : Object.entries(reading);
}
