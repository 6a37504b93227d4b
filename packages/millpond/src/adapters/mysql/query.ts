// One statement with a caller behind it: finds a connection, is sent, tells the caller what came of it and gives the connection back; at
// once when the server has answered, after the end of the statement at the server when the caller has left. A statement that did not reach
// the server goes to another connection.

import { AsyncResource } from 'node:async_hooks';
import type { AcquireOptions, Lease } from '../../index.ts';
import { cancelStatement } from './cancel.ts';
import { isServerError, wasUnread, type DriverCallback } from './driver.ts';
import type { Messenger } from './messenger.ts';
import { judgeReadOnly } from './reset.ts';
import { sessionOf, type Session } from './session.ts';
import type { MysqlConnection, MysqlQueryConfig, MysqlQueryOptions, MysqlResult } from './types.ts';
import { acquireOptions, Attempts, deadlineOf, NotSent } from '../common/attempts.ts';
import { ConnectionLostError } from '../common/errors.ts';
import { Watch, type Limit } from '../common/watch.ts';

/** How long the end of a statement that mysql2 itself gave up (its `timeout`) is waited for. */
const WIND_UP_MS = 2_000;

/** What requests need of their pool. */
export interface Host {
  readonly name: string;
  readonly messenger: Messenger;
  /** Are there several lanes? The lane travels with the caller's async context. */
  readonly laned: boolean;
  acquire(options?: AcquireOptions): Promise<Lease<MysqlConnection>>;
  evict(): number;
  /** What ends a statement before its answer; undefined: nothing does. */
  limit(what: string, options: MysqlQueryOptions | undefined, deadline: number | undefined): Limit | undefined;
}

export interface Statement {
  /** `execute` prepares it. */
  readonly how: 'query' | 'execute';
  readonly sql: string | MysqlQueryConfig;
  readonly values: unknown;
}

export interface Asked {
  readonly options: MysqlQueryOptions | undefined;
  readonly resolve: (result: MysqlResult) => void;
  readonly reject: (error: unknown) => void;
}

export class Request {
  private readonly host: Host;
  private readonly statement: Statement;
  private readonly asked: Asked;
  private readonly deadline: number | undefined;
  private readonly begin: (lease: Lease<MysqlConnection>) => void = (lease) => this.run(lease);
  private attempts: Attempts | undefined = undefined;
  /** The caller's context; later attempts begin where some other statement has ended. */
  private readonly context: AsyncResource | undefined;

  constructor(host: Host, statement: Statement, asked: Asked) {
    this.host = host;
    this.statement = statement;
    this.asked = asked;
    this.deadline = deadlineOf(asked.options);
    this.context = host.laned ? new AsyncResource('millpond.query') : undefined;
  }

  attempt(): void {
    const { options } = this.asked;
    this.host.acquire(options === undefined ? undefined : acquireOptions(options, this.deadline)).then(this.begin, this.asked.reject);
  }

  private attemptAgain(): void {
    if (this.context === undefined) this.attempt();
    else this.context.runInAsyncScope(() => this.attempt());
  }

  private run(lease: Lease<MysqlConnection>): void {
    if (lease.ended) {
      this.attempt(); // the pool took it back before it could be used, and says why
      return;
    }
    const session = sessionOf(lease.resource);
    if (!session.usable) {
      const cause = session.cause ?? new Error('the connection was closed');
      lease.destroy(cause);
      this.notSent(new NotSent(cause, true));
      return;
    }
    const { writes } = session;
    let refused = false;
    // Set when the caller has been told, be it by the answer or because he left: mysql2 may call twice, and late.
    let told = false;
    const watch = this.watch(lease, session, () => { told = true; });
    const { how, sql, values } = this.statement;
    const { driver } = session;
    try {
      const done: DriverCallback = (error, rows, fields) => {
        if (told) return;
        told = true;
        watch?.end();
        if (!error) {
          lease.release();
          this.asked.resolve([rows, fields!]); // no fields where there are no rows, as mysql2 has it
        } else {
          void this.failed(lease, session, error, session.writes !== writes && !refused);
        }
      };
      if (how === 'query') driver.query(sql, values, done);
      else driver.execute(sql, values, done);
      refused = session.refused;
    } catch (error) {
      if (told) return;
      told = true;
      watch?.end();
      lease.release();
      this.asked.reject(error);
    }
  }

  /** Ends the statement when the caller leaves. */
  private watch(lease: Lease<MysqlConnection>, session: Session, onTold: () => void): Watch | undefined {
    const { options, reject } = this.asked;
    const limit = options === undefined ? undefined : this.host.limit('the statement', options, this.deadline);
    if (limit === undefined) return undefined;
    return new Watch(limit, (reason) => {
      onTold();
      reject(reason);
      void giveBackCancelled(lease, session, this.host.messenger, limit.cancelTimeoutMs, reason);
    });
  }

  /** Ends the lease after a failure, and tells the caller. */
  private async failed(lease: Lease<MysqlConnection>, session: Session, error: Error, sent: boolean): Promise<void> {
    // mysql2 is in the middle of a packet, and of what it makes of the loss of a connection: after this, it is through.
    await Promise.resolve();
    const { host, asked } = this;
    if (session.lost || !session.usable) {
      if (!lease.ended) lease.destroy(session.cause ?? error); // else the pool has closed, and taken it
      if (!sent || wasUnread(error)) this.notSent(new NotSent(error, true));
      else asked.reject(isServerError(error) ? error : new ConnectionLostError(host.name, true, error));
      return;
    }
    if (session.busy) {
      void giveBackCancelled(lease, session, host.messenger, WIND_UP_MS, error);
    } else {
      if (session.readOnlySeen !== undefined) await judged(session);
      if (!lease.ended) lease.release();
    }
    asked.reject(error);
  }

  /** The server never saw it. */
  private notSent(error: NotSent): void {
    this.attempts ??= new Attempts(this.host);
    if (this.attempts.mayGoOn(error)) this.attemptAgain();
    else this.asked.reject(this.attempts.lastWord(error));
  }
}

/** Whether a refused write means failover is known before the caller is told, so that its next attempt is on a new connection. */
export async function judged(session: Session): Promise<void> {
  try {
    if (!session.inTransaction) await judgeReadOnly(session);
  } catch {
    session.lose(new Error('the session was left read-only')); // whatever the reason, it is not to be lent again
  }
}

async function giveBackCancelled(
  lease: Lease<MysqlConnection>, session: Session, messenger: Messenger, timeoutMs: number, reason: unknown,
): Promise<void> {
  const isClean = await cancelStatement(session, messenger, timeoutMs);
  if (lease.ended) return; // the pool has closed meanwhile, and taken it
  if (isClean) lease.release();
  else lease.destroy(reason);
}
