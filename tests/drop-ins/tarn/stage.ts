// A pool with tarn's face on a clock that the test moves, over resources that remember what happened to them.

import { Pool, type MillpondOptions, type PoolOptions } from '@millpond/tarn';
import { VirtualClock } from 'millpond/testing';

export interface Thing {
  readonly id: number;
  destroyed: number;
}

export interface Stage {
  readonly clock: VirtualClock;
  readonly pool: Pool<Thing>;
  readonly made: Thing[];
  readonly log: string[];
}

/** Resources that exist at the server: made, and not gone yet. */
export function live(stage: Stage): number {
  return stage.made.filter((thing) => thing.destroyed === 0).length;
}

/** What `millpond` would change: a clock can be given by it alone. */
const FAITHFUL: MillpondOptions = { handles: false, endDeadlineMs: Infinity, fill: false, maxCreating: Infinity };

export function play(options: Partial<PoolOptions<Thing>> = {}, better?: MillpondOptions): Stage {
  const clock = new VirtualClock();
  const made: Thing[] = [];
  const log: string[] = [];
  const pool = new Pool<Thing>({
    create: async () => made[made.push({ id: made.length + 1, destroyed: 0 }) - 1]!,
    destroy: (thing) => { thing.destroyed++; },
    log: (message) => log.push(message),
    min: 0,
    max: 2,
    ...options,
    millpond: { clock, ...(better ?? FAITHFUL) },
  });
  return { clock, pool, made, log };
}

/** How a promise stands, without waiting for it. */
export function watch(promise: Promise<unknown>): { state: 'pending' | 'resolved' | 'rejected'; value: unknown } {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value: unknown } = { state: 'pending', value: undefined };
  const is = (state: 'resolved' | 'rejected') => (value: unknown) => Object.assign(seen, { state, value });
  promise.then(is('resolved'), is('rejected'));
  return seen;
}
