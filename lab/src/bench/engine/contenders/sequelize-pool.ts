import { Pool } from 'sequelize-pool';
import { lender, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

export function open({ max, acquireTimeoutMs }: Setup, source: Source): Subject {
  const pool = new Pool<Thing>({
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
