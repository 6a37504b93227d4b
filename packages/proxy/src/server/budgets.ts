// Two limits over pools at once: of all pools of a database, whoever the user, and of all pools of a user, whatever the database. Each is a
// budget of the engine; a pool that is in both may hold what both of them grant. Where several workers are one proxy, the limits hold over
// all of them, and there is one more: of the pool itself.

import { localBudget, type Budget, type BudgetedPool, type BudgetSeat } from 'millpond';
import type { Shares } from '../workers/shares.ts';

/** Budgets by what they are about, made when they are first asked for. */
export class Budgets {
  readonly #known = new Map<string, Budget>();
  readonly #shares: Shares | undefined;

  /** `shares`: where limits hold over several workers. */
  constructor(shares?: Shares) {
    this.#shares = shares;
  }

  /** The budget for a pool of this database and user, the same as long as the limits are; undefined: neither is limited. 0 is no limit. */
  for(database: string, databaseLimit: number, user: string, userLimit: number): Budget | undefined {
    const limits = this.#limits(database, databaseLimit, user, userLimit);
    if (this.#shares === undefined) return limits;
    const ofPool = this.#ofPool(this.#shares, database, user);
    return limits === undefined ? ofPool : this.#both(JSON.stringify([database, databaseLimit, user, userLimit, 'pool']), limits, ofPool);
  }

  #limits(database: string, databaseLimit: number, user: string, userLimit: number): Budget | undefined {
    const ofDatabase = databaseLimit > 0 ? this.#budget(`database ${database} ${databaseLimit}`, databaseLimit) : undefined;
    const ofUser = userLimit > 0 ? this.#budget(`user ${user} ${userLimit}`, userLimit) : undefined;
    if (ofDatabase === undefined || ofUser === undefined) return ofDatabase ?? ofUser;
    return this.#both(JSON.stringify([database, databaseLimit, user, userLimit]), ofDatabase, ofUser);
  }

  #both(name: string, first: Budget, second: Budget): Budget {
    const known = this.#known.get(name) ?? both(first, second);
    this.#known.set(name, known);
    return known;
  }

  /** The size of the pool, and of its reserve while that is open, as the pool itself says. */
  #ofPool(shares: Shares, database: string, user: string): Budget {
    const name = `pool ${JSON.stringify([database, user])}`;
    const known = this.#known.get(name) ?? shares.budget(name, (pool) => pool.stats!().max);
    this.#known.set(name, known);
    return known;
  }

  /** Another limit is another budget, and pools under it are made anew. */
  #budget(name: string, limit: number): Budget {
    const known = this.#known.get(name) ?? this.#shares?.budget(name, () => limit) ?? localBudget({ limit });
    this.#known.set(name, known);
    return known;
  }
}

/** What each grants, the other permitting: what a pool could not use it does not ask for, so that it is left to others. */
function both(first: Budget, second: Budget): Budget {
  return {
    join: (pool) => {
      const seats: BudgetSeat[] = [];
      const seen = (other: 0 | 1): BudgetedPool => ({
        name: pool.name,
        held: () => pool.held(),
        demand: () => Math.min(pool.demand(), Math.max(pool.held(), seats[other]?.limit ?? Infinity)),
      });
      const a = first.join(seen(1));
      seats[0] = a;
      const b = second.join(pool);
      seats[1] = b;
      return {
        get limit() {
          return Math.min(a.limit, b.limit);
        },
        onChange: (listener) => {
          const deaf = [a.onChange(listener), b.onChange(listener)];
          return () => {
            for (const stop of deaf) stop();
          };
        },
        want: () => {
          a.want();
          b.want();
        },
        freed: () => {
          a.freed?.();
          b.freed?.();
        },
        leave: () => {
          a.leave();
          b.leave();
        },
      };
    },
  };
}
