// How much creating the present state justifies. Recomputed whenever it matters, never remembered.

import type { Engine } from './engine.ts';
import { hasTurn } from './fitness.ts';

/**
 * How many more creates are justified: by waiters that nothing under way will serve, or by a deficit of `min`; one create may answer
 * both.
 */
export function missingCreates<T>(engine: Engine<T>, now: number): number {
  const { slots, settings, backoff } = engine;
  const early = now < backoff.retryAt;
  const waiting = early && holdsBackWaiters(engine) ? 0 : engine.lanes.servable(now, engine.lanes.many ? engine.capacity : 0);
  const forWaiters = Math.ceil(waiting / settings.sharing) - slots.validating.size - slots.idle.size;
  const fills = settings.fill && settings.min > 0 && !early && !engine.quiet;
  const forMin = fills ? Math.min(settings.min, engine.limit) - slots.alive + overdue(engine, now) : 0;
  return Math.max(forWaiters, forMin) - slots.creating.size;
}

/** Creates nothing: paused, or quiet with nobody waiting. */
export function holdsStill<T>(engine: Engine<T>): boolean {
  return engine.paused !== false || (engine.quiet && engine.waiting === 0);
}

/** Does the backoff bind creates for waiters too? Not when each failure is told to a waiter anyway. */
function holdsBackWaiters<T>(engine: Engine<T>): boolean {
  // These failures nobody is told of.
  if (engine.backoff.stillborns > engine.settings.max) return true;
  if (engine.backoff.permanent) return engine.slots.alive > 0 && engine.settings.retryForWaiters;
  return engine.settings.retryForWaiters;
}

/** Resources past their turn in an eviction with a spread, which stay until they have been replaced. */
export function overdue<T>(engine: Engine<T>, now: number): number {
  let count = 0;
  if (engine.spreading) for (const slot of engine.slots.aliveSlots()) if (hasTurn(slot, now)) count++;
  return count;
}
