// What the pool keeps with each connection: whether it is lost, what has to happen before its next statement, what it was suspected of.
//
// Two of node-postgres' seams carry it. Bytes on their way out pass `stream.write`, whoever sends them (a query, a cursor, COPY): there the
// DISCARD ALL that is due is put in front, and an idle connection begins to count as a reason for the process to go on. Messages on their
// way in pass `connection.emit`: there the answers to that DISCARD ALL are taken out before the client sees them.

import { DISCARD, ANSWERS_TO_DISCARD } from './discard.ts';
import { isUsable } from './connect.ts';
import { isBusy, isDriversQuery, type DriverClient, type DriverParts, type ServerError, type TransactionStatus } from './driver.ts';
import { ResetFailedError } from './errors.ts';
import { Pipe } from './pipe.ts';
import type { PreparePolicy } from './statements.ts';
import { KeptListeners } from '../common/listeners.ts';

/** What sessions of one factory share. */
export interface SessionOwner {
  /** For errors. */
  pool: string;
  /** A server error that means the end of this server, or of its writing. */
  failover(session: Session, code: string): void;
  /** A session came to rest: it need not keep the process alive. */
  rests(session: Session): void;
  readonly prepare: PreparePolicy;
}

/** Under this name a client carries its session; not enumerable, so that it is not in anybody's log. */
const KEY = Symbol('millpond.pg.session');

/** The server says this and then ends the connection: it is shutting down, crashed, starting, or had enough of this session. */
const GOING_AWAY = new Set(['57P01', '57P02', '57P03']);
const LAST_WORDS = new Set([...GOING_AWAY, '57P04', '57P05', '25P03', '25P04']);
/** A write was refused because the server, the session or the transaction is read-only. */
const READ_ONLY = '25006';

export class Session {
  readonly client: DriverClient;
  readonly owner: SessionOwner;
  /** For a second connection to the same server: its `stream` option. */
  readonly streamFactory: unknown;
  /** The way of our own statements; undefined where all must go through the client. */
  readonly pipe: Pipe | undefined;
  /** The client's `query`, if it was the driver's own when the session began. */
  private readonly query: unknown;
  lost = false;
  cause: unknown = undefined;
  /** Told once, when the connection is lost. */
  readonly lossListeners: Set<(cause: unknown) => void> = new Set();
  /** The pool's generation at its creation. */
  generation = -1;
  /** A write was refused as read-only, and why has not been looked at yet. */
  readOnlySeen = false;
  /** In a transaction that was asked to be read-only: then a refused write says nothing about the server. */
  readOnlyWanted = false;
  /** DISCARD ALL goes ahead of the next bytes. */
  discardDue = false;
  /** The server has not answered on it for as long as anybody would wait. */
  silent = false;
  /** Its cleaning failed; what was sent behind it did not run. */
  resetError: ResetFailedError | undefined = undefined;
  /** Lent to nobody, or lent and nothing sent since. */
  resting = false;
  /** How often something was sent. What did not change it did not reach the server. */
  writes = 0;
  private lastStatus: TransactionStatus = 'I';
  /** Is it a reason for the process to go on? */
  referenced = true;
  /** The statement that runs is ours, to clean up. */
  tidying = false;
  /** How many messages to come belong to a DISCARD ALL. */
  private swallowing = 0;
  private listeners: KeptListeners | undefined = undefined;
  private tapped = false;
  /** Told when nothing of ours is in flight any more. */
  readonly restWatchers: Set<() => void> = new Set();

  constructor(client: DriverClient, owner: SessionOwner, streamFactory: unknown, parts: DriverParts | undefined) {
    this.client = client;
    this.owner = owner;
    this.streamFactory = streamFactory;
    Object.defineProperty(client, KEY, { value: this });
    client.on('error', (error: unknown) => this.lose(error));
    client.on('end', () => this.lose(new Error('the connection was closed')));
    client.connection.on('errorMessage', (message: ServerError) => this.noteServerError(message));
    this.query = isDriversQuery(client.query) ? client.query : undefined;
    // Before anything else that may tap its messages: what is taken out for a cleaning is taken out first.
    const plain = client.binary !== true && !client.connectionParameters?.query_timeout;
    this.pipe = parts !== undefined && plain ? new Pipe(this, parts, owner.prepare) : undefined;
    if (client.getTransactionStatus === undefined) {
      // Ahead of the client's own listener, which tells callers that their statement is done.
      client.connection.prependListener('readyForQuery', (message: { readonly status: TransactionStatus }) => {
        this.lastStatus = message.status;
      });
    }
    this.tapWrites();
  }

  /** What the last ReadyForQuery said. */
  get status(): TransactionStatus {
    return this.client.getTransactionStatus?.() ?? this.lastStatus;
  }

  /** Can it take a statement, as far as is known without asking the server? */
  get usable(): boolean {
    return !this.lost && isUsable(this.client);
  }

  /** Is a statement running or queued, the client's or ours? */
  get busy(): boolean {
    return isBusy(this.client) || this.inFlight;
  }

  /** Is nothing running, and has the server said so? */
  get isOver(): boolean {
    return this.client.readyForQuery === true && !this.busy;
  }

  /** Statements of ours. */
  get inFlight(): boolean {
    return this.pipe !== undefined && this.pipe.size > 0;
  }

  /** Does nobody look at what goes through `client.query`? */
  get unobserved(): boolean {
    return this.client.query === this.query;
  }

  /** The pipe, if a statement may be sent through it now: not while the client is in the middle of something of its own. */
  get openPipe(): Pipe | undefined {
    return this.client.readyForQuery === true && !isBusy(this.client) ? this.pipe : undefined;
  }

  /** Nothing of ours is in flight any more. */
  atRest(): void {
    if (this.restWatchers.size > 0) for (const watcher of [...this.restWatchers]) watcher();
  }

  lose(cause: unknown): void {
    if (this.lost) return;
    this.lost = true;
    this.cause = cause;
    for (const listener of [...this.lossListeners]) listener(cause);
  }

  // ----------------------------------------------------------------------------------------------------------------- listeners

  /** Takes note of the listeners that are there now: these are to stay. */
  keepListeners(): void {
    this.listeners = new KeptListeners(this.client);
  }

  /** Removes what borrowers added since, and puts back what they removed. */
  restoreListeners(): void {
    const { client, listeners } = this;
    if (listeners !== undefined && FREQUENT.some((name) => client.listenerCount(name) !== listeners.count(name))) listeners.restore();
  }

  // ------------------------------------------------------------------------------------------------------------- server's errors

  noteServerError(error: ServerError): void {
    const { code = '' } = error;
    if (code === READ_ONLY) {
      if (!this.readOnlyWanted) this.readOnlySeen = true;
    } else if (LAST_WORDS.has(code)) {
      this.lose(error);
      if (GOING_AWAY.has(code)) this.owner.failover(this, code);
    }
  }

  // --------------------------------------------------------------------------------------------------------------- way out and in

  /** It is idle now; see {@link SessionOwner.rests}. */
  rest(): void {
    this.resting = true;
    if (this.referenced || this.discardDue) this.owner.rests(this);
  }

  /** Cleans up without waiting for a borrower. One who comes meanwhile finds his statement queued behind. */
  tidy(): void {
    if (!this.resting || !this.discardDue || !this.usable) return;
    this.tidying = true;
    this.client.query('', () => {
      this.tidying = false;
      if (!isBusy(this.client)) this.rest();
    });
  }

  /** An idle connection is no reason for the process to go on. */
  unreference(): void {
    if (!this.resting || !this.referenced) return;
    this.referenced = false;
    this.client.connection.stream.unref?.();
  }

  /** The operating system did not take the last write: nothing of it has left, and the connection is dead. */
  get refused(): boolean {
    const { errored } = this.client.connection.stream as { readonly errored?: NodeJS.ErrnoException | null };
    return errored?.syscall === 'write';
  }

  /** From now on DISCARD ALL goes ahead of whatever is sent. */
  armDiscard(): void {
    this.discardDue = true;
    this.tapMessages();
    // It will deallocate them, so that node-postgres must prepare anew what it has prepared.
    const { connection } = this.client;
    this.pipe?.forget();
    connection.parsedStatements = {};
    if (connection.submittedNamedStatements !== undefined) connection.submittedNamedStatements = {};
  }

  private tapWrites(): void {
    const { stream } = this.client.connection;
    const write = stream.write as (...args: unknown[]) => boolean;
    stream.write = ((chunk: Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
      this.writes++;
      if (this.resting) {
        this.resting = false;
        if (!this.referenced) {
          this.referenced = true;
          stream.ref?.();
        }
      }
      if (this.discardDue) {
        this.discardDue = false;
        this.swallowing += ANSWERS_TO_DISCARD.length;
        return write.call(stream, Buffer.concat([DISCARD, chunk]), encoding, callback);
      }
      return write.call(stream, chunk, encoding, callback);
    }) as typeof stream.write;
  }

  private tapMessages(): void {
    if (this.tapped) return;
    this.tapped = true;
    const { connection } = this.client;
    const emit = connection.emit;
    connection.emit = (name: string | symbol, ...args: unknown[]): boolean => {
      if (this.swallowing === 0 && !this.discardDue) return emit.call(connection, name, ...args);
      // What the previous borrower listens to must not reach this one, and neither what the cleaning has to say.
      if (name === 'notification' || (name === 'notice' && this.swallowing > 0)) return true;
      if (this.swallowing === 0) return emit.call(connection, name, ...args);
      if (name === 'errorMessage') {
        this.discardFailed(args[0] as ServerError);
        return true;
      }
      if (name !== ANSWERS_TO_DISCARD[ANSWERS_TO_DISCARD.length - this.swallowing]) return emit.call(connection, name, ...args);
      this.swallowing--;
      return true;
    };
  }

  /** The server skips everything up to the next Sync, so the statement behind it has not run and will not: this connection ends here. */
  private discardFailed(error: ServerError): void {
    this.swallowing = 0;
    this.resetError = new ResetFailedError(this.owner.pool, error);
    this.client.connection.stream.destroy(this.resetError);
    this.lose(this.resetError);
    this.noteServerError(error);
  }
}

/** The events that borrowers listen to. */
const FREQUENT = ['error', 'notification', 'notice', 'end', 'drain'] as const;

export function sessionOf(client: object): Session {
  return (client as { readonly [KEY]: Session })[KEY];
}
