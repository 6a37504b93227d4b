// Statistics of several workers as one: what each has counted, as plain data, and the sum of it.

import { Counts, COUNT_NAMES } from '../stats/counts.ts';
import { Statistics } from '../stats/statistics.ts';

type Numbers = readonly number[];

export interface Snapshot {
  /** How long ago the averages began. */
  readonly sinceMs: number;
  /** Of each database and user: now, and when the averages began. */
  readonly records: readonly (readonly [database: string, user: string, counts: Numbers, older: Numbers])[];
}

export function snapshotOf(statistics: Statistics, now: number): Snapshot {
  return {
    sinceMs: now - statistics.averagesSince,
    records: [...statistics.records()].map(({ database, user, counts, older }) => [database, user, numbersOf(counts), numbersOf(older)]),
  };
}

/** The averages are about the longest time of any of them. */
export function statisticsOf(snapshots: readonly Snapshot[], now: number): Statistics {
  const statistics = new Statistics(now);
  statistics.averagesSince = now - Math.max(1, ...snapshots.map(({ sinceMs }) => sinceMs));
  for (const { records } of snapshots) {
    for (const [database, user, counts, older] of records) {
      const record = statistics.of(database, user);
      record.counts.add(countsOf(counts));
      record.older.add(countsOf(older));
    }
  }
  return statistics;
}

/** Of a worker that has gone: what it has counted goes on counting in sums, and does nothing more per second. */
export function atRest({ records }: Snapshot): Snapshot {
  return { sinceMs: 0, records: records.map(([database, user, counts]) => [database, user, counts, counts]) };
}

function numbersOf(counts: Counts): number[] {
  return COUNT_NAMES.map((name) => counts[name]);
}

function countsOf(numbers: Numbers): Counts {
  const counts = new Counts();
  for (const [index, name] of COUNT_NAMES.entries()) counts[name] = numbers[index] ?? 0;
  return counts;
}
