// The front door: a pool of PostgreSQL connections that runs statements and transactions itself.

import {
  InvalidOptionError, Pool, type AcquireOptions, type CloseOptions, type CloseResult, type Lease, type PoolStats,
  type QuiesceOptions, type QuiesceResult, type ResourceInfo,
} from '../../index.ts';
import { makeFactory } from './factory.ts';
import { splitPoolOptions, type PoolSettings } from './options.ts';
import { CARRIER_LABEL, Pipeline, type PipelineSettings } from './pipeline.ts';
import { LoneRequest } from './query.ts';
import { ownStatement } from './request.ts';
import { sessionOf, type Session } from './session.ts';
import { SharedRequest } from './shared.ts';
import { beginStatement, mayRetry, transact } from './transaction.ts';
import type {
  PgAnyRow, PgClient, PgPoolOptions, PgQueryConfig, PgQueryOptions, PgResult, PgRow, PgTransactionOptions,
} from './types.ts';
import { acquireOptions, Attempts, deadlineOf, NotSent } from '../common/attempts.ts';
import { QueryTimeoutError } from '../common/errors.ts';
import { pause, retriesOf, retryDelayMs } from '../common/retries.ts';
import type { Limit } from '../common/watch.ts';

/** One failover is told by every connection that there is; the pool moves on once. */
const FAILOVER_PAUSE_MS = 1_000;
/** Where PostgreSQL tells what a statement waits for. */
const LOOK_AT = 'pg_stat_activity, pg_locks';

/** Makes a {@link PgPool}. Throws {@link InvalidOptionError} for wrong options; connects only when `min` or an acquire asks for it. */
export function createPgPool<C extends PgClient = PgClient>(options: string | PgPoolOptions<C>): PgPool<C> {
  return new PgPool(options);
}

export class PgPool<C extends PgClient = PgClient> extends Pool<C> {
  /** As pg.Pool says it: for what looks at a pool to see how long its connections idle (`attachDatabasePool` of `@vercel/functions`). */
  readonly options: { readonly idleTimeoutMillis: number };
  /** @internal */
  readonly laned: boolean;
  readonly #cancelTimeoutMs: number;
  readonly #pipeline: Pipeline | undefined;
  #failedOverAt = -Infinity;
  #lastCreateError: unknown = undefined;
  #closing: Promise<CloseResult> | undefined;

  constructor(options: string | PgPoolOptions<C>) {
    const settings = splitPoolOptions(options);
    const { pool, factory: factoryOptions, cancelTimeoutMs } = settings;
    const { factory, owner, ownStatements } = makeFactory(factoryOptions, pool.name ?? 'pg', settings.prepared, settings.deadMan);
    if (settings.pipeline !== undefined && !ownStatements) {
      const what = 'needs the Client of node-postgres, 8.11 or newer, or a class derived from it';
      throw new InvalidOptionError('pipeline', `pipeline ${what}`, pool.name ?? 'pg');
    }
    super({ ...pool, factory });
    this.laned = pool.lanes !== undefined;
    this.options = { idleTimeoutMillis: pool.idleTimeoutMs ?? 600_000 };
    this.#cancelTimeoutMs = cancelTimeoutMs;
    this.#pipeline = this.#pipelineOf(settings);
    owner.pool = this.name;
    const tellCaller = owner.failover;
    owner.failover = (session, code) => {
      this.#failover(session);
      tellCaller(session, code);
    };
    this.on('create', ({ resource, info }) => {
      sessionOf(resource).generation = info.generation;
    });
  }

  // With a pipeline some connections are lent to it. Whatever is ordered of this pool is ordered of those, too; and whoever wants a
  // connection of his own, and finds none, gets one of them.

  override acquire(options?: AcquireOptions): Promise<Lease<C>> {
    const acquired = super.acquire(options);
    this.#pipeline?.makeWay();
    return acquired;
  }

  override tryAcquire(options?: Pick<AcquireOptions, 'lane' | 'label'>): Lease<C> | undefined {
    const lease = super.tryAcquire(options);
    return lease === undefined && this.#pipeline?.giveBackEmpty() === true ? super.tryAcquire(options) : lease;
  }

  override use<R>(fn: (resource: C, lease: Lease<C>) => R, options?: AcquireOptions): Promise<Awaited<R>> {
    const used = super.use(fn, options);
    this.#pipeline?.makeWay();
    return used;
  }

  override evict(options: { readonly where?: (resource: C, info: ResourceInfo) => boolean; readonly spreadMs?: number } = {}): number {
    const count = super.evict(options);
    // Those that are evicted one by one come back within a second by themselves.
    if (options.where === undefined && !options.spreadMs) this.#pipeline?.places.evict();
    return count;
  }

  override resize(size: { readonly min?: number; readonly max?: number }): void {
    super.resize(size);
    this.#pipeline?.resize(this.stats().max);
  }

  override pause(options: { readonly reject?: boolean } = {}): void {
    super.pause(options);
    this.#pipeline?.places.pause(options);
  }

  override resume(): void {
    super.resume();
    this.#pipeline?.places.resume();
  }

  override async quiesce(options?: QuiesceOptions): Promise<QuiesceResult> {
    const connections = super.quiesce(options);
    const statements = await this.#pipeline?.places.quiesce(options);
    const { left, holders } = await connections;
    if (statements === undefined) return { left, holders };
    return { left, holders: [...statements.holders, ...holders.filter(({ label }) => label !== CARRIER_LABEL)] };
  }

  override close(options: CloseOptions = {}): Promise<CloseResult> {
    const pipeline = this.#pipeline;
    if (pipeline === undefined) return super.close(options);
    const statements = pipeline.close(options);
    const connections = super.close(options);
    // Whose statement was cut off is told as who held a connection is; that statements run by means of connections is our affair.
    return this.#closing ??= connections.then(async ({ abandoned }) => ({
      abandoned: [
        ...(await statements).abandoned, ...pipeline.cutOff, ...abandoned.filter(({ label }) => label !== CARRIER_LABEL),
      ],
    }));
  }

  /** What is in flight and what waits with `pipeline`: a place is a statement's part of a connection. Undefined without. */
  pipelineStats(): PoolStats | undefined {
    return this.#pipeline?.places.stats();
  }

  /**
   * Borrows a connection, runs one statement and gives it back. Errors of the server are passed on as node-postgres makes them and do not
   * cost the connection. When `signal` aborts or `timeoutMs` passes, the promise rejects at once and the statement is cancelled at the
   * server.
   * A connection that turns out to be dead before anything was sent is replaced without a word; later, the error is a
   * {@link ConnectionLostError}, and nothing is sent twice.
   */
  query<R extends PgRow = PgAnyRow>(
    text: string | PgQueryConfig, values?: readonly unknown[], options?: PgQueryOptions,
  ): Promise<PgResult<R>>;
  query<R extends PgRow = PgAnyRow>(text: string | PgQueryConfig, options: PgQueryOptions): Promise<PgResult<R>>;
  query<R extends PgRow>(
    text: string | PgQueryConfig, second?: readonly unknown[] | PgQueryOptions, third?: PgQueryOptions,
  ): Promise<PgResult<R>> {
    return new Promise((resolve, reject) => {
      const values = Array.isArray(second) ? second as readonly unknown[] : undefined;
      const options = third ?? (values === undefined ? second as PgQueryOptions | undefined : undefined);
      this.#checkStatement(text, options);
      const own = ownStatement(text, values);
      const asked = { options, resolve, reject };
      const pipeline = own === undefined ? undefined : this.#pipeline;
      if (pipeline !== undefined) this.checkNested();
      const request = pipeline === undefined
        ? new LoneRequest(this, { text, values }, own, asked) : new SharedRequest(pipeline, own!, asked);
      request.attempt();
    });
  }

  /**
   * Runs `fn` in a transaction: BEGIN before, COMMIT when it returns, ROLLBACK when it throws or rejects. Everything that belongs to the
   * transaction goes through the client that `fn` is given. With `retry` it is run again from the start, on whatever connection is free
   * then, when the server gave it up for a concurrent one (SQLSTATE 40001 and 40P01, and nothing else).
   */
  async transaction<R>(fn: (client: C) => R | Promise<R>, options: PgTransactionOptions = {}): Promise<R> {
    this.#checkTimeout(options);
    const begin = beginStatement(options);
    const retries = retriesOf(options.retry);
    const deadline = deadlineOf(options);
    for (let nth = 1; ; nth++) {
      try {
        return await this.#onLiveConnection(() => transact(this, fn, begin, options.readOnly === true, acquireOptions(options, deadline),
          () => this.limit('the transaction', options, deadline)));
      } catch (error) {
        const delayMs = retryDelayMs(nth);
        if (nth > retries || !mayRetry(error) || options.signal?.aborted === true) throw error;
        if (deadline !== undefined && performance.now() + delayMs >= deadline) throw error;
        await pause(delayMs, options.signal);
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------------------- details

  async #onLiveConnection<R>(attempt: () => Promise<R>): Promise<R> {
    const attempts = new Attempts(this);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof NotSent)) throw error;
        if (!attempts.mayGoOn(error)) throw attempts.lastWord(error);
      }
    }
  }

  #pipelineOf({ pipeline, cancelTimeoutMs, pool }: PoolSettings<C>): Pipeline | undefined {
    if (pipeline === undefined) return undefined;
    const leakThresholdMs = pool.leakThresholdMs === 0 ? undefined : pool.leakThresholdMs;
    this.on('createError', ({ error }) => {
      this.#lastCreateError = error;
    });
    this.on('create', () => {
      this.#lastCreateError = undefined;
    });
    return new Pipeline({
      name: this.name,
      laned: this.laned,
      stats: () => this.stats(),
      evict: () => this.evict(),
      limit: (what, options, deadline) => this.limit(what, options, deadline),
      acquireAlone: (options) => super.acquire(options),
      tryAcquireAlone: (options) => super.tryAcquire(options),
      lastCreateError: () => this.#lastCreateError,
    }, { ...pipeline, cancelTimeoutMs, leakThresholdMs, pool: placesOptions(pool) });
  }

  /** @internal */
  limit(what: string, options: PgQueryOptions | undefined, deadline: number | undefined): Limit | undefined {
    const { signal, timeoutMs } = options ?? {};
    if (signal === undefined && deadline === undefined) return undefined;
    return {
      signal,
      remainingMs: deadline === undefined ? undefined : deadline - performance.now(),
      onTimeout: () => new QueryTimeoutError(what, timeoutMs ?? Infinity, this.name, LOOK_AT),
      cancelTimeoutMs: this.#cancelTimeoutMs,
    };
  }

  /** The other connections of the same generation lead to the same server. Errors of older ones tell what is known already. */
  #failover(session: Session): void {
    if (this.state === 'closed' || this.state === 'draining' || session.generation !== this.stats().generation) return;
    const now = performance.now();
    if (now - this.#failedOverAt < FAILOVER_PAUSE_MS) return;
    this.#failedOverAt = now;
    this.evict();
  }

  #checkStatement(text: string | PgQueryConfig, options: PgQueryOptions | undefined): void {
    if (typeof text !== 'string' && (typeof text !== 'object' || text === null)) throw new TypeError('query() takes a text or a config');
    if (typeof (text as { readonly submit?: unknown }).submit === 'function') {
      throw new TypeError('query() takes a text or a config. A cursor or a stream needs a connection while it is read: use(...)');
    }
    if (options !== undefined) this.#checkTimeout(options);
  }

  #checkTimeout({ timeoutMs }: PgQueryOptions): void {
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new InvalidOptionError('timeoutMs', `timeoutMs is ${timeoutMs}, but must be milliseconds above 0, or Infinity`, this.name);
    }
  }
}

/** What waiting for a place and waiting for a connection have in common. */
function placesOptions<C extends PgClient>(pool: PoolSettings<C>['pool']): PipelineSettings['pool'] {
  const { acquireTimeoutMs, maxWaiting, shedding, lanes, headroom, clock, random } = pool;
  return Object.fromEntries(
    Object.entries({ acquireTimeoutMs, maxWaiting, shedding, lanes, headroom, clock, random }).filter(([, value]) => value !== undefined));
}
