// What the user orders: pause and resume, resize, evict, quiesce, close. Each changes what the state says and lets dispatch draw the
// consequences.

import { abandon, clear, dispatch } from './dispatch.ts';
import type { Engine } from './engine.ts';
import type { Slot } from './slot.ts';

export function pause<T>(engine: Engine<T>, reject: boolean, now: number): void {
  if (engine.closing) return;
  engine.paused = reject ? 'reject' : 'hold';
  if (reject) engine.refuseAll({ kind: 'paused' }, now);
  dispatch(engine, now);
}

export function resume<T>(engine: Engine<T>, now: number): void {
  engine.paused = false;
  dispatch(engine, now);
}

export function resize<T>(engine: Engine<T>, min: number, max: number, now: number): void {
  engine.settings.min = min;
  engine.settings.max = max;
  // Idle resources may have become surplus, or stopped being it.
  engine.maintenanceAt = Math.min(engine.maintenanceAt, now);
  dispatch(engine, now);
}

/** Evicts everything of this generation. Returns how many resources and running creates that concerns. */
export function evictAll<T>(engine: Engine<T>, spreadMs: number, now: number): number {
  engine.generation++;
  const { slots } = engine;
  const creating = slots.creating.toArray();
  for (const slot of creating) abandon(engine, slot);
  const alive = [...slots.aliveSlots()];
  if (spreadMs > 0) {
    // Each keeps its place in the new generation until its turn; the oldest go first.
    const current = alive.filter((slot) => slot.generation === engine.generation - 1);
    current.sort((a, b) => a.createdAt - b.createdAt || a.id - b.id);
    for (const slot of current) slot.generation = engine.generation;
    spread(engine, current, spreadMs, now);
  } else {
    for (const slot of alive) leaveNow(engine, slot, now);
  }
  dispatch(engine, now);
  return alive.length + creating.length;
}

/**
 * Lets go of everything, as an eviction of all does, and makes nothing new of its own accord until the next acquire: `min` does not count,
 * and what comes back to a pool in which nobody waits does not stay. Those who wait already are served; creates for them go on. Returns
 * the generation of what comes from here on.
 */
export function quiet<T>(engine: Engine<T>, now: number): number {
  const { slots } = engine;
  if (!engine.closing) {
    engine.generation++;
    engine.quiet = true;
    // The oldest are given up: the list of those that are is in the order in which their time runs out.
    let spare = slots.creating.size - Math.ceil(engine.waiting / engine.settings.sharing);
    for (const slot of slots.creating.toArray()) {
      if (spare-- > 0) abandon(engine, slot);
      else slot.generation = engine.generation;
    }
    for (const slot of [...slots.aliveSlots()]) leaveNow(engine, slot, now);
    dispatch(engine, now);
  }
  return engine.generation;
}

/** The next acquire after {@link quiet}. */
export function wake<T>(engine: Engine<T>, now: number): void {
  engine.quiet = false;
  dispatch(engine, now);
}

/** What is left of what a {@link quiet} let go: everything while the pool is quiet, afterwards what was there before it. */
export function leftOf<T>({ quiet, slots }: Engine<T>, generation: number): Slot<T>[] {
  return [...slots.present()].filter((slot) => quiet || slot.generation < generation);
}

/** Is a {@link quiet} at its end? Not while those wait who did so before it: for them there will be something once more. */
export function isOver<T>(engine: Engine<T>, generation: number): boolean {
  return leftOf(engine, generation).length === 0 && (!engine.quiet || engine.waiting === 0 || engine.closing);
}

/** Evicts the chosen resources; the generation stays. */
export function evictSome<T>(engine: Engine<T>, chosen: readonly Slot<T>[], spreadMs: number, now: number): number {
  if (spreadMs > 0) {
    spread(engine, chosen, spreadMs, now);
  } else {
    for (const slot of chosen) slot.doom ??= 'evicted';
    for (const slot of chosen) leaveNow(engine, slot, now);
  }
  dispatch(engine, now);
  return chosen.length;
}

/** Gives each its turn, evenly over the time. */
function spread<T>(engine: Engine<T>, slots: readonly Slot<T>[], spreadMs: number, now: number): void {
  engine.spreading ||= slots.length > 0;
  slots.forEach((slot, index) => {
    const turn = Math.min(slot.evictAt ?? Infinity, now + (spreadMs * (index + 1)) / slots.length);
    slot.evictAt = turn;
    engine.maintenanceAt = Math.min(engine.maintenanceAt, turn);
  });
}

function leaveNow<T>(engine: Engine<T>, slot: Slot<T>, now: number): void {
  if (slot.state === 'idle') engine.destroy(slot, 'evicted', now);
}

/** Begins to close; nothing is lent or created from here on. `deadlineAt` bounds how long leases and creates are waited for. */
export function close<T>(engine: Engine<T>, deadlineAt: number, now: number): void {
  engine.closeAt = Math.min(engine.closeAt, deadlineAt);
  if (!engine.closing) {
    engine.closing = true;
    engine.probeAt = undefined;
    engine.paused = false;
    engine.refuseAll({ kind: 'closed' }, now);
    clear(engine, -1, 'poolClosed', now);
    engine.maintenanceAt = Infinity;
  }
  // A deadline of now is due now.
  engine.tick(now);
}
