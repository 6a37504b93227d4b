// The front door: a pool of MySQL or MariaDB connections that runs statements and transactions itself.

import { InvalidOptionError, Pool } from '../../index.ts';
import { makeFactory } from './factory.ts';
import type { Messenger } from './messenger.ts';
import { splitPoolOptions } from './options.ts';
import { Request, type Statement } from './query.ts';
import { sessionOf, type Session } from './session.ts';
import { beginStatements, mayRetry, transact } from './transaction.ts';
import type {
  MysqlAnyRows, MysqlConnection, MysqlPoolOptions, MysqlQueryConfig, MysqlQueryOptions, MysqlResult, MysqlTransactionOptions,
} from './types.ts';
import { acquireOptions, Attempts, deadlineOf, NotSent } from '../common/attempts.ts';
import { QueryTimeoutError } from '../common/errors.ts';
import { pause, retriesOf, retryDelayMs } from '../common/retries.ts';
import type { Limit } from '../common/watch.ts';

/** One failover is told by every connection that there is; the pool moves on once. */
const FAILOVER_PAUSE_MS = 1_000;
/** Where the server tells what a statement waits for. */
const LOOK_AT = 'SHOW FULL PROCESSLIST, information_schema.INNODB_TRX';

/** Makes a {@link MysqlPool}. Throws {@link InvalidOptionError} for wrong options; connects only when `min` or an acquire asks for it. */
export function createMysqlPool<C extends MysqlConnection = MysqlConnection>(options: string | MysqlPoolOptions<C>): MysqlPool<C> {
  return new MysqlPool(options);
}

export class MysqlPool<C extends MysqlConnection = MysqlConnection> extends Pool<C> {
  /** @internal */
  readonly laned: boolean;
  /** @internal */
  readonly messenger: Messenger;
  readonly #cancelTimeoutMs: number;
  #failedOverAt = -Infinity;

  constructor(options: string | MysqlPoolOptions<C>) {
    const { pool, factory: factoryOptions, deadMan, cancelTimeoutMs } = splitPoolOptions(options);
    const { factory, owner, messenger } = makeFactory(factoryOptions, pool.name ?? 'mysql', deadMan);
    super({ ...pool, factory });
    this.laned = pool.lanes !== undefined;
    this.messenger = messenger;
    this.#cancelTimeoutMs = cancelTimeoutMs;
    owner.pool = this.name;
    const tellCaller = owner.failover;
    owner.failover = (session, errno) => {
      this.#failover(session);
      tellCaller(session, errno);
    };
    this.on('create', ({ resource, info }) => {
      sessionOf(resource).generation = info.generation;
    });
  }

  /**
   * Borrows a connection, runs one statement and gives it back; resolves with `[rows, fields]`, as mysql2's promises do. Errors of the
   * server are passed on as mysql2 makes them and do not cost the connection. When `signal` aborts or `timeoutMs` passes, the promise
   * rejects at once and the statement is ended at the server. A connection that turns out to be dead before anything was sent is replaced
   * without a word; later, the error is a {@link ConnectionLostError}, and nothing is sent twice.
   */
  query<R = MysqlAnyRows>(sql: string | MysqlQueryConfig, values?: unknown, options?: MysqlQueryOptions): Promise<MysqlResult<R>> {
    return this.#request('query', sql, values, options);
  }

  /**
   * Like {@link query}, as a prepared statement: values travel apart from the text, and each connection prepares a text once
   * (`maxPreparedStatements` of them).
   */
  execute<R = MysqlAnyRows>(sql: string | MysqlQueryConfig, values?: unknown, options?: MysqlQueryOptions): Promise<MysqlResult<R>> {
    return this.#request('execute', sql, values, options);
  }

  /**
   * Runs `fn` in a transaction: START TRANSACTION before, COMMIT when it returns, ROLLBACK when it throws or rejects. Everything that
   * belongs to the transaction goes through the connection that `fn` is given. With `retry` it is run again from the start, on whatever
   * connection is free then, when the server gave it up for a concurrent one (1020, 1205, 1213, and nothing else).
   */
  async transaction<R>(fn: (connection: C) => R | Promise<R>, options: MysqlTransactionOptions = {}): Promise<R> {
    this.#checkTimeout(options);
    const begin = beginStatements(options);
    const retries = retriesOf(options.retry);
    const deadline = deadlineOf(options);
    const host = { pool: this, messenger: this.messenger, cancelTimeoutMs: this.#cancelTimeoutMs };
    for (let nth = 1; ; nth++) {
      try {
        return await this.#onLiveConnection(() => transact(host, fn, begin, options.readOnly === true, acquireOptions(options, deadline),
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

  #request<R>(
    how: Statement['how'], sql: string | MysqlQueryConfig, values: unknown, options: MysqlQueryOptions | undefined,
  ): Promise<MysqlResult<R>> {
    return new Promise((resolve, reject) => {
      if (typeof sql !== 'string' && typeof (sql as MysqlQueryConfig | null)?.sql !== 'string') {
        throw new TypeError(`${how}() takes a text, or an object with the text as sql`);
      }
      if (typeof values === 'function') throw new TypeError(`${how}() takes no callback: it returns a promise`);
      if (options !== undefined) this.#checkTimeout(options);
      new Request(this, { how, sql, values }, { options, resolve, reject }).attempt();
    });
  }

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

  /** @internal */
  limit(what: string, options: MysqlQueryOptions | undefined, deadline: number | undefined): Limit | undefined {
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

  #checkTimeout({ timeoutMs }: MysqlQueryOptions): void {
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new InvalidOptionError('timeoutMs', `timeoutMs is ${timeoutMs}, but must be milliseconds above 0, or Infinity`, this.name);
    }
  }
}
