// millpond as it is by default, as `use`, as `tryAcquire`, and with everything switched on that can be.
import { Pool, type Lease, type PoolOptions } from 'millpond';
import { lender, type Setup, type Source, type Subject, type Thing, type Trier } from '../subject.ts';

export function open(setup: Setup, source: Source): Subject {
  return lending(new Pool<Thing>(defaults(setup, source)));
}

export function openUse(setup: Setup, source: Source): Subject {
  const pool = new Pool<Thing>(defaults(setup, source));
  return {
    kind: 'runs',
    use: (work) => pool.use(work),
    useWith: (signal, work) => pool.use(work, { signal }),
    close: async () => { await pool.close({ deadlineMs: 0 }); },
  };
}

export async function openTry(setup: Setup, source: Source): Promise<Subject> {
  const pool = new Pool<Thing>(defaults(setup, source));
  (await pool.acquire()).release(); // so that there is one to be had
  const subject: Trier<Lease<Thing>> = {
    kind: 'tries',
    tryAcquire: () => pool.tryAcquire(),
    release: (lease) => { lease.release(); },
    close: async () => { await pool.close({ deadlineMs: 0 }); },
  };
  return subject;
}

export function openEverything(setup: Setup, source: Source): Subject {
  const options = defaults(setup, source);
  const pool = new Pool<Thing>({
    ...options, min: 2, maxWaiting: 5_000_000, maxUses: 1e12, validateAfterIdleMs: setup.validate ? 0 : 500, keepaliveIntervalMs: 120_000,
    breaker: { failures: 5, probeIntervalMs: 1000 }, shedding: true, lanes: { critical: { share: 8 }, batch: { share: 2 } },
    leakThresholdMs: 60_000, captureStacks: 0.001,
    factory: {
      ...options.factory,
      validate: () => true,
      reset: () => undefined,
      isBroken: (thing) => thing.id < 0,
      onLost: () => () => undefined,
    },
  });
  pool.on('leak', () => undefined);
  return lending(pool);
}

function defaults({ max, acquireTimeoutMs, validate, sharing }: Setup, source: Source): PoolOptions<Thing> {
  return {
    max, acquireTimeoutMs, sharing,
    ...(validate ? { validateAfterIdleMs: 0 } : {}),
    factory: { create: () => source.make(), destroy: () => source.unmake(), ...(validate ? { validate: () => true } : {}) },
  };
}

function lending(pool: Pool<Thing>): Subject {
  return lender<Lease<Thing>>({
    acquire: () => pool.acquire(),
    acquireWith: (signal) => pool.acquire({ signal }),
    release: (lease) => { lease.release(); },
    thingOf: (lease) => lease.resource,
    close: async () => { await pool.close({ deadlineMs: 0 }); },
  });
}
