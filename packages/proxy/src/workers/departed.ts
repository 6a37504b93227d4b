// What workers that have gone had counted, as far as anybody was told of it: sums over all workers must not become less when one goes.

import type { Family } from '../http/exposition.ts';
import type { Question, Result } from './messages.ts';
import { atRest, type Snapshot } from './records.ts';
import { lasting, sumFamilies } from './sums.ts';

interface Last {
  records?: Snapshot;
  metrics?: readonly Family[];
}

export class Departed {
  readonly #last = new Map<number, Last>();
  #records: Snapshot = { sinceMs: 0, records: [] };
  #metrics: Family[] = [];

  /** What a worker has answered; of everything that counts only the latest. */
  remember(worker: number, kind: Question['kind'], value: unknown): void {
    if (kind !== 'records' && kind !== 'metrics') return;
    this.#last.set(worker, { ...this.#last.get(worker), [kind]: value });
  }

  leave(worker: number): void {
    const { records, metrics } = this.#last.get(worker) ?? {};
    this.#last.delete(worker);
    if (records !== undefined) this.#records = joined(this.#records, atRest(records));
    if (metrics !== undefined) this.#metrics = sumFamilies([this.#metrics, lasting(metrics)]);
  }

  /** As further answers to a question. */
  results(kind: Question['kind']): Result[] {
    if (kind === 'records' && this.#records.records.length > 0) return [{ ok: true, value: this.#records }];
    if (kind === 'metrics' && this.#metrics.length > 0) return [{ ok: true, value: this.#metrics }];
    return [];
  }
}

/** With one entry for each database and user, however often workers go. */
function joined(a: Snapshot, b: Snapshot): Snapshot {
  const records = new Map<string, Snapshot['records'][number]>();
  for (const record of [...a.records, ...b.records]) {
    const [database, user, counts, older] = record;
    const key = JSON.stringify([database, user]);
    const known = records.get(key);
    const add = (to: readonly number[], more: readonly number[]): number[] => to.map((count, index) => count + more[index]!);
    records.set(key, known === undefined ? record : [database, user, add(known[2], counts), add(known[3], older)]);
  }
  return { sinceMs: 0, records: [...records.values()] };
}
