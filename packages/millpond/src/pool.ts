/// <reference lib="esnext.disposable" preserve="true" />
// The face of a pool. It checks what callers hand in and leaves the rest to the driver and the engine.

import type { Clock } from './clock.ts';
import { close, evictAll, evictSome, isOver, leftOf, pause, quiet, resize, resume, wake } from './engine/control.ts';
import type { Engine } from './engine/engine.ts';
import type { Lane } from './engine/lanes.ts';
import type { PoolState } from './engine/words.ts';
import {
  AcquireTimeoutError, CreateError, InvalidOptionError, NestedAcquireError, PoolClosedError, withoutStack, type AcquireErrorInit,
} from './errors.ts';
import type { PoolEvents } from './events.ts';
import type { ResourceInfo } from './factory.ts';
import type { Holder, Lease } from './lease.ts';
import { Checker, nameOf, resolveOptions, resolveSize, type AcquireOptions, type PoolOptions } from './options.ts';
import { systemClock } from './runtime/clock.ts';
import { currentFrame, enclosing, firstFrame, place, withHolding } from './runtime/context.ts';
import { Driver } from './runtime/driver.ts';
import type { LeaseMeta, LiveLease } from './runtime/lease.ts';
import { reason } from './runtime/refusals.ts';
import { Ticket } from './runtime/ticket.ts';
import type { PoolStats } from './stats.ts';
import { enroll } from './telemetry/living.ts';
import { acquiring } from './telemetry/tracing.ts';
import { isThenable } from './thenable.ts';

export interface CloseOptions {
  /** How long leases that are out are waited for. Default 10 000 ms; Infinity waits for as long as it takes. */
  readonly deadlineMs?: number;
  /** Aborting it brings the deadline to now. */
  readonly signal?: AbortSignal;
}

export interface CloseResult {
  /** Leases still out when the deadline passed, with what is known of their holders. */
  readonly abandoned: readonly { readonly label?: string; readonly heldMs: number; readonly stack?: string }[];
}

export interface QuiesceOptions {
  /** How long what is borrowed, or on its way, is waited for. Default 1 000 ms; Infinity waits for as long as it takes. */
  readonly deadlineMs?: number;
}

export interface QuiesceResult {
  /** Resources that were let go and are not gone yet: borrowed, or being closed. 0: the server has everything back. */
  readonly left: number;
  /** Who holds those that are borrowed, longest first. */
  readonly holders: readonly Holder[];
}

interface ReadyWaiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const DEFAULT_CLOSE_DEADLINE_MS = 10_000;
const DEFAULT_QUIESCE_DEADLINE_MS = 1_000;
const NO_META: LeaseMeta | undefined = undefined;
const traced = acquiring.start;

/** A pool of resources made by a {@link Factory}. Throws {@link InvalidOptionError} for options that are wrong. */
export class Pool<T> implements AsyncDisposable {
  readonly name: string;
  readonly #driver: Driver<T>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #timeoutMs: number;
  #stackShare = 0;
  readonly #nested: 'allow' | 'warn' | 'error';
  /** Lane, when there is only one and nothing has to be looked up or kept per acquire. */
  #plainLane: Lane | undefined = undefined;
  readonly #ready = new Set<ReadyWaiter>();
  readonly #warned = new Set<string>();
  /** Each looks whether its quiesce has come to its end. */
  readonly #quiescing = new Set<() => void>();
  #closing: Promise<CloseResult> | undefined;

  constructor(options: PoolOptions<T>) {
    this.name = nameOf(options);
    const resolved = resolveOptions(options, this.name);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#timeoutMs = Math.ceil(resolved.acquireTimeoutMs);
    this.#nested = resolved.nested;
    const driver = new Driver<T>({ name: this.name, factory: options.factory, resolved, clock: this.#clock, random: this.#random });
    this.#driver = driver;
    const { engine } = driver;
    this.captureStacks(resolved.stackShare);
    driver.onLess = () => {
      for (const look of this.#quiescing) look();
    };
    driver.onCreateEnd = (error, permanent) => this.#settleReady(error, permanent);
    if (options.budget !== undefined) {
      driver.sit(options.budget.join({
        name: this.name,
        held: () => engine.slots.size,
        demand: () => {
          const { min, max, sharing } = engine.settings;
          return Math.min(max, Math.max(min, engine.slots.borrowed + Math.ceil(engine.waiting / sharing)));
        },
        stats: () => driver.stats(),
        factory: options.factory,
      }));
    }
    engine.tick(this.#clock.now());
    enroll(this);
  }

  /** @internal The rules behind a pool: the simulator looks at them after every step. */
  static engineOf<T>(pool: Pool<T>): Engine<T> {
    return pool.#driver.engine;
  }

  /**
   * An acquire for what stands between callers and a pool: an adapter that queues whole requests, a pool with another face. `served` or
   * `refused` is called once, in the middle of what serves or refuses, and in whatever async context that is; a promise and its turn of
   * the queue less. Returns how to leave, which is told to `refused`. `timeoutMs`: whole or Infinity, instead of acquireTimeoutMs.
   */
  static queue<T>(
    pool: Pool<T>, served: (lease: Lease<T>, waitedMs: number) => void, refused: (error: unknown) => void, timeoutMs?: number,
  ): (reason: unknown) => void {
    const driver = pool.#driver;
    const now = pool.#clock.now();
    const meta = pool.#metaFor(undefined, Pool.queue);
    const ticket = new Ticket(pool.#laneFor(undefined), now, timeoutMs ?? pool.#timeoutMs, meta, served, refused);
    driver.enqueue(ticket, now);
    return (reason) => driver.engine.abort(ticket, reason, pool.#clock.now());
  }

  get state(): PoolState {
    return this.#driver.engine.state;
  }

  /**
   * Borrows a resource: at once when one is idle, else after waiting in line for at most `acquireTimeoutMs`.
   * Rejects with an {@link AcquireError}, or with `signal.reason` when the signal aborts first.
   */
  acquire(options?: AcquireOptions): Promise<Lease<T>> {
    const lane = this.#plainLane;
    if (options !== undefined || lane === undefined || traced.hasSubscribers) return this.#acquireWith(options ?? {}, this.acquire);
    const lease = this.#driver.lend(lane, NO_META);
    return lease === undefined ? this.#driver.wait(lane, this.#timeoutMs, undefined, NO_META) : Promise.resolve(lease);
  }

  /** An idle resource now, or undefined. Never waits, creates or validates. */
  tryAcquire(options?: Pick<AcquireOptions, 'lane' | 'label'>): Lease<T> | undefined {
    const lane = this.#plainLane;
    if (options === undefined && lane !== undefined) return this.#driver.lend(lane, NO_META);
    return this.#driver.lend(this.#laneFor(options?.lane), this.#metaFor(options?.label, this.tryAcquire));
  }

  /**
   * Acquires, runs `fn` and releases, whether it returns, throws or rejects. The resource is released when what `fn` returned has
   * settled; the signal ends only the wait for it.
   */
  use<R>(fn: (resource: T, lease: Lease<T>) => R, options?: AcquireOptions): Promise<Awaited<R>> {
    const lane = this.#plainLane;
    if (options === undefined && lane !== undefined && !traced.hasSubscribers) {
      const lease = this.#driver.lend(lane, NO_META);
      if (lease !== undefined) return run(lease, fn);
      return this.#driver.wait(lane, this.#timeoutMs, undefined, NO_META).then((late) => run(late, fn));
    }
    const acquired = this.#acquireWith(options ?? {}, this.use);
    return acquired.then((lease) => this.#nested === 'allow' ? run(lease, fn) : this.#runInside(lease, fn));
  }

  /**
   * Resolves when `min` resources are alive. Rejects with a {@link CreateError} when a create fails for good (or at all, with `createRetry:
   * false`), and with an {@link AcquireTimeoutError} when it takes longer than `timeoutMs` (default: acquireTimeoutMs); both have the last
   * create error as `cause`.
   */
  ready(options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {}): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const timeoutMs = new Checker(this.name).duration('timeoutMs', options.timeoutMs, this.#timeoutMs);
      signal?.throwIfAborted();
      const startedAt = this.#clock.now();
      const end = (settle: () => void): void => {
        this.#ready.delete(waiter);
        cancel?.();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = (): void => end(() => reject(signal!.reason));
      const waiter: ReadyWaiter = { resolve: () => end(resolve), reject: (error) => end(() => reject(error)) };
      const cancel = timeoutMs === Infinity ? undefined
        : this.#clock.schedule(startedAt + timeoutMs, () => waiter.reject(this.#notReady(this.#clock.now() - startedAt)), true);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#ready.add(waiter);
      if (this.#driver.engine.quiet) wake(this.#driver.engine, startedAt);
      this.#settleReady();
    });
  }

  /**
   * Ends resources on request: idle ones now, borrowed ones on release. Without a predicate: everything of this generation, running creates
   * included, and a new generation begins. With `spreadMs` they are replaced evenly over that time, without dipping below `min`
   * where `max` leaves room for it. Returns how many it concerns.
   */
  evict(options: { readonly where?: (resource: T, info: ResourceInfo) => boolean; readonly spreadMs?: number } = {}): number {
    const check = new Checker(this.name);
    check.object('options', options);
    check.keys('', options, ['where', 'spreadMs']);
    check.functionAt('where', options.where, false);
    const spreadMs = check.finite('spreadMs', check.duration('spreadMs', options.spreadMs, 0));
    const { engine } = this.#driver;
    const now = this.#clock.now();
    const { where } = options;
    if (where === undefined) return evictAll(engine, spreadMs, now);
    // Asked of all first: a predicate that throws must not leave half of them evicted.
    const chosen = [...engine.slots.aliveSlots()].filter((slot) => where(slot.resource as T, this.#driver.infoOf(slot)));
    return evictSome(engine, chosen, spreadMs, now);
  }

  /**
   * Changes, for what stands on top of a pool, how long resources may be idle and may live, and after how much idleness they are validated;
   * in milliseconds, Infinity for no limit. Idle resources are looked at at once; a lifetime counts for those that are made from now on.
   */
  static retime<T>(
    pool: Pool<T>, times: { readonly idleTimeoutMs: number; readonly maxLifetimeMs: number; readonly validateAfterIdleMs: number },
  ): void {
    Object.assign(pool.#driver.engine.settings, times);
    pool.resize({});
  }

  /** Changes the size at any time. Growing serves waiters in this call; shrinking never ends a lease. */
  resize(size: { readonly min?: number; readonly max?: number }): void {
    const { engine } = this.#driver;
    const { min, max } = resolveSize(size, engine.settings, this.name);
    resize(engine, min, max, this.#clock.now());
    this.#settleReady();
  }

  /** Sets the part of the acquires whose stack is kept, from 0 to 1, as the option of this name does. Returns what it was. */
  captureStacks(share: number): number {
    const { lanes } = this.#driver.engine;
    const before = this.#stackShare;
    this.#stackShare = new Checker(this.name).number('captureStacks', share, 0, { most: 1 });
    this.#plainLane = lanes.many || this.#nested !== 'allow' || share > 0 ? undefined : lanes.all[0];
    return before;
  }

  /**
   * Holds new work: nothing is lent or created until {@link resume}. Waiters keep their deadlines; with `reject` they fail, as do new
   * ones.
   */
  pause(options: { readonly reject?: boolean } = {}): void {
    pause(this.#driver.engine, options.reject ?? false, this.#clock.now());
  }

  resume(): void {
    resume(this.#driver.engine, this.#clock.now());
  }

  /**
   * Lets go of everything before the process is frozen or ends: idle resources are destroyed now, borrowed ones when they are given back.
   * Resolves when all of that is gone, or at the deadline, and tells what is left. The pool stays open: who waits is served, and the next
   * acquire finds it working as before; until then nothing is created for `min`. Rejects with an {@link InvalidOptionError}.
   */
  quiesce(options: QuiesceOptions = {}): Promise<QuiesceResult> {
    return new Promise((resolve) => {
      const check = new Checker(this.name);
      check.object('options', options);
      check.keys('', options, ['deadlineMs']);
      const deadlineMs = check.duration('deadlineMs', options.deadlineMs, DEFAULT_QUIESCE_DEADLINE_MS);
      const { engine } = this.#driver;
      const now = this.#clock.now();
      const generation = quiet(engine, now);
      const settle = (): void => {
        this.#quiescing.delete(look);
        cancel?.();
        const left = leftOf(engine, generation).map(({ id }) => id);
        resolve({ left: left.length, holders: this.holders().filter(({ id }) => left.includes(id)) });
      };
      const look = (): void => {
        if (isOver(engine, generation)) settle();
      };
      const cancel = deadlineMs === Infinity ? undefined : this.#clock.schedule(now + deadlineMs, settle, true);
      this.#quiescing.add(look);
      look();
    });
  }

  /** A snapshot, in constant time. */
  stats(): PoolStats {
    return this.#driver.stats();
  }

  /** Who holds a resource now, longest first. */
  holders(): Holder[] {
    return this.#driver.holders();
  }

  /**
   * Subscribes; returns the unsubscribe function. A listener that throws is reported as a warning of the process and does no other harm.
   */
  on<K extends keyof PoolEvents<T>>(name: K, listener: (event: PoolEvents<T>[K]) => void): () => void {
    return this.#driver.events.on(name, listener);
  }

  /**
   * Closes: waiters reject at once, idle resources are destroyed, leases that are out get until the deadline and are then ended by the
   * pool. Resolves when everything is gone. Again: the same promise; an earlier deadline counts.
   */
  close(options: CloseOptions = {}): Promise<CloseResult> {
    const check = new Checker(this.name);
    check.object('options', options);
    check.keys('', options, ['deadlineMs', 'signal']);
    const deadlineMs = check.duration('deadlineMs', options.deadlineMs, this.#closing === undefined ? DEFAULT_CLOSE_DEADLINE_MS : Infinity);
    const { signal } = options;
    const closing = this.#closing ??= this.#beginClose();
    const end = (inMs: number): void => {
      const now = this.#clock.now();
      close(this.#driver.engine, now + inMs, now);
    };
    end(signal?.aborted === true ? 0 : deadlineMs);
    if (signal !== undefined && !signal.aborted && this.state !== 'closed') {
      const onAbort = (): void => end(0);
      signal.addEventListener('abort', onAbort, { once: true });
      void closing.then(() => signal.removeEventListener('abort', onAbort));
    }
    this.#settleReady();
    return closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---------------------------------------------------------------------- details

  #acquireWith(options: AcquireOptions, entry: (...args: never[]) => unknown): Promise<LiveLease<T>> {
    if (!traced.hasSubscribers) return this.#take(options, entry);
    return acquiring.tracePromise(() => this.#take(options, entry), { pool: this.name, ...options });
  }

  #take(options: AcquireOptions, entry: (...args: never[]) => unknown): Promise<LiveLease<T>> {
    const driver = this.#driver;
    try {
      const { signal, label } = options;
      const lane = this.#laneFor(options.lane);
      const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : this.#checkedTimeout(options.timeoutMs);
      const meta = this.#metaFor(label, entry);
      if (signal?.aborted === true) {
        driver.engine.totals.acquires++;
        driver.engine.totals.aborted++;
        driver.noteRefusal(signal.reason, 0);
        return Promise.reject(signal.reason);
      }
      if (this.#nested !== 'allow') this.#checkNesting(meta);
      const lease = driver.lend(lane, meta);
      return lease === undefined ? driver.wait(lane, timeoutMs, signal, meta) : Promise.resolve(lease);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Whole milliseconds, because waiters are listed by their timeout. */
  #checkedTimeout(timeoutMs: number): number {
    return Math.ceil(new Checker(this.name).duration('timeoutMs', timeoutMs, 0));
  }

  #laneFor(name: string | undefined): Lane {
    const { lanes } = this.#driver.engine;
    if (name !== undefined) {
      const lane = lanes.find(name);
      if (lane === undefined) {
        const known = lanes.all.map((each) => each.name).join(', ');
        throw new InvalidOptionError('lane', `unknown lane ${JSON.stringify(name)}; there are ${known}`, this.name);
      }
      return lane;
    }
    const inherited = lanes.many ? currentFrame()?.lane : undefined;
    return (inherited === undefined ? undefined : lanes.find(inherited)) ?? lanes.all[0]!;
  }

  #metaFor(label: string | undefined, entry: (...args: never[]) => unknown): LeaseMeta | undefined {
    const traced = this.#stackShare > 0 && (this.#stackShare >= 1 || this.#random() < this.#stackShare);
    if (!traced) return label === undefined ? undefined : { label, trace: undefined };
    const trace: { readonly stack?: string } = {};
    Error.captureStackTrace(trace, entry);
    return { label, trace };
  }

  /** For what is like an acquire in this pool though it goes another way: throws or warns as `nested` says. */
  protected checkNested(): void {
    if (this.#nested !== 'allow') this.#checkNesting(this.#metaFor(undefined, this.checkNested));
  }

  #checkNesting(meta: LeaseMeta | undefined): void {
    const outer = enclosing(this.#driver);
    if (outer === undefined) return;
    const inner = meta?.trace?.stack;
    const named = outer.label === undefined ? '' : ` "${outer.label}"`;
    const message = `Pool "${this.name}": an acquire inside of a lease${named} of the same pool. `
      + 'When everybody does that at once, nobody gets the second. Use the resource that is there, or acquire both before starting.\n'
      + `The outer lease was acquired${place(outer.stack)}\nThe inner acquire${place(inner)}`;
    if (this.#nested === 'error') {
      const { totals } = this.#driver.engine;
      totals.acquires++;
      totals.rejected++;
      const error = withoutStack(() => new NestedAcquireError(message, this.#errorInit('ERR_POOL_NESTED_ACQUIRE')));
      this.#driver.noteRefusal(error, 0);
      throw error;
    }
    // Once per pair of places: the same line in a loop is one mistake.
    const key = `${firstFrame(outer.stack)}\n${firstFrame(inner)}`;
    if (this.#warned.has(key) || this.#warned.size >= 100) return;
    this.#warned.add(key);
    process.emitWarning(message, { type: 'PoolWarning', code: 'ERR_POOL_NESTED_ACQUIRE' });
  }

  #runInside<R>(lease: LiveLease<T>, fn: (resource: T, lease: Lease<T>) => R): Promise<Awaited<R>> {
    const { meta } = lease;
    return withHolding({ owner: this.#driver, lease, label: meta?.label, stack: meta?.trace?.stack }, () => run(lease, fn));
  }

  #settleReady(error?: unknown, permanent = false): void {
    if (this.#ready.size === 0) return;
    const { engine } = this.#driver;
    if (engine.closing) {
      for (const waiter of [...this.#ready]) waiter.reject(this.#closedError());
    } else if (engine.slots.alive >= engine.settings.min) {
      for (const waiter of [...this.#ready]) waiter.resolve();
    } else if (error !== undefined && (permanent || !engine.settings.retryForWaiters)) {
      const failure = new CreateError(`Pool "${this.name}" is not ready, because a resource could not be created: ${reason(error)}.`,
        { ...this.#errorInit('ERR_POOL_CREATE_FAILED'), retryable: !permanent, cause: error });
      for (const waiter of [...this.#ready]) waiter.reject(failure);
    }
  }

  #notReady(waitedMs: number): AcquireTimeoutError {
    const { alive } = this.#driver.engine.slots;
    const { lastCreateError, settings } = this.#driver.engine;
    const why = lastCreateError === undefined ? '' : ` The last create failed: ${reason(lastCreateError)}.`;
    const cause = lastCreateError === undefined ? {} : { cause: lastCreateError };
    const numbers = `${alive} of min ${settings.min} alive`;
    return new AcquireTimeoutError(`Pool "${this.name}" was not ready after ${Math.round(waitedMs)} ms: ${numbers}.${why}`,
      { ...this.#errorInit('ERR_POOL_ACQUIRE_TIMEOUT'), retryable: true, waitedMs, ...cause });
  }

  #closedError(): PoolClosedError {
    return new PoolClosedError(`Pool "${this.name}" is ${this.state}.`, this.#errorInit('ERR_POOL_CLOSED'));
  }

  #errorInit(code: AcquireErrorInit['code']): AcquireErrorInit {
    return { code, pool: this.name, stats: this.stats(), waitedMs: 0 };
  }

  #beginClose(): Promise<CloseResult> {
    const abandoned: { label?: string; heldMs: number; stack?: string }[] = [];
    this.#driver.onRevoke = ({ label, heldMs, stack }) => {
      abandoned.push({ ...(label === undefined ? {} : { label }), heldMs, ...(stack === undefined ? {} : { stack }) });
    };
    return new Promise((resolve) => {
      this.#driver.onState = (to) => {
        if (to === 'closed') resolve({ abandoned });
      };
    });
  }
}

/**
 * {@link Pool.quiesce} of each, side by side under one deadline: pools, keyed pools, and whatever else has the method. Tells what is left
 * of all. Rejects when one of them does, after all have begun.
 */
export async function quiesce(
  pools: Iterable<{ quiesce(options?: QuiesceOptions): Promise<QuiesceResult> }>, options?: QuiesceOptions,
): Promise<QuiesceResult> {
  const results = await Promise.all([...pools].map((pool) => pool.quiesce(options)));
  return {
    left: results.reduce((sum, { left }) => sum + left, 0),
    holders: results.flatMap(({ holders }) => holders),
  };
}

/** Runs `fn` with a lease and ends it when what it returned has settled. */
function run<T, R>(lease: LiveLease<T>, fn: (resource: T, lease: Lease<T>) => R): Promise<Awaited<R>> {
  let result: R;
  try {
    result = fn(lease.resource, lease);
  } catch (error) {
    if (!lease.ended) lease.release();
    return Promise.reject(error);
  }
  if (!isThenable(result)) {
    if (!lease.ended) lease.release();
    return Promise.resolve(result);
  }
  return Promise.resolve(result as Promise<Awaited<R>>).then(
    (value) => {
      if (!lease.ended) lease.release();
      return value;
    },
    (error: unknown) => {
      if (!lease.ended) lease.release();
      throw error;
    },
  );
}
