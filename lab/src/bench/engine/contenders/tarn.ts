import { Pool } from 'tarn';
import { lender, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

export function open({ max, acquireTimeoutMs, validate }: Setup, source: Source): Subject {
  const pool = new Pool<Thing>({
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
