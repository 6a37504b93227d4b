// All that is counted, by database and user, and what it comes to per second. At the end of each stats_period the numbers are put aside; an
// average is about the time from the last end but one until now, so that it never is about a moment only.

import { Counts, COUNT_NAMES, PoolRecord } from './counts.ts';
import type { Cause } from './causes.ts';

/** So many of each per second; of times, how long one took on average, in milliseconds. */
export type Averages = Counts;

/** The name of the console's own database, whose commands count as well. */
export const CONSOLE_DATABASE = 'pgbouncer';

export class Statistics {
  readonly #records = new Map<string, PoolRecord>();
  /** Errors of clients that came to no pool. */
  readonly errors = new Map<Cause, number>();
  /** When the time began that averages are about. */
  averagesSince: number;
  #lastEnd: number;

  /** `now`: of a clock that only counts, in milliseconds, here and below. */
  constructor(now: number) {
    this.#lastEnd = now;
    // So that there is a time to divide by from the beginning.
    this.averagesSince = now - 1_000;
  }

  of(database: string, user: string): PoolRecord {
    const key = JSON.stringify([database, user]);
    let record = this.#records.get(key);
    if (record === undefined) {
      record = new PoolRecord(database, user);
      this.#records.set(key, record);
    }
    return record;
  }

  records(): Iterable<PoolRecord> {
    return this.#records.values();
  }

  /** Somebody got an error of the proxy's; `record`: of the pool it had. */
  failed(cause: Cause, record: PoolRecord | undefined): void {
    if (record !== undefined) record.failed(cause);
    else this.errors.set(cause, (this.errors.get(cause) ?? 0) + 1);
  }

  /** Sums and averages of each database, in the order in which they were first used. */
  byDatabase(now: number): { readonly database: string; readonly totals: Counts; readonly averages: Averages }[] {
    const databases = new Map<string, PoolRecord[]>();
    for (const record of this.#records.values()) {
      const known = databases.get(record.database);
      if (known === undefined) databases.set(record.database, [record]);
      else known.push(record);
    }
    return [...databases].map(([database, records]) => ({ database, ...this.#sums(records, now) }));
  }

  /** Of everything. */
  all(now: number): { readonly totals: Counts; readonly averages: Averages } {
    return this.#sums(this.#records.values(), now);
  }

  #sums(records: Iterable<PoolRecord>, now: number): { readonly totals: Counts; readonly averages: Averages } {
    const totals = new Counts();
    const before = new Counts();
    for (const { counts, older } of records) {
      totals.add(counts);
      before.add(older);
    }
    return { totals, averages: averagesOf(totals, before, now - this.averagesSince) };
  }

  /** The end of a period. Returns its averages. */
  endPeriod(now: number): Averages {
    this.averagesSince = this.#lastEnd;
    this.#lastEnd = now;
    for (const record of this.#records.values()) {
      record.older = record.newer;
      record.newer = record.counts.copy();
    }
    return this.all(now).averages;
  }
}

function averagesOf(totals: Counts, before: Counts, elapsedMs: number): Averages {
  const averages = new Counts();
  if (elapsedMs <= 0) return averages;
  for (const name of COUNT_NAMES) averages[name] = ((totals[name] - before[name]) * 1_000) / elapsedMs;
  const each = (name: 'transactionMs' | 'queryMs' | 'waitMs', of: 'transactions' | 'queries' | 'serverAssignments'): void => {
    const count = totals[of] - before[of];
    averages[name] = count === 0 ? 0 : (totals[name] - before[name]) / count;
  };
  each('transactionMs', 'transactions');
  each('queryMs', 'queries');
  each('waitMs', 'serverAssignments');
  return averages;
}

/** A number as it is shown: times in whole microseconds, everything else rounded down. */
export function shown(name: keyof Averages, counts: Counts): number {
  const value = counts[name] as number;
  return Math.floor(name === 'transactionMs' || name === 'queryMs' || name === 'waitMs' ? value * 1_000 : value);
}

/** The line that is logged of each period. */
export function statsLine(averages: Averages): string {
  const of = (name: keyof Averages): number => shown(name, averages);
  return `stats: ${of('transactions')} xacts/s, ${of('queries')} queries/s, ${of('clientParses')} client parses/s, `
    + `${of('serverParses')} server parses/s, ${of('binds')} binds/s, in ${of('received')} B/s, out ${of('sent')} B/s, `
    + `xact ${of('transactionMs')} us, query ${of('queryMs')} us, wait ${of('waitMs')} us`;
}
