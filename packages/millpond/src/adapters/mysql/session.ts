// What the pool keeps with each connection: whether it is lost, what the server last said about its transaction, what it is suspected of.
//
// An error carries no status flags. Most errors leave a transaction as it was, some end it (a deadlock), and one in the middle of a
// procedure may leave one open that nobody knew of. So after an error the flags are what was last heard, and `uncertain` says whether that
// can be relied on.

import type { EventEmitter } from 'node:events';
import { hideSecrets, isBusy, isUsable, tapPackets, type DriverConnection, type PacketSink } from './driver.ts';
import type { MysqlConnection } from './types.ts';
import { KeptListeners } from '../common/listeners.ts';

/** What sessions of one factory share. */
export interface SessionOwner {
  /** For errors. */
  pool: string;
  /** A server error that means the end of this server, or of its writing. */
  failover(session: Session, errno: number): void;
  /** A session came to rest: it need not keep the process alive. */
  rests(session: Session): void;
}

/** Under this name what is lent carries its session; not enumerable, so that it is not in anybody's log. */
const KEY = Symbol('millpond.mysql.session');

const IN_TRANSACTION = 0x1;
const AUTOCOMMIT = 0x2;

/** The server is shutting down (1053, 1077, 1079, 1080), or takes no clients any more (3032): it closes all connections. */
const GOING_AWAY = new Set([1053, 1077, 1079, 1080, 3032]);
/**
 * After these the server closes this connection: it was killed (1927), idle for too long (4031), its packets could not be read or sent
 * (1152, 1153, 1158 to 1161, 1184, 1835). 2006 and 2013 are what a server says of the one behind it.
 */
const LAST_WORDS = new Set([...GOING_AWAY, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1835, 1927, 2006, 2013, 4031]);
/** A write was refused because the server, the session or the transaction is read-only. */
const READ_ONLY = new Set([1290, 1792, 1836]);

/** Begins with a word after which an error leaves the transaction as it was, or ends it: it never opens one. */
const OPENS_NOTHING = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|DO|SHOW|VALUES|COMMIT|ROLLBACK)\b/i;

/** How many characters of a server's message are kept. */
const MESSAGE_LENGTH = 300;

/** An error that the server sent inside of a transaction. */
export interface Doubt {
  readonly errno: number;
  readonly message: string;
}

/** How a session is to come back; the last three as mysql2 notes them, which COM_CHANGE_USER sets. */
interface Home {
  readonly autocommit: boolean;
  readonly user: string | undefined;
  readonly database: string | undefined;
  readonly charsetNumber: number | undefined;
}

export class Session implements PacketSink {
  readonly driver: DriverConnection;
  readonly owner: SessionOwner;
  /** What is lent; the same object for the whole life of the connection. */
  readonly lent: MysqlConnection;
  /** Who the server says that it is; undefined: it does not. */
  identity: string | undefined = undefined;
  /** The statement that set what every session of the factory has; undefined: none. */
  variables: string | undefined = undefined;
  lost = false;
  cause: unknown = undefined;
  /** Told once, when the connection is lost. */
  readonly lossListeners: Set<(cause: unknown) => void> = new Set();
  /** Told when nothing is in flight any more. */
  private readonly restWatchers: Set<() => void> = new Set();
  isWaitedFor = false;
  /** The pool's generation at its creation. */
  generation = -1;
  /** A write was refused as read-only, and why has not been looked at yet: the server's number. */
  readOnlySeen: number | undefined = undefined;
  /** In a transaction that was asked to be read-only: then a refused write says nothing about the server. */
  readOnlyWanted = false;
  /** The server has not answered on it for as long as anybody would wait. */
  silent = false;
  /** The last answer was an error after which a transaction may be open that the flags do not show. */
  uncertain = false;
  /** The last answer inside of a transaction was this error: it may have ended the transaction. */
  doubt: Doubt | undefined = undefined;
  /** What was said after `doubt` shows that the transaction is over. Until another begins. */
  undone: Doubt | undefined = undefined;
  /** A USE, or what has its effect, since the last reset. */
  schemaLeft = false;
  /** Lent to nobody, or lent and nothing sent since. */
  resting = false;
  /** How often something was sent. What did not change it did not reach the server. */
  writes = 0;
  /** `writes` at the last reset. */
  cleanAt = 0;
  /** Is it a reason for the process to go on? */
  referenced = true;
  private flags = 0;
  private home: Home = { autocommit: true, user: undefined, database: undefined, charsetNumber: undefined };
  /** Its writes are refused because `onConnect` wants it so. */
  readOnlyAtHome = false;
  private listeners: readonly KeptListeners[] = [];
  /** Looking at all of them on each release costs more than a release. */
  private listenersTouched = false;

  constructor(driver: DriverConnection, owner: SessionOwner) {
    this.driver = driver;
    this.owner = owner;
    this.lent = driver.promise();
    Object.defineProperty(this.lent, KEY, { value: this });
    driver.on('error', (error: unknown) => this.lose(error));
    tapPackets(driver, this);
    hideSecrets(driver);
  }

  /** It is connected: from now on the stream is the one that stays. */
  connected(): void {
    const { stream } = this.driver;
    stream.on('error', (error: unknown) => this.lose(error));
    const ended = (): void => this.lose(new Error('the server closed the connection'));
    stream.on('end', ended);
    stream.on('close', ended);
    this.tapWrites();
  }

  /** Takes note of how it is now: so it is to come back. */
  settle(): void {
    const { user, database, charsetNumber } = this.driver.config;
    this.home = { autocommit: this.autocommit, user, database, charsetNumber };
    this.cleanAt = this.writes;
    this.schemaLeft = false;
    this.keepListeners();
  }

  /** What the last answer said. */
  get inTransaction(): boolean {
    return (this.flags & IN_TRANSACTION) !== 0;
  }

  private get autocommit(): boolean {
    return (this.flags & AUTOCOMMIT) !== 0;
  }

  /** Nothing of a transaction, and nothing that begins one by itself. */
  get atHome(): boolean {
    return !this.uncertain && !this.inTransaction && this.autocommit === this.home.autocommit;
  }

  /** Puts `autocommit` back, in words of the server. Undefined: it is as it was. */
  get homecoming(): string | undefined {
    return this.autocommit === this.home.autocommit ? undefined : `SET autocommit = ${this.home.autocommit ? 1 : 0}`;
  }

  /** A borrower has become somebody else (changeUser), or with the same call has another database or charset: a reset begins with these. */
  get isStranger(): boolean {
    const { home, driver: { config } } = this;
    return config.user !== home.user || config.database !== home.database || config.charsetNumber !== home.charsetNumber;
  }

  /** Can it take a statement, as far as is known without asking the server? */
  get usable(): boolean {
    return !this.lost && isUsable(this.driver);
  }

  /** Is a statement running or queued? */
  get busy(): boolean {
    return isBusy(this.driver);
  }

  /** The operating system did not take the last write: nothing of it has left, and the connection is dead. */
  get refused(): boolean {
    const { errored } = this.driver.stream as { readonly errored?: NodeJS.ErrnoException | null };
    return errored?.syscall === 'write';
  }

  lose(cause: unknown): void {
    if (this.lost) return;
    this.lost = true;
    this.cause = cause;
    for (const listener of [...this.lossListeners]) listener(cause);
    this.atRest();
  }

  // ------------------------------------------------------------------------------------------------------------ what packets tell

  status(flags: number): void {
    this.flags = flags;
    this.uncertain = false;
    if (this.doubt === undefined && this.undone === undefined) return;
    // Alive after all, or another one has begun.
    if (this.inTransaction) this.undone = undefined;
    else this.undone ??= this.doubt;
    this.doubt = undefined;
  }

  schemaChanged(): void {
    this.schemaLeft = true;
  }

  failed(errno: number, sql: string | undefined, message: () => string): void {
    if (this.inTransaction) this.doubt = { errno, message: message().slice(0, MESSAGE_LENGTH) };
    // One statement of a kind that opens no transaction leaves none; of several, or of a procedure, an earlier part may have.
    const { multipleStatements } = this.driver.config;
    if (sql === undefined || !this.autocommit || multipleStatements === true || !OPENS_NOTHING.test(sql)) this.uncertain = true;
    if (READ_ONLY.has(errno)) {
      if (!this.readOnlyWanted) this.readOnlySeen = errno;
    } else if (LAST_WORDS.has(errno)) {
      this.lose(Object.assign(new Error(message().slice(0, MESSAGE_LENGTH)), { errno }));
      if (GOING_AWAY.has(errno)) this.owner.failover(this, errno);
    }
  }

  derailed(): void {
    const error = new Error('a row could not be read, and the rest of its result is still on the way');
    this.driver.stream.destroy(error);
    this.lose(error);
  }

  atRest(): void {
    for (const watcher of [...this.restWatchers]) watcher();
  }

  /** Calls `watcher` whenever nothing is in flight any more. Returns how to stop that. */
  watchRest(watcher: () => void): () => void {
    this.restWatchers.add(watcher);
    this.isWaitedFor = true;
    return () => {
      this.restWatchers.delete(watcher);
      this.isWaitedFor = this.restWatchers.size > 0;
    };
  }

  // ----------------------------------------------------------------------------------------------------------------- way out

  /** It is idle now; see {@link SessionOwner.rests}. */
  rest(): void {
    this.resting = true;
    if (this.referenced) this.owner.rests(this);
  }

  /** An idle connection is no reason for the process to go on. */
  unreference(): void {
    if (!this.resting || !this.referenced) return;
    this.referenced = false;
    this.driver.stream.unref?.();
  }

  private tapWrites(): void {
    const { stream } = this.driver;
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
      return write.call(stream, chunk, encoding, callback);
    }) as typeof stream.write;
  }

  // ----------------------------------------------------------------------------------------------------------------- listeners

  /** Removes what borrowers added since {@link settle}, and puts back what they removed. */
  restoreListeners(): void {
    if (!this.listenersTouched) return;
    // What is lent first: it takes away by itself what it has added to the driver's.
    for (const kept of this.listeners) kept.restore();
    this.listenersTouched = false;
  }

  private keepListeners(): void {
    const touch = (): void => { this.listenersTouched = true; };
    this.listeners = [this.lent as unknown as EventEmitter, this.driver].map((emitter) => {
      emitter.on('removeListener', touch);
      emitter.on('newListener', touch);
      return new KeptListeners(emitter);
    });
    this.listenersTouched = false;
  }
}

export function sessionOf(lent: object): Session {
  return (lent as { readonly [KEY]: Session })[KEY];
}
