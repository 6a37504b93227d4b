// Runs one statement on a connection that it has for itself, and gives the connection back: at once when the server has answered; after a
// cancel at the server when the caller has left.
//
// One query or one change of data is sent by ourselves (pipe.ts), which costs half of what node-postgres' way does. Everything else goes
// through its client: several statements in one text, cursors in all but name, whatever it has options for that are not known here.

import type { AcquireOptions, Lease } from '../../index.ts';
import { cancelStatement, whenOver } from './cancel.ts';
import { inside, isBusy, wasUnread } from './driver.ts';
import { Request, type Asked, type Host, type OwnStatement } from './request.ts';
import { judgeReadOnly, whenReady } from './reset.ts';
import { sessionOf, type Session } from './session.ts';
import type { PgClient, PgQueryConfig, PgResult, PgRow } from './types.ts';
import { NotSent } from '../common/attempts.ts';
import { ConnectionLostError } from '../common/errors.ts';
import { Watch, type Limit } from '../common/watch.ts';

export interface Statement {
  readonly text: string | PgQueryConfig;
  readonly values: readonly unknown[] | undefined;
}

/** How long the end of a statement that the client itself broke off is waited for. */
const WIND_UP_MS = 2_000;

/** Whom to tell. `notSent`: the server never saw the statement, so that it may go to another connection. */
interface Outcome<R extends PgRow> {
  resolve(result: PgResult<R>): void;
  reject(error: unknown): void;
  notSent(error: NotSent): void;
}

/** Where connections come from. */
export interface Connections extends Host {
  acquire(options?: AcquireOptions): Promise<Lease<PgClient>>;
}

const NOT_OURS: OwnStatement = { text: '', values: undefined, rowMode: undefined, types: undefined };

export class LoneRequest extends Request {
  private readonly connections: Connections;
  private readonly given: Statement;
  private readonly own: boolean;
  private lease: Lease<PgClient> | undefined = undefined;
  /** Of the lease; kept beside it, for the pool may have ended that one (close, reclaim) when the answer comes. */
  private session: Session | undefined = undefined;

  /** `own` undefined: it goes through the client. */
  constructor(connections: Connections, given: Statement, own: OwnStatement | undefined, asked: Asked) {
    super(connections, own ?? NOT_OURS, asked);
    this.connections = connections;
    this.given = given;
    this.own = own !== undefined;
  }

  attempt(): void {
    this.connections.acquire(this.acquireOptions()).then((lease) => this.begin(lease), this.reject);
  }

  answered(): void {
    const lease = this.lease!;
    if (this.left) return; // whoever cancels it sees to the lease
    this.watch?.end();
    const { error } = this;
    const session = this.session!;
    if (lease.ended) {
      if (error === undefined) this.resolve(this.result!);
      else this.reject(error);
    } else if (error === undefined) {
      lease.release();
      this.resolve(this.result!);
    } else if (session.readOnlySeen && !session.lost) {
      void judged(session).then(() => {
        lease.release();
        this.reject(error);
      });
    } else {
      if (session.lost) lease.destroy(error);
      else lease.release();
      this.reject(error);
    }
  }

  lost(cause: unknown): void {
    const lease = this.lease!;
    if (this.left) return;
    this.watch?.end();
    const { resetError } = this.session!;
    if (!lease.ended) lease.destroy(resetError ?? cause);
    if (resetError !== undefined) this.notSent(new NotSent(resetError, false));
    else if (!this.written) this.notSent(new NotSent(cause, true));
    else this.reject(new ConnectionLostError(this.host.name, true, cause));
  }

  /** The cancel of a statement that has a connection for itself can hit no other. */
  struck(): void {
    this.answered();
  }

  private begin(lease: Lease<PgClient>): void {
    if (lease.ended) {
      this.attempt(); // the pool took it back before it could be used, and says why
      return;
    }
    const session = sessionOf(lease.resource);
    const pipe = this.own && session.unobserved ? session.openPipe : undefined;
    const limit = this.limit();
    if (pipe === undefined) {
      runStatement(lease, this.given, limit, this.host.name, {
        resolve: this.resolve, reject: this.reject, notSent: (error) => this.notSent(error),
      });
      return;
    }
    if (this.lease !== undefined) this.restart();
    this.lease = lease;
    this.session = session;
    if (limit !== undefined) {
      this.watch = new Watch(limit, (reason) => {
        this.left = true;
        this.reject(reason);
        void giveBackCancelled(lease, session, limit.cancelTimeoutMs, reason);
      });
    }
    pipe.send(this, false);
  }
}

/** Runs the statement through the client, tells what came of it, and ends the lease. */
function runStatement<R extends PgRow>(
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
    if (!sent || wasUnread(error)) return new NotSent(error, true);
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
