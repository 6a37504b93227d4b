// The numbers of a pool: a snapshot, computed in constant time from the sizes of the engine's lists.

import type { Engine } from './engine/engine.ts';
import type { DestroyReason, PoolState } from './engine/words.ts';

/** size = idle + borrowed + creating + validating + resetting + destroying */
export interface PoolStats {
  readonly name: string;
  readonly state: PoolState;
  readonly min: number;
  readonly max: number;
  readonly size: number;
  readonly idle: number;
  readonly borrowed: number;
  readonly creating: number;
  readonly validating: number;
  readonly resetting: number;
  readonly destroying: number;
  /** Acquires that are not served yet, those for which a resource is being created or validated included. */
  readonly waiting: number;
  readonly generation: number;
  readonly totals: {
    /** Asked for. A `tryAcquire` that got nothing does not count. acquires = served + timedOut + aborted + rejected + waiting */
    readonly acquires: number;
    readonly served: number;
    readonly timedOut: number;
    readonly aborted: number;
    /** Queue full, overloaded, paused, unavailable, closed, create failed. */
    readonly rejected: number;
    /** Ends of leases that had ended before. */
    readonly staleReleases: number;
    /** created = destroyed + detached + present */
    readonly created: number;
    readonly createErrors: number;
    readonly destroyTimeouts: number;
    readonly detached: number;
    readonly destroyed: Readonly<Record<DestroyReason, number>>;
    /** Sum of the waits of all acquires that have been settled, however they were. */
    readonly waitMs: number;
    /** Sum of the lengths of all leases that have ended. */
    readonly useMs: number;
  };
}

/** @internal */
export function statsOf<T>(name: string, engine: Engine<T>): PoolStats {
  const { slots, settings, totals } = engine;
  return {
    name,
    state: engine.state,
    min: settings.min,
    max: settings.max,
    size: slots.size,
    idle: slots.idle.size,
    borrowed: slots.borrowed,
    creating: slots.pending,
    validating: slots.validating.size,
    resetting: slots.resetting.size,
    destroying: slots.destroying.size,
    waiting: engine.waiting,
    generation: engine.generation,
    totals: { ...totals, destroyed: { ...totals.destroyed } },
  };
}
