// What is measured of a pool once somebody looks. A pool itself counts and sums, which costs it next to nothing; how its waits and uses are
// distributed is recorded from the first call of `sightOf` on, for as long as the pool lives. Everything that shows pools, consoles and
// exporters alike, reads the same three histograms, so that five of them cost as much as one.

import type { Pool } from '../pool.ts';
import { enrolled } from '../telemetry/living.ts';
import { Histogram } from './histogram.ts';

export interface Sight {
  /** From an acquire to its lease. Those that were refused are in the pool's stats. */
  readonly wait: Histogram;
  /** From a lease to its end. */
  readonly use: Histogram;
  /** What the factory's create took, when it succeeded. */
  readonly create: Histogram;
}

const sights = new WeakMap<object, Sight>();

/** The histograms of a pool: the same ones whoever asks. Recording begins with the first call. */
export function sightOf<T>(pool: Pool<T>): Sight {
  const known = sights.get(pool);
  if (known !== undefined) return known;
  const sight: Sight = { wait: new Histogram(), use: new Histogram(), create: new Histogram() };
  sights.set(pool, sight);
  pool.on('acquire', ({ waitMs }) => sight.wait.record(waitMs));
  pool.on('release', ({ useMs }) => sight.use.record(useMs));
  pool.on('create', ({ durationMs }) => sight.create.record(durationMs));
  return sight;
}

/** Every pool of this process that has not closed, those inside keyed pools, adapters and drop-ins too, in the order of their making. */
export function livingPools(): Pool<unknown>[] {
  return (enrolled() as Pool<unknown>[]).filter(({ state }) => state !== 'closed');
}
