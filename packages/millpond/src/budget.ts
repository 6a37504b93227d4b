// A budget limits several pools together: how many resources each may hold now is decided outside of the pool and may change while it
// runs. `localBudget` is the one for the pools of a process; a keyed pool uses it for its limit over all keys.

import type { Factory } from './factory.ts';
import { Checker } from './options.ts';
import type { PoolStats } from './stats.ts';

/** Where a limit beside `max` comes from: one process, one host, one cluster. */
export interface Budget {
  /** `held` counts what exists, is being created or is being destroyed; `demand` is what would serve everybody who holds or waits now. */
  join(pool: BudgetedPool): BudgetSeat;
}

/** What a budget can see of a pool. */
export interface BudgetedPool {
  readonly name: string;
  held(): number;
  demand(): number;
  /** Of a {@link Pool} always: how much it has done. */
  stats?(): PoolStats;
  /** Of a {@link Pool} always: to ask the server how much it takes, by a resource of its own. */
  readonly factory?: Pick<Factory<unknown>, 'create' | 'destroy'>;
}

/** Why a pool has no more, for the errors of those who wait in vain. */
export interface BudgetReport {
  /** A sentence, for people. */
  readonly message: string;
  /** How many resources there may be in all pools together; 0: not known yet. */
  readonly limit: number;
  /** How many of these other pools have, as far as it is known. */
  readonly elsewhere: number;
  /** Who of the others have most, the first before the second. Empty: nobody has been asked. */
  readonly holders: readonly { readonly name: string; readonly held: number }[];
  /** Who has waited for longest in another pool. */
  readonly oldestWaiter?: { readonly name: string; readonly waitMs: number };
}

export interface BudgetSeat {
  /** How many resources this pool may hold now. Read before every create and before every lease. */
  readonly limit: number;
  /**
   * How many resources this pool may keep at all: what is above {@link limit} goes as it is released, what is above this goes at once, and
   * the leases that are the youngest end ({@link Lease.ended}). Default: all.
   */
  readonly keeps?: number;
  /** The pool looks at {@link limit} again when called. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /** A waiter found nothing left under the limit. */
  want(): void;
  /**
   * A create failed with this. True: only because there is less than the budget had said, so that it grants less from now on. Then it is
   * no failure, and nobody is told.
   */
  denied?(error: unknown): boolean;
  /** Asked when somebody is refused. Undefined: not because of this budget. */
  report?(): BudgetReport | undefined;
  /** The pool holds fewer resources than before. Optional: a budget that counts by itself does without. */
  freed?(): void;
  leave(): void;
}

interface Seat {
  readonly pool: BudgetedPool;
  readonly listeners: Set<() => void>;
  /** When it last gave something back, in the order of all such moments; 0: never. */
  freedAt: number;
}

/**
 * One limit over several pools of this process. While there is enough, whoever asks gets; when there is not, each is entitled to a fair
 * share of its demand (max-min: small demands in full, the rest split evenly), and pools that hold more give back what is idle at
 * once and the rest as it is released. `limit`: a whole number of at least 1.
 */
export function localBudget(options: { readonly limit: number }): Budget {
  const check = new Checker('localBudget');
  check.object('options', options);
  check.keys('', options, ['limit']);
  return new LocalBudget(check.finite('limit', check.count('limit', options.limit, undefined, 1)));
}

class LocalBudget implements Budget {
  readonly #total: number;
  readonly #seats = new Set<Seat>();
  #telling = false;
  #freedMeanwhile = false;
  #frees = 0;

  constructor(total: number) {
    this.#total = total;
  }

  join(pool: BudgetedPool): BudgetSeat {
    const seat: Seat = { pool, listeners: new Set(), freedAt: 0 };
    this.#seats.add(seat);
    const limitOf = (): number => this.#limitOf(seat);
    return {
      get limit() {
        return limitOf();
      },
      onChange: (listener) => {
        seat.listeners.add(listener);
        return () => void seat.listeners.delete(listener);
      },
      want: () => this.#tell((other) => other !== seat && other.pool.held() > this.#entitled(other)),
      freed: () => {
        seat.freedAt = ++this.#frees;
        this.#freedMeanwhile = true;
        this.#tell((other) => other !== seat && wants(other));
      },
      leave: () => {
        if (!this.#seats.delete(seat)) return;
        this.#freedMeanwhile = true;
        this.#tell(wants);
      },
    };
  }

  #limitOf(seat: Seat): number {
    let held = 0;
    for (const each of this.#seats) held += each.pool.held();
    const mine = seat.pool.held();
    const attainable = mine + Math.max(0, this.#total - held);
    for (const each of this.#seats) if (each !== seat && wants(each)) return Math.min(attainable, this.#entitled(seat));
    return attainable;
  }

  /** The max-min fair share of one seat: demands are met from the smallest up, each at most by an even split of what is left. */
  #entitled(seat: Seat): number {
    const byDemand = [...this.#seats].map((each) => ({ each, demand: each.pool.demand() })).filter(({ demand }) => demand > 0);
    if (byDemand.length > this.#total) return this.#turn(byDemand.map(({ each }) => each), seat);
    byDemand.sort((a, b) => a.demand - b.demand);
    let left = this.#total;
    let count = byDemand.length;
    for (const { each, demand } of byDemand) {
      const share = Math.min(demand, Math.floor(left / count));
      if (each === seat) return share;
      left -= share;
      count--;
    }
    return 0;
  }

  /** More want something than there is: they take turns. Whoever has nothing goes first, the longest without before the others. */
  #turn(wanting: Seat[], seat: Seat): number {
    const first = wanting.sort((a, b) => {
      const hasNothing = Number(b.pool.held() === 0) - Number(a.pool.held() === 0);
      if (hasNothing !== 0) return hasNothing;
      return a.pool.held() === 0 ? a.freedAt - b.freedAt : b.freedAt - a.freedAt;
    }).slice(0, this.#total);
    return Number(first.includes(seat));
  }

  /**
   * Not nested: those who are told may want something themselves, and are in the middle of looking already. What they give back meanwhile
   * is told when all have looked.
   */
  #tell(whom: (seat: Seat) => boolean): void {
    if (this.#telling) return;
    this.#telling = true;
    try {
      let told = whom;
      do {
        this.#freedMeanwhile = false;
        // Whoever gave something back last comes last: what is free now may be enough for one only.
        const inTurn = [...this.#seats].sort((a, b) => a.freedAt - b.freedAt);
        for (const seat of inTurn) if (told(seat)) callAll(seat.listeners);
        told = wants;
      } while (this.#freedMeanwhile);
    } finally {
      this.#telling = false;
    }
  }
}

function wants(seat: Seat): boolean {
  return seat.pool.demand() > seat.pool.held();
}

function callAll(listeners: ReadonlySet<() => void>): void {
  for (const listener of [...listeners]) listener();
}
