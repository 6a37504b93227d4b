// Runs one statement on a borrowed connection and gives the connection back: at once when the server has answered; after a cancel at the
// server when the caller has left.

import type { Lease } from '../../index.ts';
import { cancelStatement, whenOver } from './cancel.ts';
import { inside, isBusy } from './driver.ts';
import { ConnectionLostError } from './errors.ts';
import { judgeReadOnly, whenReady } from './reset.ts';
import { sessionOf, type Session } from './session.ts';
import { onAbort } from './signals.ts';
import type { PgClient, PgQueryConfig, PgResult, PgRow } from './types.ts';

export interface Statement {
  readonly text: string | PgQueryConfig;
  readonly values: readonly unknown[] | undefined;
}

/** When to stop, and with what. */
export interface Limit {
  readonly signal: AbortSignal | undefined;
  /** Undefined: no deadline. */
  readonly remainingMs: number | undefined;
  readonly onTimeout: () => Error;
  readonly cancelTimeoutMs: number;
}

/** How long the end of a statement that the client itself broke off is waited for. */
const WIND_UP_MS = 2_000;

/** Says that the statement did not reach the server, so that it may be run on another connection. Never seen by callers. */
export class NotSent extends Error {
  /** The connection was dead; not merely its cleaning failed. */
  readonly dead: boolean;

  constructor(cause: unknown, dead: boolean) {
    super('not sent', { cause });
    this.dead = dead;
  }
}

/** Whom to tell. `notSent`: the server never saw the statement, so that it may go to another connection. */
export interface Outcome<R extends PgRow> {
  resolve(result: PgResult<R>): void;
  reject(error: unknown): void;
  notSent(error: NotSent): void;
}

/** Runs the statement, tells what came of it, and ends the lease. */
export function runStatement<R extends PgRow>(
  lease: Lease<PgClient>, statement: Statement, limit: Limit | undefined, pool: string, outcome: Outcome<R>,
): void {
  const client = inside(lease.resource);
  const session = sessionOf(client);
  if (!session.usable) {
    const cause = session.cause ?? new Error('the connection was closed');
    lease.destroy(cause);
    outcome.notSent(new NotSent(cause, true));
    return;
  }
  const { writes } = session;
  let refused = false;
  // Set when the caller has been told, be it by the answer or because it left: node-postgres may call twice, and late.
  let told = false;
  const watch = limit === undefined ? undefined : new Watch(limit, (reason) => {
    told = true;
    outcome.reject(reason);
    void giveBackCancelled(lease, session, limit.cancelTimeoutMs, reason);
  });
  const done = (error: Error | null | undefined, result: PgResult<R>): void => {
    if (told) return;
    told = true;
    watch?.end();
    if (!error) {
      lease.release();
      outcome.resolve(result);
    } else {
      void afterError(lease, session, error, session.writes !== writes && !refused, pool).then((failure) => {
        if (failure instanceof NotSent) outcome.notSent(failure);
        else outcome.reject(failure);
      });
    }
  };
  try {
    client.query(submitted(statement.text), statement.values, done);
    refused = session.refused;
  } catch (error) {
    told = true;
    watch?.end();
    lease.release();
    outcome.reject(error);
  }
}

/** node-postgres notes the callback in the object it is given. The caller's own stays as it is; what it inherits counts as well. */
function submitted(text: string | PgQueryConfig): string | object {
  return typeof text === 'string' ? text : Object.create(text) as object;
}

/** Ends the lease after a failure, and finds what to tell the caller. */
async function afterError(lease: Lease<PgClient>, session: Session, error: Error, sent: boolean, pool: string): Promise<unknown> {
  // What else the server wrote with the error, and what the client makes of the same event, has been dealt with after this.
  await Promise.resolve();
  if (session.resetError !== undefined) {
    lease.destroy(session.resetError);
    return new NotSent(session.resetError, false);
  }
  if (session.lost || !session.usable) {
    lease.destroy(error);
    if (!sent) return new NotSent(error, true);
    return isServerError(error) ? error : new ConnectionLostError(pool, true, error);
  }
  if (isBusy(session.client)) {
    // node-postgres failed to encode a value in the middle of sending; it winds that up with the server by itself.
    void giveBackWhenOver(lease, session, error);
    return error;
  }
  if (session.readOnlySeen) await judged(session);
  lease.release();
  return error;
}

async function giveBackWhenOver(lease: Lease<PgClient>, session: Session, error: unknown): Promise<void> {
  const over = whenOver(session, WIND_UP_MS);
  if (await over.promise) lease.release();
  else lease.destroy(error);
}

/** Whether a refused write means failover is known before the caller is told, so that its next attempt is on a new connection. */
export async function judged(session: Session): Promise<void> {
  try {
    if (session.client.readyForQuery !== true) await whenReady(session);
    if (session.status === 'I') await judgeReadOnly(session);
  } catch {
    session.lose(new Error('the session was left read-only')); // whatever the reason, it is not to be lent again
  }
}

export function isServerError(error: Error): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code);
}

async function giveBackCancelled(lease: Lease<PgClient>, session: Session, timeoutMs: number, reason: unknown): Promise<void> {
  if (await cancelStatement(session, timeoutMs)) lease.release();
  else lease.destroy(reason);
}

/** Watches a deadline and a signal; calls `onLeave` at most once. */
export class Watch {
  private readonly unwatch: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  private immediate: NodeJS.Immediate | undefined = undefined;
  private open = true;

  constructor({ signal, remainingMs, onTimeout }: Omit<Limit, 'cancelTimeoutMs'>, onLeave: (reason: unknown) => void) {
    const leave = (reason: unknown): void => {
      if (this.end()) onLeave(reason);
    };
    if (remainingMs !== undefined && remainingMs !== Infinity) {
      // When the process has stalled, the answer may lie in the socket unread: it is read before the verdict.
      this.timer = setTimeout(() => {
        this.immediate = setImmediate(() => leave(onTimeout()));
      }, Math.min(Math.max(1, Math.ceil(remainingMs)), 2 ** 31 - 1));
    }
    if (signal === undefined) return;
    this.unwatch = onAbort(signal, () => leave(signal.reason));
    if (signal.aborted) queueMicrotask(() => leave(signal.reason));
  }

  /** No more watching. False: it had ended before. */
  end(): boolean {
    if (!this.open) return false;
    this.open = false;
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.unwatch?.();
    return true;
  }
}
