// The front door: a pool of PostgreSQL connections that runs statements and transactions itself.

import { InvalidOptionError, Pool, type AcquireOptions, type Lease } from '../../index.ts';
import { ConnectionLostError, QueryTimeoutError } from './errors.ts';
import { makeFactory } from './factory.ts';
import { splitPoolOptions } from './options.ts';
import { NotSent, runStatement, type Limit, type Outcome } from './query.ts';
import { sessionOf, type Session } from './session.ts';
import { onAbort } from './signals.ts';
import { beginStatement, mayRetry, retriesOf, retryDelayMs, transact } from './transaction.ts';
import type {
  PgAnyRow, PgClient, PgPoolOptions, PgQueryConfig, PgQueryOptions, PgResult, PgRow, PgTransactionOptions,
} from './types.ts';

/** One failover is told by every connection that there is; the pool moves on once. */
const FAILOVER_PAUSE_MS = 1_000;

/** Connections that may turn out dead before one is made afresh, as Go's database/sql has it. */
const POOLED_ATTEMPTS = 2;

/** Makes a {@link PgPool}. Throws {@link InvalidOptionError} for wrong options; connects only when `min` or an acquire asks for it. */
export function createPgPool<C extends PgClient = PgClient>(options: string | PgPoolOptions<C>): PgPool<C> {
  return new PgPool(options);
}

export class PgPool<C extends PgClient = PgClient> extends Pool<C> {
  readonly #cancelTimeoutMs: number;
  #failedOverAt = -Infinity;

  constructor(options: string | PgPoolOptions<C>) {
    const { pool, factory: factoryOptions, cancelTimeoutMs } = splitPoolOptions(options);
    const { factory, owner } = makeFactory(factoryOptions, pool.name ?? 'pg');
    super({ ...pool, factory });
    this.#cancelTimeoutMs = cancelTimeoutMs;
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
      const statement = { text, values };
      const deadline = options?.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs;
      const attempts = new Attempts(this);
      const begin = (lease: Lease<C>): void => {
        const limit = options === undefined ? undefined : this.#limit('the statement', options, deadline);
        runStatement(lease, statement, limit, this.name, outcome);
      };
      const attempt = (): void => {
        this.acquire(options === undefined ? undefined : acquireOptions(options, deadline)).then(begin, reject);
      };
      const outcome: Outcome<R> = {
        resolve,
        reject,
        notSent(error) {
          if (attempts.mayGoOn(error)) attempt();
          else reject(attempts.lastWord(error));
        },
      };
      attempt();
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
    const deadline = options.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs;
    for (let nth = 1; ; nth++) {
      try {
        return await this.#onLiveConnection(() => transact(this, fn, begin, options.readOnly === true, acquireOptions(options, deadline),
          () => this.#limit('the transaction', options, deadline)));
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

  #limit(what: string, { signal, timeoutMs }: PgQueryOptions, deadline: number | undefined): Limit | undefined {
    if (signal === undefined && deadline === undefined) return undefined;
    return {
      signal,
      remainingMs: deadline === undefined ? undefined : deadline - performance.now(),
      onTimeout: () => new QueryTimeoutError(what, timeoutMs ?? Infinity, this.name),
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

interface Evictable {
  readonly name: string;
  evict(): number;
}

/** Counts the connections that turned out dead before anything was sent: two that the pool has, then one that is made for it. */
class Attempts {
  private readonly pool: Evictable;
  private failed = 0;
  private dead = 0;

  constructor(pool: Evictable) {
    this.pool = pool;
  }

  mayGoOn(error: NotSent): boolean {
    this.failed++;
    if (this.failed > POOLED_ATTEMPTS) return false;
    // Two in a row, and nobody had noticed: whatever befell them has befallen the others. What comes next is new.
    if (error.dead && ++this.dead === POOLED_ATTEMPTS) this.pool.evict();
    return true;
  }

  lastWord(error: NotSent): unknown {
    return error.dead ? new ConnectionLostError(this.pool.name, false, error.cause) : error.cause;
  }
}

function acquireOptions({ signal, lane, label }: PgQueryOptions, deadline: number | undefined): AcquireOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(lane === undefined ? {} : { lane }),
    ...(label === undefined ? {} : { label }),
    ...(deadline === undefined ? {} : { timeoutMs: Math.max(0, deadline - performance.now()) }),
  };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const unwatch = signal === undefined ? undefined : onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
    const timer = setTimeout(() => {
      unwatch?.();
      resolve();
    }, ms);
  });
}
