// BEGIN, a function, COMMIT; and everything that can go wrong between them.

import type { AcquireOptions, Lease, Pool } from '../../index.ts';
import { cancelStatement } from './cancel.ts';
import { inside, wasUnread, type DriverClient } from './driver.ts';
import { isServerError, judged } from './query.ts';
import { sessionOf, type Session } from './session.ts';
import type { PgClient, PgResult, PgTransactionOptions } from './types.ts';
import { NotSent } from '../common/attempts.ts';
import { ConnectionLostError, TransactionFailedError } from '../common/errors.ts';
import { Watch, type Limit } from '../common/watch.ts';

/** Serialization failure and deadlock: the server undid the transaction so that others could go on, and it may succeed next time. */
const MAY_RETRY = new Set(['40001', '40P01']);

/** Whether the server invites to run the transaction again. Libraries wrap errors; the server's is found under its wrappings. */
export function mayRetry(error: unknown): boolean {
  for (let each = error, depth = 0; typeof each === 'object' && each !== null && depth < 8; depth++) {
    if (MAY_RETRY.has((each as { readonly code?: string }).code ?? '')) return true;
    each = (each as { readonly cause?: unknown }).cause;
  }
  return false;
}

const ISOLATION: Readonly<Record<NonNullable<PgTransactionOptions['isolation']>, string>> = {
  'read uncommitted': ' ISOLATION LEVEL READ UNCOMMITTED',
  'read committed': ' ISOLATION LEVEL READ COMMITTED',
  'repeatable read': ' ISOLATION LEVEL REPEATABLE READ',
  serializable: ' ISOLATION LEVEL SERIALIZABLE',
};

/** The statement that begins it. Throws a TypeError for an isolation level that there is not. */
export function beginStatement({ isolation, readOnly, deferrable }: PgTransactionOptions): string {
  let sql = 'BEGIN';
  if (isolation !== undefined) {
    if (!Object.hasOwn(ISOLATION, isolation)) {
      throw new TypeError(`isolation is ${JSON.stringify(isolation)}, but must be one of '${Object.keys(ISOLATION).join("', '")}'`);
    }
    sql += ISOLATION[isolation];
  }
  if (readOnly !== undefined) sql += readOnly ? ' READ ONLY' : ' READ WRITE';
  if (deferrable !== undefined) sql += deferrable ? ' DEFERRABLE' : ' NOT DEFERRABLE';
  return sql;
}

/**
 * Runs the transaction once on a connection of the pool. When the caller leaves (signal, deadline) the promise rejects at once; the
 * connection is given back when `fn` has settled, or closed if that takes longer than `cancelTimeoutMs`.
 */
export function transact<C extends PgClient, R>(
  pool: Pool<C>, fn: (client: C) => R | Promise<R>, begin: string, readOnly: boolean,
  acquireOptions: AcquireOptions, limit: () => Limit | undefined,
): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const once = (client: C, lease: Lease<C>): Promise<R> =>
      new Transaction(pool.name, client, lease, limit(), reject).run(fn, begin, readOnly);
    pool.use(once, acquireOptions).then(resolve, reject);
  });
}

class Transaction<C extends PgClient> {
  private readonly pool: string;
  private readonly client: C;
  private readonly driver: DriverClient;
  private readonly session: Session;
  private readonly lease: Lease<C>;
  private readonly cancelTimeoutMs: number;
  private readonly watch: Watch | undefined;
  /** Set when the caller has left: why, and the end of the cancel that follows. */
  private left: { readonly reason: unknown; readonly stopped: Promise<void> } | undefined = undefined;
  private grace: NodeJS.Timeout | undefined = undefined;

  constructor(pool: string, client: C, lease: Lease<C>, limit: Limit | undefined, onLeave: (reason: unknown) => void) {
    this.pool = pool;
    this.client = client;
    this.driver = inside(client);
    this.session = sessionOf(client);
    this.lease = lease;
    this.cancelTimeoutMs = limit?.cancelTimeoutMs ?? 2_000;
    this.watch = limit === undefined ? undefined : new Watch(limit, (reason) => {
      this.left = { reason, stopped: this.stop(reason) };
      onLeave(reason);
    });
  }

  async run<R>(fn: (client: C) => R | Promise<R>, begin: string, readOnly: boolean): Promise<R> {
    this.session.readOnlyWanted = readOnly;
    try {
      await this.begin(begin);
      this.check();
      const result = await fn(this.client);
      this.check();
      // 'I': the function has ended the transaction itself. The server answers to COMMIT with ROLLBACK when a statement has failed before.
      if (this.session.status !== 'I' && (await this.send('COMMIT')).command === 'ROLLBACK') throw new TransactionFailedError(this.pool);
      return result;
    } catch (error) {
      await this.rollBack();
      throw error;
    } finally {
      this.watch?.end();
      clearTimeout(this.grace);
    }
  }

  private async begin(sql: string): Promise<void> {
    const { session } = this;
    if (!session.usable) throw new NotSent(session.cause ?? new Error('the connection was closed'), true);
    const { writes } = session;
    let refused = false;
    try {
      const answer = this.send(sql);
      refused = session.refused;
      await answer;
    } catch (error) {
      if (session.resetError !== undefined) throw new NotSent(session.resetError, false);
      if (session.lost && (session.writes === writes || refused || wasUnread(error))) throw new NotSent(error, true);
      throw error;
    }
  }

  /** Nothing more is sent on behalf of a caller who has left, or on a connection that may be somebody else's. */
  private check(): void {
    if (this.left !== undefined) throw this.left.reason;
    if (this.lease.ended) throw new ConnectionLostError(this.pool, true, new Error('the pool took the connection back'));
  }

  private send(sql: string): Promise<PgResult> {
    return new Promise((resolve, reject) => {
      this.driver.query(sql, (error, result) => {
        if (!error) resolve(result);
        else if (this.session.lost && !isServerError(error)) reject(new ConnectionLostError(this.pool, true, error));
        else reject(error);
      });
    });
  }

  /** Leaves nothing open; what cannot be rolled back is closed, which has the same effect. */
  private async rollBack(): Promise<void> {
    const { session, lease } = this;
    // A cancel under way could hit the ROLLBACK, or the next borrower.
    await this.left?.stopped;
    if (lease.ended) return;
    if (!session.usable) {
      lease.destroy(session.cause);
      return;
    }
    const grace = setTimeout(() => lease.destroy(new Error('ROLLBACK took too long')), this.cancelTimeoutMs);
    try {
      // Also when a statement is still running that nobody waits for: it goes through first.
      await this.send('ROLLBACK');
      if (session.readOnlySeen) await judged(session);
    } catch (error) {
      lease.destroy(error);
    } finally {
      clearTimeout(grace);
    }
  }

  /** The caller has left: what runs is cancelled, and a function that goes on all the same loses its connection. */
  private async stop(reason: unknown): Promise<void> {
    this.grace = setTimeout(() => this.lease.destroy(reason), this.cancelTimeoutMs);
    if (!(await cancelStatement(this.session, this.cancelTimeoutMs)) && !this.lease.ended) this.lease.destroy(reason);
  }
}
