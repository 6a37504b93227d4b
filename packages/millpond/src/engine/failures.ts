// What follows from a create that failed: who is told, whether the breaker opens, and when to try again.

import type { Engine } from './engine.ts';
import type { Refusal } from './ports.ts';
import type { Slot } from './slot.ts';

export function afterCreateFailure<T>(
  engine: Engine<T>, slot: Slot<T>, error: unknown, permanent: boolean, timedOut: boolean, now: number,
): void {
  const { slots, lanes, backoff, settings } = engine;
  const { breaker } = settings;
  engine.totals.createErrors++;
  engine.lastCreateError = error;
  const retryAt = backoff.failed(slot.attempt, permanent, now);
  const refusal: Refusal = { kind: 'createFailed', cause: error, timedOut, permanent };
  if (breaker !== undefined && slots.alive === 0 && backoff.failures >= breaker.failures) {
    if (engine.probeAt === undefined) engine.probeAt = now + breaker.probeIntervalMs;
    engine.refuseAll({ kind: 'unavailable' }, now);
  } else if (permanent && slots.alive === 0) {
    engine.refuseAll(refusal, now);
  } else if (permanent || !settings.retryForWaiters) {
    // Attempts that still run back as many waiters; beyond them the head of who is next is told.
    const backed = slots.creating.size + slots.validating.size;
    const lane = lanes.next(now, engine.capacity) ?? lanes.all.find((each) => each.queue.size > 0);
    if (lane !== undefined && engine.waiting > backed) engine.refuse(lane.queue.head!, refusal, now);
  }
  const retries = engine.waiting > 0 || (settings.fill && slots.alive < settings.min) || engine.probeAt !== undefined;
  const retryInMs = retries ? Math.max(0, (engine.probeAt ?? retryAt) - now) : undefined;
  engine.ports.createError(error, slot.attempt, retryInMs, permanent);
}
