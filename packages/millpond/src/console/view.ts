// What the console tells of the process: plain data, the same for the page, for `millpond top` and for scripts. Lists are bounded; what
// is left out is counted.

import type { Histogram } from '../sight/histogram.ts';
import { queueOf, type LaneQueue } from '../sight/queue.ts';
import { settingsOf, type PoolSetting } from '../sight/settings.ts';
import { sightOf } from '../sight/sight.ts';
import type { PoolStats } from '../stats.ts';
import { masked, wallTime, type ConsoleEvent } from './events.ts';
import type { AtSize, LongHold, Peak, Point, Record, Recorder } from './recorder.ts';

/** A pool in the list. */
export interface PoolView {
  /** Its name, or `name#2` for the second of a name; behind `worker:` the thread where it is not the main one. */
  readonly id: string;
  readonly stats: PoolStats;
  readonly perSecond: number;
  readonly peaks: { readonly borrowed: Peak; readonly waiting: Peak };
  /** How long the leases that are out are held, longest first; at most 64. */
  readonly heldMs: readonly number[];
  /** The label of the first of those. */
  readonly heldBy: string | undefined;
  /** How long those who wait have waited, longest first; at most 64. */
  readonly waitedMs: readonly number[];
  /** In milliseconds; all 0 before the first acquire that was seen. */
  readonly wait: Quantiles;
}

export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface Distribution extends Quantiles {
  readonly meanMs: number;
  /** Up to so many ms, and how many. */
  readonly buckets: readonly (readonly [upToMs: number, count: number])[];
}

export interface HolderView {
  readonly id: number;
  readonly label?: string;
  readonly heldMs: number;
  readonly stack?: string;
}

/** A pool that somebody looks at. */
export interface PoolDetail {
  readonly id: string;
  readonly wait: Distribution;
  readonly use: Distribution;
  readonly create: Distribution;
  readonly holders: readonly HolderView[];
  readonly moreHolders: number;
  readonly longHolds: readonly LongHold[];
  readonly sizes: readonly AtSize[];
  readonly lanes: readonly LaneQueue[];
  readonly settings: readonly PoolSetting[];
  /** One per second, the oldest first. */
  readonly points: readonly Point[];
}

export interface Snapshot {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly process: { readonly pid: number; readonly node: string; readonly upMs: number; readonly startedAt: number };
  /** Whether the console may change anything. */
  readonly actions: boolean;
  readonly pools: readonly PoolView[];
  /** Pools that are not in the list. */
  readonly morePools: number;
  readonly detail: PoolDetail | undefined;
  readonly events: readonly ConsoleEvent[];
  /** Events that were not kept, since the console was made. */
  readonly eventsLeftOut: number;
}

export interface Wish {
  /** The pool to be told in detail. */
  readonly pool?: string | undefined;
  /** Only pools whose id has this in it. */
  readonly search?: string | undefined;
  /** Only events after the one with this id. */
  readonly eventsAfter?: number | undefined;
  /** How many points of the detail; default all. */
  readonly points?: number | undefined;
}

const MOST_LISTED = 100;
const MOST_AGES = 64;
const MOST_HOLDERS = 100;

export function snapshotOf(recorder: Recorder, actions: boolean, wish: Wish = {}): Snapshot {
  const records = recorder.records.filter(({ id }) => wish.search === undefined || id.includes(wish.search));
  const listed = records.length <= MOST_LISTED ? records : busiest(records, wish.pool);
  const detailed = wish.pool === undefined ? undefined : recorder.find(wish.pool);
  return {
    at: wallTime(),
    process: { pid: process.pid, node: process.version, upMs: performance.now(), startedAt: performance.timeOrigin },
    actions,
    pools: listed.map((record) => viewOf(record)),
    morePools: records.length - listed.length + recorder.unrecorded,
    detail: detailed === undefined ? undefined : detailOf(detailed, wish.points),
    events: recorder.log.since(wish.eventsAfter ?? 0),
    eventsLeftOut: recorder.log.leftOut,
  };
}

/** Those in which most happens, in the order of their making; the one that is looked at is always among them. */
function busiest(records: readonly Record[], looked: string | undefined): Record[] {
  const weight = ({ id, pool, perSecond }: Record): number => {
    if (id === looked) return Infinity;
    const { waiting, borrowed } = pool.stats();
    return waiting * 1_000 + borrowed * 10 + perSecond;
  };
  const weighed = records.map((record) => ({ record, weight: weight(record) })).sort((a, b) => b.weight - a.weight);
  const chosen = new Set(weighed.slice(0, MOST_LISTED).map(({ record }) => record));
  return records.filter((record) => chosen.has(record));
}

function viewOf({ id, pool, perSecond, peaks }: Record): PoolView {
  const stats = pool.stats();
  const holders = stats.borrowed > 0 && stats.borrowed <= MOST_AGES * 4 ? pool.holders().slice(0, MOST_AGES) : [];
  return {
    id, stats, perSecond: Math.round(perSecond * 10) / 10, peaks: { ...peaks },
    heldMs: holders.map(({ heldMs }) => Math.round(heldMs)), heldBy: holders[0]?.label,
    waitedMs: stats.waiting === 0 ? [] : queueOf(pool, MOST_AGES).waitedMs.map(Math.round),
    wait: quantilesOf(sightOf(pool).wait),
  };
}

function detailOf(record: Record, points: number | undefined): PoolDetail {
  const { id, pool } = record;
  const { wait, use, create } = sightOf(pool);
  const holders = pool.holders();
  const all = record.points.toArray();
  return {
    id,
    wait: distributionOf(wait), use: distributionOf(use), create: distributionOf(create),
    holders: holders.slice(0, MOST_HOLDERS).map((holder) => ({
      ...holder, heldMs: Math.round(holder.heldMs), ...maskedStack(holder.stack),
    })),
    moreHolders: Math.max(0, holders.length - MOST_HOLDERS),
    longHolds: [...record.holds.values()].sort((a, b) => b.longestMs - a.longestMs).slice(0, 20),
    sizes: [...record.sizes.values()].sort((a, b) => a.max - b.max),
    lanes: queueOf(pool, 0).lanes,
    settings: settingsOf(pool).map((setting) => ({ ...setting, value: masked(setting.value) })),
    points: points === undefined ? all : all.slice(all.length - Math.min(points, all.length)),
  };
}

function maskedStack(stack: string | undefined): { readonly stack?: string } {
  return stack === undefined ? {} : { stack: masked(stack) };
}

function quantilesOf(histogram: Histogram): Quantiles {
  const [p50, p95, p99] = [50, 95, 99].map((percent) => histogram.percentile(percent)) as [number, number, number];
  return { count: histogram.count, p50, p95, p99, max: histogram.maxMs };
}

function distributionOf(histogram: Histogram): Distribution {
  const { count, sumMs } = histogram;
  return {
    ...quantilesOf(histogram), meanMs: count === 0 ? 0 : sumMs / count,
    buckets: histogram.buckets().map((bucket) => [bucket.upToMs, bucket.count]),
  };
}
