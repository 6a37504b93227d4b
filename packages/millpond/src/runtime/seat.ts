// A pool's place at a budget. What the budget does wrong is not the pool's trouble: it says so once per outage and goes on with what was
// last granted.

import type { BudgetReport, BudgetSeat } from '../budget.ts';
import { reason } from './refusals.ts';

export class Seat {
  readonly #pool: string;
  readonly #failing = new Set<string>();
  #seat: BudgetSeat | undefined = undefined;
  #deaf: (() => void) | undefined = undefined;
  #lastGranted = 0;

  constructor(pool: string) {
    this.#pool = pool;
  }

  sit(seat: BudgetSeat, onChange: () => void): void {
    this.#seat = seat;
    this.#deaf = seat.onChange(onChange);
  }

  granted(): number {
    return this.#lastGranted = whole(this.#ask('limit', () => this.#seat!.limit, this.#lastGranted));
  }

  kept(): number {
    return whole(this.#ask('keeps', () => this.#seat!.keeps, undefined) ?? Infinity);
  }

  /** Undefined as well when there is no budget, or one that has no such method. */
  tell(what: 'want' | 'freed' | 'leave'): void;
  tell(what: 'denied', error: unknown): boolean | undefined;
  tell(what: 'report'): BudgetReport | undefined;
  tell(what: 'want' | 'freed' | 'leave' | 'denied' | 'report', error?: unknown): unknown {
    return this.#ask(what, () => this.#seat?.[what]?.(error), undefined);
  }

  leave(): void {
    this.#ask('onChange', () => this.#deaf?.(), undefined);
    this.tell('leave');
  }

  /** A budget that fails is no reason for a release to throw or for the process to end: what it last granted stands. */
  #ask<R>(member: string, ask: () => R, otherwise: R): R {
    try {
      const answer = ask();
      this.#failing.delete(member);
      return answer;
    } catch (error) {
      // It is asked at every turn; once per outage is enough.
      if (!this.#failing.has(member)) {
        process.emitWarning(`The budget of pool "${this.#pool}" threw in ${member}: ${reason(error)}`, { code: 'MILLPOND_BUDGET_THREW' });
      }
      this.#failing.add(member);
      return otherwise;
    }
  }
}

function whole(count: number): number {
  return count >= 0 ? Math.floor(count) : 0;
}
