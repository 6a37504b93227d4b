// What the console knows of each pool beyond its present: a line of the last minutes, peaks, what it gave at each size, and who has held
// something for long. One reading a second of every pool, whether somebody looks or not: what happened at night can be seen in the
// morning. What costs more, the distribution of waits and uses, is measured only from the first viewer on.

import { threadId } from 'node:worker_threads';
import type { Pool } from '../pool.ts';
import { uniqueName } from '../sight/names.ts';
import { everyPool, watchPools, type PoolFilter, type Watch } from '../sight/watch.ts';
import type { PoolStats } from '../stats.ts';
import { EventLog, wallTime } from './events.ts';
import { Ring } from './ring.ts';

/** One second of a pool: idle, borrowed, waiting, being created; served in that second; max. */
export type Point = readonly [at: number, idle: number, borrowed: number, waiting: number, creating: number, perSecond: number,
  max: number];

export interface Peak {
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What was served while the pool had this size. */
export interface AtSize {
  readonly max: number;
  seconds: number;
  served: number;
}

export interface LongHold {
  readonly label: string;
  longestMs: number;
  seen: number;
}

export interface Record {
  readonly id: string;
  readonly pool: Pool<unknown>;
  readonly points: Ring<Point>;
  readonly peaks: { borrowed: Peak; waiting: Peak };
  readonly sizes: Map<number, AtSize>;
  readonly holds: Map<string, LongHold>;
  /** Served per second, over the last two readings. */
  perSecond: number;
  last: { readonly at: number; readonly stats: PoolStats };
  readonly deaf: () => void;
}

const SECONDS_KEPT = 300;
const INTERVAL_MS = 1_000;
/** Of more pools than this the others are counted, not recorded. */
const MOST_POOLS = 1_000;
const MOST_SIZES = 32;
const MOST_LABELS = 50;
/** Of a pool with more leases than this nobody reads who holds them, every second. */
const MOST_HOLDERS = 200;
/** A hold shorter than this is nobody's trouble. */
const LONG_MS = 1_000;

export class Recorder {
  readonly log: EventLog = new EventLog();
  /** Weakly: to be looked at must not keep a pool alive that everybody else has dropped. */
  readonly #records = new WeakMap<Pool<unknown>, Record>();
  #count = 0;
  /** Pools beyond the most that are recorded. */
  unrecorded = 0;
  readonly #watch: Watch;
  readonly #timer: NodeJS.Timeout;
  readonly #onTick = new Set<() => void>();

  constructor(filter: PoolFilter = everyPool) {
    this.#watch = watchPools(filter, (pool) => this.#attach(pool));
    this.#timer = setInterval(() => this.tick(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Called after each reading. Returns how to stop. */
  onTick(listener: () => void): () => void {
    this.#onTick.add(listener);
    return () => this.#onTick.delete(listener);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#watch.stop();
  }

  /** In the order of the pools' making. */
  get records(): Record[] {
    return this.#watch.pools().flatMap((pool) => this.#records.get(pool) ?? []);
  }

  find(id: string): Record | undefined {
    return this.records.find((record) => record.id === id);
  }

  #attach(pool: Pool<unknown>): () => void {
    if (this.#count >= MOST_POOLS) {
      this.unrecorded++;
      return () => void this.unrecorded--;
    }
    // A pool that has just been made is enrolled before it has a name that is its own.
    const name = uniqueName(pool);
    const id = threadId === 0 ? name : `worker:${threadId}:${name}`;
    const at = wallTime();
    const none = { value: 0, at };
    const record: Record = {
      id, pool, points: new Ring(SECONDS_KEPT), peaks: { borrowed: none, waiting: none }, sizes: new Map(), holds: new Map(), perSecond: 0,
      last: { at, stats: pool.stats() }, deaf: this.log.listen(pool, id),
    };
    this.#records.set(pool, record);
    this.#count++;
    return () => {
      record.deaf();
      this.#records.delete(pool);
      this.#count--;
    };
  }

  /** One reading of every pool. */
  tick(): void {
    const at = wallTime();
    const { records } = this;
    // Those that were dropped have told nobody.
    this.#count = records.length;
    for (const record of records) this.#read(record, at);
    for (const listener of this.#onTick) listener();
  }

  #read(record: Record, at: number): void {
    const stats = record.pool.stats();
    const seconds = (at - record.last.at) / 1_000;
    const served = stats.totals.served - record.last.stats.totals.served;
    record.perSecond = seconds > 0 ? served / seconds : 0;
    record.points.add([at, stats.idle, stats.borrowed, stats.waiting, stats.creating, Math.round(record.perSecond), stats.max]);
    const { peaks } = record;
    if (stats.borrowed > peaks.borrowed.value) peaks.borrowed = { value: stats.borrowed, at };
    if (stats.waiting > peaks.waiting.value) peaks.waiting = { value: stats.waiting, at };
    // A second in which the size was changed belongs to neither.
    if (stats.max === record.last.stats.max && (served > 0 || stats.waiting > 0)) this.#noteSize(record, stats.max, seconds, served);
    record.last = { at, stats };
    if (stats.borrowed > 0 && stats.borrowed <= MOST_HOLDERS) noteHolds(record);
  }

  #noteSize({ sizes }: Record, max: number, seconds: number, served: number): void {
    const known = sizes.get(max);
    if (known === undefined && sizes.size >= MOST_SIZES) return;
    const noted = known ?? { max, seconds: 0, served: 0 };
    noted.seconds += seconds;
    noted.served += served;
    sizes.set(max, noted);
  }
}

function noteHolds({ pool, holds }: Record): void {
  for (const { label = '(no label)', heldMs } of pool.holders()) {
    if (heldMs < LONG_MS) break;
    const known = holds.get(label);
    if (known !== undefined) {
      known.longestMs = Math.max(known.longestMs, heldMs);
      known.seen++;
    } else if (holds.size < MOST_LABELS || makeRoom(holds, heldMs)) {
      holds.set(label, { label, longestMs: heldMs, seen: 1 });
    }
  }
}

/** Labels may be as many as requests, and what was held for long is not to be kept out by what came first. */
function makeRoom(holds: Map<string, LongHold>, longerThanMs: number): boolean {
  let shortest: LongHold | undefined;
  for (const hold of holds.values()) if (hold.longestMs < (shortest?.longestMs ?? longerThanMs)) shortest = hold;
  return shortest !== undefined && holds.delete(shortest.label);
}
