// What is counted of a pool, from the start of the process on: plain fields that sessions add to, so that counting costs next to nothing
// where queries pass. Times are in milliseconds; only who shows them turns them into microseconds.

import type { Cause } from './causes.ts';
import { Spread } from './spread.ts';

/** Numbers that only grow, in the order in which SHOW STATS has them. */
export class Counts {
  serverAssignments = 0;
  transactions = 0;
  queries = 0;
  /** Bytes from clients. */
  received = 0;
  /** Bytes of servers for clients. */
  sent = 0;
  transactionMs = 0;
  queryMs = 0;
  waitMs = 0;
  /** Prepared statements of clients, those that had to be made at a server, and their uses. */
  clientParses = 0;
  serverParses = 0;
  binds = 0;

  add(other: Counts): void {
    for (const name of COUNT_NAMES) this[name] += other[name];
  }

  copy(): Counts {
    const copy = new Counts();
    copy.add(this);
    return copy;
  }
}

export type CountName = Exclude<keyof Counts, 'add' | 'copy'>;

export const COUNT_NAMES: readonly CountName[] = [
  'serverAssignments', 'transactions', 'queries', 'received', 'sent', 'transactionMs', 'queryMs', 'waitMs', 'clientParses', 'serverParses',
  'binds',
];

/** Everything that is recorded of the pool of a user and a database. It outlives the pool: counters do not begin again at a RELOAD. */
export class PoolRecord {
  readonly database: string;
  readonly user: string;
  readonly counts: Counts = new Counts();
  readonly waits: Spread = new Spread();
  readonly transactions: Spread = new Spread();
  /** How many clients got an error of the proxy's, by what it was about. */
  readonly errors = new Map<Cause, number>();
  /** As they stood at the last end of a period, and at the one before. */
  newer: Counts = new Counts();
  older: Counts = new Counts();

  constructor(database: string, user: string) {
    this.database = database;
    this.user = user;
  }

  failed(cause: Cause): void {
    this.errors.set(cause, (this.errors.get(cause) ?? 0) + 1);
  }
}

/** What one client does, as its session tells it. Cheap calls: the clock is read at the beginning and the end of a query, not between. */
export class Meter {
  readonly counts: Counts;
  readonly #record: PoolRecord;
  readonly #told: ((what: 'query' | 'transaction', tookMs: number) => void) | undefined;
  /** The last time that the clock was read. */
  at = 0;
  /** When the last query began. */
  askedAt = 0;
  /** When they began; 0: none runs. */
  #query = 0;
  #transaction = 0;

  /** `told`: somebody who wants to know of each. */
  constructor(record: PoolRecord, told?: (what: 'query' | 'transaction', tookMs: number) => void) {
    this.#record = record;
    this.#told = told;
    this.counts = record.counts;
  }

  /** A server connection is there, after so long. */
  served(waitedMs: number): void {
    const { counts, waits } = this.#record;
    counts.serverAssignments++;
    counts.waitMs += waitedMs;
    waits.record(waitedMs);
  }

  /** The client has sent something and has a server connection: a query begins, if none runs. */
  asked(): void {
    if (this.#query !== 0) return;
    const now = performance.now();
    this.at = now;
    this.askedAt = now;
    this.#query = now;
    this.counts.queries++;
    if (this.#transaction !== 0) return;
    this.#transaction = now;
    this.counts.transactions++;
  }

  /** Everything has been answered; `outside` of a transaction. */
  answered(outside: boolean): void {
    if (this.#query === 0) return;
    const now = performance.now();
    this.at = now;
    this.counts.queryMs += now - this.#query;
    this.#told?.('query', now - this.#query);
    this.#query = 0;
    if (!outside) return;
    const took = now - this.#transaction;
    this.counts.transactionMs += took;
    this.#record.transactions.record(took);
    this.#told?.('transaction', took);
    this.#transaction = 0;
  }
}
