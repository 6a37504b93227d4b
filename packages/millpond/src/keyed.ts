/// <reference lib="esnext.disposable" preserve="true" />
// A pool per key (host, tenant, credentials) under limits per key and over all. Each key has a pool of its own; the limit over all is a
// local budget that they share, so idle resources of a quiet key make room for a busy one. Keys that fell silent are forgotten.

import { localBudget } from './budget.ts';
import type { Clock } from './clock.ts';
import type { PoolState } from './engine/words.ts';
import { InvalidOptionError } from './errors.ts';
import type { Factory } from './factory.ts';
import type { Lease } from './lease.ts';
import { Checker, POOL_OPTION_KEYS, resolveOptions, type AcquireOptions, type PoolOptions } from './options.ts';
import { Pool, quiesce, type CloseOptions, type CloseResult, type QuiesceOptions, type QuiesceResult } from './pool.ts';
import { systemClock } from './runtime/clock.ts';
import { redact } from './runtime/refusals.ts';
import type { PoolStats } from './stats.ts';

export interface KeyedPoolOptions<K, T> extends Omit<PoolOptions<T>, 'factory' | 'budget'> {
  /** The factory for a key; called when the key is first asked for, and again after it was forgotten. */
  readonly factory: (key: K) => Factory<T>;
  /** What makes two keys the same. Default: the key itself, as a string; keys that are objects need this option. */
  readonly keyOf?: (key: K) => string;
  /** The most resources over all keys. Default Infinity. `max` is the limit per key. */
  readonly maxTotal?: number;
  /** A key without resources and waiters is forgotten after this. Default 60 000 ms; 0 or Infinity: never. */
  readonly forgetAfterMs?: number;
}

export interface KeyedPoolStats {
  readonly name: string;
  /** Keys that are known at present. */
  readonly keys: number;
  readonly size: number;
  readonly idle: number;
  readonly borrowed: number;
  readonly waiting: number;
  readonly perKey: ReadonlyMap<string, PoolStats>;
}

/** Objects have no text of their own: as strings they are all the same, and tenants would share their connections. */
function textOf(key: unknown): string {
  if ((typeof key === 'object' && key !== null) || typeof key === 'function') {
    throw new InvalidOptionError('keyOf', 'keys that are objects need the option keyOf, which says what makes two of them the same',
      'keyed');
  }
  return String(key);
}

interface Entry<T> {
  readonly pool: Pool<T>;
  /** When it was last seen with something in it. */
  busyAt: number;
}

const NO_FACTORY: Factory<never> = { create: () => Promise.reject(new Error('no key')), destroy: () => undefined };
const OWN_KEYS = ['keyOf', 'maxTotal', 'forgetAfterMs'] as const;

let unnamed = 0;

/** Pools by key. Throws {@link InvalidOptionError} for options that are wrong. */
export class KeyedPool<K, T> implements AsyncDisposable {
  readonly name: string;
  readonly #options: Omit<PoolOptions<T>, 'factory'>;
  readonly #factory: (key: K) => Factory<T>;
  readonly #keyOf: (key: K) => string;
  readonly #forgetAfterMs: number;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry<T>>();
  #cancelSweep: (() => void) | undefined;
  #closing: Promise<CloseResult> | undefined;

  constructor(options: KeyedPoolOptions<K, T>) {
    const { factory, keyOf, maxTotal, forgetAfterMs, name, ...rest } = options;
    this.name = name ?? `keyed-${++unnamed}`;
    const check = new Checker(this.name);
    check.keys('', options, [...POOL_OPTION_KEYS.filter((key) => key !== 'budget'), ...OWN_KEYS]);
    check.functionAt('factory', factory, true);
    check.functionAt('keyOf', keyOf, false);
    const total = check.count('maxTotal', maxTotal, Infinity, 1);
    this.#forgetAfterMs = check.limit('forgetAfterMs', forgetAfterMs, 60_000);
    this.#clock = options.clock ?? systemClock;
    this.#factory = factory;
    this.#keyOf = keyOf ?? textOf;
    // Also what concerns the pools of keys is checked now, not when the first key comes.
    resolveOptions({ ...rest, factory: NO_FACTORY }, this.name);
    this.#options = total === Infinity ? rest : { ...rest, budget: localBudget({ limit: total }) };
  }

  acquire(key: K, options?: AcquireOptions): Promise<Lease<T>> {
    return this.#withPool(key, (pool) => pool.acquire(options));
  }

  /** An idle resource of this key now, or undefined. */
  tryAcquire(key: K): Lease<T> | undefined {
    return this.#closing === undefined ? this.#entries.get(this.#keyOf(key))?.pool.tryAcquire() : undefined;
  }

  use<R>(key: K, fn: (resource: T, lease: Lease<T>) => R, options?: AcquireOptions): Promise<Awaited<R>> {
    return this.#withPool(key, (pool) => pool.use(fn, options));
  }

  /** The pool of a key, if the key is known at present: for its events, its size, its eviction. It may be forgotten when it is empty. */
  get(key: K): Pool<T> | undefined {
    return this.#entries.get(this.#keyOf(key))?.pool;
  }

  /**
   * The pool of a key, made if the key is not known: to size it, warm it or listen to it before anybody asks. One with a `min` is not
   * forgotten.
   */
  open(key: K): Pool<T> {
    return this.#entry(key).pool;
  }

  /** Evicts everything of one key, or of all. Returns how many it concerns. */
  evict(key?: K): number {
    if (key !== undefined) return this.get(key)?.evict() ?? 0;
    let sum = 0;
    for (const { pool } of this.#entries.values()) sum += pool.evict();
    return sum;
  }

  /** {@link Pool.quiesce} of all keys. */
  quiesce(options?: QuiesceOptions): Promise<QuiesceResult> {
    return quiesce([...this.#entries.values()].map(({ pool }) => pool), options);
  }

  stats(): KeyedPoolStats {
    const perKey = new Map<string, PoolStats>();
    let size = 0;
    let idle = 0;
    let borrowed = 0;
    let waiting = 0;
    for (const [key, { pool }] of this.#entries) {
      const stats = pool.stats();
      perKey.set(key, stats);
      size += stats.size;
      idle += stats.idle;
      borrowed += stats.borrowed;
      waiting += stats.waiting;
    }
    return { name: this.name, keys: perKey.size, size, idle, borrowed, waiting, perKey };
  }

  get state(): PoolState {
    if (this.#closing === undefined) return 'open';
    for (const { pool } of this.#entries.values()) if (pool.state !== 'closed') return 'draining';
    return 'closed';
  }

  /** Closes the pools of all keys. Again: the same promise; an earlier deadline counts. */
  close(options?: CloseOptions): Promise<CloseResult> {
    this.#cancelSweep?.();
    const results = [...this.#entries.values()].map(({ pool }) => pool.close(options));
    this.#closing ??= Promise.all(results).then((all) => ({ abandoned: all.flatMap(({ abandoned }) => abandoned) }));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What the factory for a new key throws is a rejection like every other failure. */
  #withPool<R>(key: K, work: (pool: Pool<T>) => Promise<R>): Promise<R> {
    try {
      return work(this.#entry(key).pool);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #entry(key: K): Entry<T> {
    const id = this.#keyOf(key);
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      const closed = this.#closing !== undefined;
      const options = closed ? { ...this.#options, min: 0 } : this.#options;
      const pool = new Pool<T>({ ...options, name: `${this.name}/${redact(id)}`, factory: this.#factory(key) });
      entry = { pool, busyAt: this.#clock.now() };
      // After the end a key that comes new gets a pool that is closed as well, so that it refuses in the same words.
      if (closed) void pool.close();
      else this.#entries.set(id, entry);
      this.#armSweep();
    }
    return entry;
  }

  /** One timer for all keys, which never keeps the process alive. */
  #armSweep(): void {
    if (this.#closing !== undefined || this.#cancelSweep !== undefined) return;
    if (this.#forgetAfterMs === Infinity || this.#entries.size === 0) return;
    this.#cancelSweep = this.#clock.schedule(this.#clock.now() + this.#forgetAfterMs / 2, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      this.#armSweep();
    }, false);
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [id, entry] of this.#entries) {
      // A server that is down leaves nothing in the pool of a key that is to be warm: that is no reason to give up on it.
      const { size, waiting, min } = entry.pool.stats();
      if (size > 0 || waiting > 0 || min > 0) entry.busyAt = now;
      else if (now - entry.busyAt >= this.#forgetAfterMs) {
        this.#entries.delete(id);
        void entry.pool.close();
      }
    }
  }
}
