// May this resource be lent, or lent again? Asked before every lease and after it, so what is asked first is what is cheap and rare.

import type { Engine } from './engine.ts';
import type { Slot } from './slot.ts';
import type { DestroyReason } from './words.ts';

/** Why this resource must not be lent (again), or undefined. */
export function unfit<T>(engine: Engine<T>, slot: Slot<T>, now: number): DestroyReason | undefined {
  if (slot.broken || (engine.settings.canBreak && isFoundBroken(engine, slot))) return 'broken';
  if (slot.doom !== undefined) return slot.doom;
  if (slot.generation !== engine.generation) return 'evicted';
  return slot.expiresAt <= now ? 'maxLifetime' : undefined;
}

/** Whoever is asked may tell the pool of the loss at the same time, or close the pool. */
function isFoundBroken<T>(engine: Engine<T>, slot: Slot<T>): boolean {
  return engine.ports.isBroken(slot) || slot.broken || engine.closing;
}

/** The same for one that comes back, which may also be one too many now. */
export function unfitToReturn<T>(engine: Engine<T>, slot: Slot<T>, now: number): DestroyReason | undefined {
  const { settings } = engine;
  if (engine.closing) return 'poolClosed';
  const reason = unfit(engine, slot, now);
  if (reason !== undefined) return reason;
  if (slot.uses >= settings.maxUses) return 'maxUses';
  if (engine.quiet && engine.waiting === 0) return 'evicted';
  if (hasTurn(slot, now) && canSpare(engine)) return 'evicted';
  return engine.budgeted || engine.slots.size > settings.max ? surplus(engine) : undefined;
}

function surplus<T>(engine: Engine<T>): DestroyReason | undefined {
  return engine.staying > engine.limit ? overReason(engine) : undefined;
}

export function overReason<T>(engine: Engine<T>): DestroyReason {
  return engine.staying > engine.settings.max ? 'overSize' : 'recalled';
}

/** Has its turn come in an eviction with a spread? */
export function hasTurn<T>(slot: Slot<T>, now: number): boolean {
  return slot.evictAt !== undefined && slot.evictAt <= now;
}

/** May one resource go without dipping below `min`? Where `max` leaves no room for a replacement beside it, when nothing is missing. */
export function canSpare<T>(engine: Engine<T>): boolean {
  const { min } = engine.settings;
  const { limit } = engine;
  return min < limit ? engine.slots.alive > min : engine.slots.alive >= limit;
}
