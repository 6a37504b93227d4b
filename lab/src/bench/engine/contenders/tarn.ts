import { Pool } from 'tarn';
import { lender, type Open, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

export const open: Open = (setup, source) => openWith(Pool, setup, source);

/** With tarn's class, or one that takes its place. */
export function openWith(PoolClass: typeof Pool, { max, acquireTimeoutMs, validate }: Setup, source: Source): Subject {
  const pool = new PoolClass<Thing>({
    create: () => Promise.resolve(source.make()),
    destroy: () => source.unmake(),
    min: 0, max, acquireTimeoutMillis: acquireTimeoutMs, idleTimeoutMillis: 30_000,
    ...(validate ? { validate: () => true } : {}),
  });
  return lender<Thing>({
    acquire: () => pool.acquire().promise,
    // Its own way to give up: the signal calls it.
    acquireWith: (signal) => {
      const pending = pool.acquire();
      const abort = (): void => pending.abort();
      signal.addEventListener('abort', abort, { once: true });
      return pending.promise;
    },
    release: (thing) => { pool.release(thing); },
    thingOf: (thing) => thing,
    close: async () => { await pool.destroy(); },
  });
}
