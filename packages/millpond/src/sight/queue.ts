// Who waits, and for how long: the queue of each lane, read from the engine without touching it.

import type { Lane } from '../engine/lanes.ts';
import { Pool } from '../pool.ts';

export interface LaneQueue {
  readonly name: string;
  readonly share: number;
  /** Leases that are out. */
  readonly held: number;
  readonly waiting: number;
  /** How long the first in line has waited; 0 when nobody waits. */
  readonly oldestMs: number;
}

export interface Queue {
  /** Of all lanes, longest first. */
  readonly waitedMs: readonly number[];
  /** In the order of their declaration; a pool without lanes has one. */
  readonly lanes: readonly LaneQueue[];
}

/** At most so many ages. Empty for a pool of another copy of this package; ages are of the system's clock, whatever the pool has. */
export function queueOf(pool: Pool<unknown>, most: number): Queue {
  if (!(pool instanceof Pool)) return { waitedMs: [], lanes: [] };
  const now = performance.now();
  const { all } = Pool.engineOf(pool).lanes;
  const ages = all.flatMap((lane) => agesOf(lane, most, now));
  return {
    // Each lane's own are in order.
    waitedMs: all.length === 1 ? ages : ages.sort((a, b) => b - a).slice(0, most),
    lanes: all.map((lane) => ({
      name: lane.name, share: lane.share, held: lane.held, waiting: lane.queue.size, oldestMs: agesOf(lane, 1, now)[0] ?? 0,
    })),
  };
}

function agesOf({ queue }: Lane, most: number, now: number): number[] {
  const ages: number[] = [];
  for (let waiter = queue.head; waiter !== undefined && ages.length < most; waiter = waiter.next) {
    ages.push(Math.max(0, now - waiter.since));
  }
  return ages;
}
