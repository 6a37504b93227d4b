// A budget whose limit the simulation moves: up and down, and now and then without a word.

import type { Budget, BudgetSeat } from '../../index.ts';

export class MovingBudget implements Budget {
  limit: number;
  /** How often a pool found that it could use more. */
  wants = 0;
  seated = 0;
  readonly #listeners = new Set<() => void>();
  #untold = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  join(pool: { held(): number; demand(): number }): BudgetSeat {
    this.seated++;
    const limitOf = (): number => this.limit;
    return {
      get limit() {
        return limitOf();
      },
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
      want: () => {
        this.wants++;
        if (!(pool.demand() >= 0 && pool.held() >= 0)) throw new Error('the demand of a pool must be a number');
      },
      leave: () => {
        this.seated--;
      },
    };
  }

  /** Moves the limit; the pool does not hear of it before {@link tell}. */
  move(limit: number): void {
    this.limit = limit;
    this.#untold = true;
  }

  tell(): void {
    if (!this.#untold) return;
    this.#untold = false;
    for (const listener of [...this.#listeners]) listener();
  }
}
