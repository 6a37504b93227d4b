// A budget limits several pools together: how many resources each may hold now is decided outside of the pool and may change while it
// runs. `localBudget` is the one for the pools of a process; a keyed pool uses it for its limit over all keys.

import { Checker } from './options.ts';

/** Where a limit beside `max` comes from: one process, one host, one cluster. */
export interface Budget {
  /** `held` counts what exists, is being created or is being destroyed; `demand` is what would serve everybody who holds or waits now. */
  join(pool: { readonly name: string; held(): number; demand(): number }): BudgetSeat;
}

export interface BudgetSeat {
  /** How many resources this pool may hold now. Read before every create and before every lease. */
  readonly limit: number;
  /** The pool looks at {@link limit} again when called. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /** A waiter found nothing left under the limit. */
  want(): void;
  /** The pool holds fewer resources than before. Optional: a budget that counts by itself does without. */
  freed?(): void;
  leave(): void;
}

interface Seat {
  readonly pool: { readonly name: string; held(): number; demand(): number };
  readonly listeners: Set<() => void>;
  /** The state of affairs in which it last asked the others to give back; asking twice in the same one is of no use. */
  askedAt: number;
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
  private readonly total: number;
  private readonly seats = new Set<Seat>();
  /** Counts what may let somebody have more: a pool that gave back, came or left. */
  private affairs = 0;
  private telling = false;

  constructor(total: number) {
    this.total = total;
  }

  join(pool: Seat['pool']): BudgetSeat {
    const seat: Seat = { pool, listeners: new Set(), askedAt: -1 };
    this.seats.add(seat);
    const limitOf = (): number => this.limitOf(seat);
    return {
      get limit() {
        return limitOf();
      },
      onChange: (listener) => {
        seat.listeners.add(listener);
        return () => void seat.listeners.delete(listener);
      },
      want: () => {
        if (seat.askedAt === this.affairs) return;
        seat.askedAt = this.affairs;
        this.tellOthers(seat);
      },
      freed: () => {
        this.affairs++;
        if (this.someoneElseWants(seat)) this.tellOthers(seat);
      },
      leave: () => {
        if (!this.seats.delete(seat)) return;
        this.affairs++;
        this.tellOthers(seat);
      },
    };
  }

  private limitOf(seat: Seat): number {
    let held = 0;
    for (const each of this.seats) held += each.pool.held();
    const mine = seat.pool.held();
    const attainable = mine + Math.max(0, this.total - held);
    return this.someoneElseWants(seat) ? Math.min(attainable, fairShare(this.seats, seat, this.total)) : attainable;
  }

  private someoneElseWants(seat: Seat): boolean {
    for (const each of this.seats) if (each !== seat && each.pool.demand() > each.pool.held()) return true;
    return false;
  }

  /** Not nested: those who are told may want something themselves, and are in the middle of looking already. */
  private tellOthers(except: Seat): void {
    if (this.telling) return;
    this.telling = true;
    try {
      for (const seat of [...this.seats]) if (seat !== except) for (const listener of [...seat.listeners]) listener();
    } finally {
      this.telling = false;
    }
  }
}

/** The max-min fair share of one seat: demands are met from the smallest up, each at most by an even split of what is left. */
function fairShare(seats: ReadonlySet<Seat>, seat: Seat, total: number): number {
  const byDemand = [...seats].map((each) => ({ each, demand: each.pool.demand() })).sort((a, b) => a.demand - b.demand);
  let left = total;
  let count = byDemand.length;
  for (const { each, demand } of byDemand) {
    const share = Math.min(demand, Math.floor(left / count));
    if (each === seat) return share;
    left -= share;
    count--;
  }
  return 0;
}
