// Reads the pools whenever a reader collects.

import type { Pool } from '../../pool.ts';
import { sampleOf, valuesOf } from '../catalog.ts';
import { uniqueName } from '../names.ts';
import { tallyOf } from '../tally.ts';
import { watchPools, type PoolFilter } from '../watch.ts';
import { attributesOf, histograms, observables, withLabel, type Instrument } from './instruments.ts';
import type { OtelMeter, OtelObserver } from './types.ts';

/** Returns how to stop. */
export function exportMetrics(meter: OtelMeter, filter: PoolFilter): () => void {
  const instruments = observables(meter);
  const record = histograms(meter);
  const seen = new WeakSet<Pool<unknown>>();
  /** Closed since the last look. An SDK goes on reporting what it was told last, so they are told once more. */
  const leaving = new Set<Pool<unknown>>();
  const watch = watchPools(filter, (pool) => {
    tallyOf(pool);
    const stop = record(pool);
    return () => {
      stop();
      // Without a reader nobody looks, and nothing is to be kept for it.
      if (seen.has(pool)) leaving.add(pool);
    };
  });
  const look = (observer: OtelObserver): void => {
    const pools = watch.pools();
    const names = new Set(pools.map((pool) => uniqueName(pool)));
    for (const pool of leaving) if (!names.has(uniqueName(pool))) tell(observer, instruments, pool, true);
    leaving.clear();
    for (const pool of pools) {
      seen.add(pool);
      tell(observer, instruments, pool, false);
    }
  };
  const observed = instruments.map(({ observable }) => observable);
  meter.addBatchObservableCallback(look, observed);
  return () => {
    meter.removeBatchObservableCallback(look, observed);
    watch.stop();
    leaving.clear();
  };
}

function tell(observer: OtelObserver, instruments: readonly Instrument[], pool: Pool<unknown>, gone: boolean): void {
  const sample = sampleOf(pool);
  const attributes = attributesOf(pool);
  for (const { observable, kind, attribute, read } of instruments) {
    for (const [label, value] of valuesOf(read(sample))) {
      observer.observe(observable, gone && kind === 'gauge' ? 0 : value, withLabel(attributes, attribute, label));
    }
  }
}
