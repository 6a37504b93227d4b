import { Pool } from 'lightning-pool';
import { lender, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

/** It turns away the thousandth waiter by default. */
const QUEUE = 5_000_000;

export function open({ max, acquireTimeoutMs, validate }: Setup, source: Source): Subject {
  const pool = new Pool<Thing>({
    create: () => source.make(),
    destroy: () => source.unmake(),
    validate: () => undefined,
  }, { max, min: 0, maxQueue: QUEUE, acquireTimeoutMillis: acquireTimeoutMs, idleTimeoutMillis: 30_000, validation: validate });
  return lender<Thing>({
    acquire: () => pool.acquire(),
    release: (thing) => { pool.release(thing); },
    thingOf: (thing) => thing,
    close: () => pool.closeAsync(true),
  });
}
