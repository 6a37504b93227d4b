import { createPool } from 'generic-pool';
import { lender, type Open, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

export const open: Open = (setup, source) => openWith(createPool, setup, source);

/** With generic-pool's function, or one that takes its place. */
export function openWith(create: typeof createPool, { max, acquireTimeoutMs, validate }: Setup, source: Source): Subject {
  const pool = create<Thing>({
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
