// START TRANSACTION, a function, COMMIT; and everything that can go wrong between them.

import type { AcquireOptions, Lease, Pool } from '../../index.ts';
import { cancelStatement } from './cancel.ts';
import { isServerError, wasUnread } from './driver.ts';
import type { Messenger } from './messenger.ts';
import { judged } from './query.ts';
import { sessionOf, type Doubt, type Session } from './session.ts';
import type { MysqlConnection, MysqlTransactionOptions } from './types.ts';
import { NotSent } from '../common/attempts.ts';
import { ConnectionLostError, TransactionFailedError } from '../common/errors.ts';
import { Watch, type Limit } from '../common/watch.ts';

/** Lost against a concurrent one, and may succeed next time: changed since last read, lock wait timeout, deadlock. */
const MAY_RETRY = new Set([1020, 1205, 1213]);

/** Whether the server invites to run the transaction again. Libraries wrap errors; the server's is found under its wrappings. */
export function mayRetry(error: unknown): boolean {
  for (let each = error, depth = 0; typeof each === 'object' && each !== null && depth < 8; depth++) {
    if (MAY_RETRY.has((each as { readonly errno?: number }).errno ?? 0)) return true;
    each = (each as { readonly cause?: unknown }).cause;
  }
  return false;
}

const ISOLATION: Readonly<Record<NonNullable<MysqlTransactionOptions['isolation']>, string>> = {
  'read uncommitted': 'READ UNCOMMITTED',
  'read committed': 'READ COMMITTED',
  'repeatable read': 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
};

/** The statements that begin it. Throws a TypeError for an isolation level that there is not. */
export function beginStatements({ isolation, readOnly }: MysqlTransactionOptions): readonly string[] {
  const start = readOnly === undefined ? 'START TRANSACTION' : `START TRANSACTION READ ${readOnly ? 'ONLY' : 'WRITE'}`;
  if (isolation === undefined) return [start];
  if (!Object.hasOwn(ISOLATION, isolation)) {
    throw new TypeError(`isolation is ${JSON.stringify(isolation)}, but must be one of '${Object.keys(ISOLATION).join("', '")}'`);
  }
  // Good for the next transaction, and no other.
  return [`SET TRANSACTION ISOLATION LEVEL ${ISOLATION[isolation]}`, start];
}

export interface TransactionHost<C extends MysqlConnection> {
  readonly pool: Pool<C>;
  readonly messenger: Messenger;
  /** How long after a caller has left his function may go on. */
  readonly cancelTimeoutMs: number;
}

/**
 * Runs the transaction once on a connection of the pool. When the caller leaves (signal, deadline) the promise rejects at once; the
 * connection is given back when `fn` has settled, or closed if that takes longer than `cancelTimeoutMs`.
 */
export function transact<C extends MysqlConnection, R>(
  host: TransactionHost<C>, fn: (connection: C) => R | Promise<R>, begin: readonly string[], readOnly: boolean,
  acquireOptions: AcquireOptions, limit: () => Limit | undefined,
): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const once = (connection: C, lease: Lease<C>): Promise<R> =>
      new Transaction(host, connection, lease, limit(), reject).run(fn, begin, readOnly);
    host.pool.use(once, acquireOptions).then(resolve, reject);
  });
}

class Transaction<C extends MysqlConnection> {
  private readonly host: TransactionHost<C>;
  private readonly connection: C;
  private readonly session: Session;
  private readonly lease: Lease<C>;
  private readonly watch: Watch | undefined;
  /** Set when the caller has left: why, and the end of the cancel that follows. */
  private left: { readonly reason: unknown; readonly stopped: Promise<void> } | undefined = undefined;
  private grace: NodeJS.Timeout | undefined = undefined;

  constructor(host: TransactionHost<C>, connection: C, lease: Lease<C>, limit: Limit | undefined, onLeave: (reason: unknown) => void) {
    this.host = host;
    this.connection = connection;
    this.session = sessionOf(connection);
    this.lease = lease;
    this.watch = limit === undefined ? undefined : new Watch(limit, (reason) => {
      this.left = { reason, stopped: this.stop(reason) };
      onLeave(reason);
    });
  }

  async run<R>(fn: (connection: C) => R | Promise<R>, begin: readonly string[], readOnly: boolean): Promise<R> {
    this.session.readOnlyWanted = readOnly;
    try {
      await this.begin(begin);
      this.check();
      const result = await fn(this.connection);
      this.check();
      const undone = await this.undone();
      if (undone !== undefined) throw new TransactionFailedError(this.host.pool.name, errorOf(undone));
      this.check();
      // Not in one: the function has ended the transaction itself.
      if (this.session.inTransaction) await this.send('COMMIT');
      return result;
    } catch (error) {
      await this.rollBack();
      throw error;
    } finally {
      this.watch?.end();
      clearTimeout(this.grace);
    }
  }

  private async begin(statements: readonly string[]): Promise<void> {
    const { session } = this;
    if (!session.usable) throw new NotSent(session.cause ?? new Error('the connection was closed'), true);
    const { writes } = session;
    let refused = false;
    try {
      for (const sql of statements) {
        const answer = this.send(sql);
        refused = session.refused;
        await answer;
        this.check();
      }
    } catch (error) {
      // A transaction that has only begun has done nothing: if the connection is lost, another one will do.
      if (session.lost && (session.writes === writes || refused || wasUnread(error))) throw new NotSent(error, true);
      throw error;
    }
    session.doubt = undefined;
    session.undone = undefined;
  }

  /** Nothing more is sent on behalf of a caller who has left, or on a connection that may be somebody else's. */
  private check(): void {
    if (this.left !== undefined) throw this.left.reason;
    if (this.lease.ended) throw new ConnectionLostError(this.host.pool.name, true, new Error('the pool took the connection back'));
  }

  /**
   * Has an error that the function kept to itself ended the transaction? A deadlock does; then what came after it ran outside of any, and a
   * COMMIT would say that all is well. What came after tells; where nothing did, a statement that does nothing. The same while a statement
   * is under way that the function has not waited for: how that ends is not known yet.
   */
  private async undone(): Promise<Doubt | undefined> {
    if (this.session.doubt !== undefined || this.session.busy) await this.send('DO 0');
    return this.session.undone;
  }

  private send(sql: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.session.driver.query(sql, undefined, (error) => {
        if (!error) resolve();
        // Not yet: what befell the connection is told to the statement before it is told to the session.
        else queueMicrotask(() => {
          const lost = !isServerError(error) && (this.session.lost || !this.session.usable);
          reject(lost ? new ConnectionLostError(this.host.pool.name, true, error) : error);
        });
      });
    });
  }

  /** Leaves nothing open; what cannot be rolled back is closed, which has the same effect. */
  private async rollBack(): Promise<void> {
    const { session, lease } = this;
    // A KILL under way could hit the ROLLBACK, or the next borrower.
    await this.left?.stopped;
    if (lease.ended) return;
    if (!session.usable) {
      lease.destroy(session.cause);
      return;
    }
    const grace = setTimeout(() => lease.destroy(new Error('ROLLBACK took too long')), this.host.cancelTimeoutMs);
    try {
      // Also when a statement is still running that nobody waits for: it goes through first.
      await this.send('ROLLBACK');
      if (session.readOnlySeen !== undefined) await judged(session);
    } catch (error) {
      lease.destroy(error);
    } finally {
      clearTimeout(grace);
    }
  }

  /** The caller has left: what runs is cancelled, and a function that goes on all the same loses its connection. */
  private async stop(reason: unknown): Promise<void> {
    const { session, lease } = this;
    const { messenger, cancelTimeoutMs } = this.host;
    this.grace = setTimeout(() => lease.destroy(reason), cancelTimeoutMs);
    if (!(await cancelStatement(session, messenger, cancelTimeoutMs)) && !lease.ended) lease.destroy(reason);
  }
}

function errorOf({ errno, message }: Doubt): Error {
  return Object.assign(new Error(message), { errno });
}
