// A pool with generic-pool's face on a clock that the test moves, over resources that remember what happened to them.

import { createPool, type Factory, type MillpondOptions, type Options, type Pool } from '@millpond/generic-pool';
import { VirtualClock } from 'millpond/testing';

export interface Thing {
  readonly id: number;
  destroyed: number;
}

export interface Stage {
  readonly clock: VirtualClock;
  readonly pool: Pool<Thing>;
  readonly made: Thing[];
}

/** What `millpond` would change: a clock can be given by it alone. */
export const FAITHFUL: MillpondOptions = {
  handles: false, endDeadlineMs: Infinity, maxCreating: Infinity, idleTimeoutMs: 0, createTimeoutMs: 0, validateTimeoutMs: 0,
};

export function play(options: Options = {}, factory: Partial<Factory<Thing>> = {}, better?: MillpondOptions): Stage {
  const clock = new VirtualClock();
  const made: Thing[] = [];
  const millpond = better ?? { ...FAITHFUL, acquireTimeoutMs: options.acquireTimeoutMillis ?? Infinity };
  const pool = createPool<Thing>({
    create: async () => made[made.push({ id: made.length + 1, destroyed: 0 }) - 1]!,
    destroy: async (thing) => { thing.destroyed++; },
    ...factory,
  }, { max: 2, ...options, millpond: { clock, random: () => 0.5, ...millpond } });
  return { clock, pool, made };
}

/** How a promise stands, without waiting for it. */
export function watch(promise: Promise<unknown>): { state: 'pending' | 'resolved' | 'rejected'; value: unknown } {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value: unknown } = { state: 'pending', value: undefined };
  const is = (state: 'resolved' | 'rejected') => (value: unknown) => Object.assign(seen, { state, value });
  promise.then(is('resolved'), is('rejected'));
  return seen;
}

export function live({ made }: Stage): number {
  return made.filter((thing) => thing.destroyed === 0).length;
}
