import { Pool } from 'sequelize-pool';
import { lender, type Open, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

export const open: Open = (setup, source) => openWith(Pool, setup, source);

/** With sequelize-pool's class, or one that takes its place. */
export function openWith(PoolClass: typeof Pool, { max, acquireTimeoutMs }: Setup, source: Source): Subject {
  const pool = new PoolClass<Thing>({
    create: () => Promise.resolve(source.make()),
    destroy: () => source.unmake(),
    validate: () => true, // it has no switch: asked on each acquire
    max, min: 0, acquireTimeoutMillis: acquireTimeoutMs, idleTimeoutMillis: 30_000,
  });
  return lender<Thing>({
    acquire: () => pool.acquire(),
    release: (thing) => { pool.release(thing); },
    thingOf: (thing) => thing,
    close: async () => {
      await pool.drain();
      await pool.destroyAllNow();
    },
  });
}
