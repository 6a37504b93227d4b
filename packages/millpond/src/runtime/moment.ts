// The pool at the moment in which somebody is refused: what the error says of it. Many may be refused at once, a hundred thousand when a
// server hangs, and they all see it as the first of them did: one snapshot and one wording instead of as many.

import type { BudgetReport } from '../budget.ts';
import type { Engine } from '../engine/engine.ts';
import type { Refusal } from '../engine/ports.ts';
import type { Holder } from '../lease.ts';
import type { PoolStats } from '../stats.ts';

export interface Moment {
  readonly at: number;
  readonly stats: PoolStats;
  readonly limit: number;
  readonly lastCreateError: unknown;
  /** Why the budget grants no more, if it does not. */
  readonly budget: BudgetReport | undefined;
  /** Leases that are held, oldest first; as many as are worth naming. */
  holders(): readonly Holder[];
  /** What to do about it, once somebody was told. */
  remedy: string | undefined;
  /** What was said last, and to whom: the same is said to whoever waited as long. */
  said: string;
  saidTo: { readonly kind: Refusal['kind']; readonly waited: string } | undefined;
}

/** How many holders an error names. */
const HOLDERS_NAMED = 3;

interface Pool<T> {
  readonly engine: Engine<T>;
  readonly budget: { tell(what: 'report'): BudgetReport | undefined };
  stats(): PoolStats;
  holders(): Holder[];
}

export function momentOf<T>(pool: Pool<T>, at: number): Moment {
  const { limit, lastCreateError } = pool.engine;
  const budget = pool.budget.tell('report');
  const holders = (): readonly Holder[] => pool.holders().slice(0, HOLDERS_NAMED);
  return { at, stats: pool.stats(), limit, lastCreateError, budget, holders, remedy: undefined, said: '', saidTo: undefined };
}

/** Has nothing happened since that moment, apart from others being refused? */
export function isStill<T>({ at, stats, lastCreateError }: Moment, engine: Engine<T>, now: number): boolean {
  const { slots, totals, settings } = engine;
  return at === now && lastCreateError === engine.lastCreateError && stats.state === engine.state && stats.max === settings.max
    && stats.totals.acquires === totals.acquires && stats.totals.served === totals.served
    && stats.size === slots.size && stats.borrowed === slots.borrowed && stats.idle === slots.idle.size
    && stats.validating === slots.validating.size && stats.resetting === slots.resetting.size && stats.destroying === slots.destroying.size;
}
