// The door: who is told no in the tick in which it asks, instead of being let in to wait.

import type { Engine } from './engine.ts';
import type { Refusal } from './ports.ts';
import type { Waiter } from './waiter.ts';

export function refusalAtDoor<T>(engine: Engine<T>, waiter: Waiter, now: number): Refusal | undefined {
  if (engine.closing) return { kind: 'closed' };
  if (engine.paused === 'reject') return { kind: 'paused' };
  if (engine.paused !== false) return undefined;
  if (engine.probeAt !== undefined) return { kind: 'unavailable' };
  if (engine.shedding === undefined || engine.slots.idle.size > 0 || engine.counted < engine.limit) return undefined;
  const { queue } = waiter.lane;
  const current = pace(engine, now);
  const headDelay = queue.head === undefined ? 0 : now - queue.head.since;
  const perMs = current.perMs * engine.lanes.portion(waiter.lane);
  const predicted = engine.shedding.verdict(now, queue.size, perMs, current.meanMs, waiter.timeoutMs, headDelay);
  return predicted === undefined ? undefined : { kind: 'overloaded', retryAfterMs: Math.max(1, Math.ceil(predicted)) };
}

/**
 * How many leases end per ms at present, and what they last in the mean: each ends at the mean pace, or slower once it is older than
 * the mean. So one lease that hangs slows the prediction by its own share and no more.
 */
function pace<T>(engine: Engine<T>, now: number): { readonly perMs: number; readonly meanMs: number } {
  const mean = engine.shedding!.meanHoldMs;
  let perMs = 0;
  let leases = 0;
  for (const slot of engine.slots.borrowedSlots()) {
    for (let hold = slot.holds; hold !== undefined; hold = hold.next) {
      perMs += 1 / Math.max(mean, now - hold.since);
      leases++;
    }
  }
  const soon = engine.slots.resetting.size + engine.slots.validating.size + engine.slots.creating.size;
  if (mean > 0) {
    perMs += soon / mean;
    leases += soon;
  }
  return { perMs, meanMs: leases / perMs };
}
