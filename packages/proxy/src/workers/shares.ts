// A worker's side of the limits: budgets of the engine whose seats hold what the parent grants. Nothing is held that was not granted; while
// the parent does not answer, what it has granted stands.

import type { Budget, BudgetedPool, BudgetSeat } from 'millpond';
import type { Claim, Grant } from './ledger.ts';

interface Seat {
  readonly key: string;
  readonly pool: BudgetedPool;
  /** The limit as the configuration says. Looked at from time to time: it changes seldom, and asking costs. */
  readonly totalOf: (pool: BudgetedPool) => number;
  total: number;
  readonly listeners: Set<() => void>;
  limit: number;
  seen: number;
  /** What the parent was told last. */
  told: string;
}

/** How often the parent is told what has changed while nobody waits for it. */
const TELL_EVERY_MS = 20;
/** Each so many of these times limits are looked at, which change seldom and cost more to ask for. */
const TELLS_PER_LOOK = 10;

export class Shares {
  readonly #tell: (claims: readonly Claim[]) => void;
  readonly #seats = new Map<number, Seat>();
  #last = 0;
  #soon = false;
  #tells = 0;
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(tell: (claims: readonly Claim[]) => void) {
    this.#tell = tell;
  }

  /** One limit over all workers, for all pools with this key; `total`: the limit, as it is now. */
  budget(key: string, total: (pool: BudgetedPool) => number): Budget {
    return { join: (pool) => this.#join({ key, pool, totalOf: total, total: 0, listeners: new Set(), limit: 0, seen: 0, told: '' }) };
  }

  take(grants: readonly Grant[]): void {
    const changed: Seat[] = [];
    for (const { seat: id, limit, number } of grants) {
      const seat = this.#seats.get(id);
      if (seat === undefined) continue;
      seat.limit = limit;
      seat.seen = number;
      changed.push(seat);
    }
    for (const { listeners } of changed) for (const listener of [...listeners]) listener();
    // The parent waits for it: what this worker does not use any more is given to another one.
    this.#report();
  }

  #join(seat: Seat): BudgetSeat {
    const id = ++this.#last;
    this.#seats.set(id, seat);
    this.#timer ??= setInterval(() => this.#lookAgain(), TELL_EVERY_MS).unref();
    return {
      get limit() {
        return seat.limit;
      },
      onChange: (listener) => {
        seat.listeners.add(listener);
        return () => void seat.listeners.delete(listener);
      },
      want: () => this.#reportSoon(),
      freed: () => this.#reportSoon(),
      leave: () => {
        if (!this.#seats.delete(id)) return;
        this.#tell([{ ...claimOf(id, seat), left: true }]);
        if (this.#seats.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  #lookAgain(): void {
    if (++this.#tells % TELLS_PER_LOOK === 0) for (const seat of this.#seats.values()) seat.total = seat.totalOf(seat.pool);
    this.#report();
  }

  /** Once for all that happens in one turn. */
  #reportSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.#report();
    });
  }

  #report(): void {
    const claims: Claim[] = [];
    for (const [id, seat] of this.#seats) {
      if (seat.total === 0) seat.total = seat.totalOf(seat.pool);
      const claim = claimOf(id, seat);
      const words = `${claim.total} ${claim.held} ${claim.demand} ${claim.seen}`;
      if (words === seat.told) continue;
      seat.told = words;
      claims.push(claim);
    }
    if (claims.length > 0) this.#tell(claims);
  }
}

function claimOf(id: number, { key, pool, total, seen }: Seat): Claim {
  return { seat: id, key, total, held: pool.held(), demand: pool.demand(), seen };
}
