import { createPool } from 'generic-pool';
import { lender, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

export function open({ max, acquireTimeoutMs, validate }: Setup, source: Source): Subject {
  const pool = createPool<Thing>({
    create: () => Promise.resolve(source.make()),
    destroy: () => Promise.resolve(source.unmake()),
    validate: () => Promise.resolve(true),
  }, {
    max, min: 0, acquireTimeoutMillis: acquireTimeoutMs, testOnBorrow: validate,
    idleTimeoutMillis: 30_000, evictionRunIntervalMillis: 10_000,
  });
  return lender<Thing>({
    acquire: () => pool.acquire(),
    release: (thing) => { void pool.release(thing); },
    thingOf: (thing) => thing,
    close: async () => {
      await pool.drain();
      await pool.clear();
    },
  });
}
