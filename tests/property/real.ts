// The real side: a pool on a virtual clock with a factory that answers at once, and a record of what became of each acquire.

import { Pool, PoolError, type Lease, type PoolOptions } from 'millpond';
import { PLAIN_OPTIONS, VirtualClock } from 'millpond/testing';
import { checkEngine } from '../../packages/millpond/src/engine/invariants.ts';
import type { Outcome } from './model.ts';

export interface Thing {
  readonly id: number;
}

const KINDS: Readonly<Record<string, 'timedOut' | 'closed' | 'queueFull' | 'paused'>> = {
  ERR_POOL_ACQUIRE_TIMEOUT: 'timedOut',
  ERR_POOL_CLOSED: 'closed',
  ERR_POOL_QUEUE_FULL: 'queueFull',
  ERR_POOL_PAUSED: 'paused',
};

export class Real {
  readonly clock = new VirtualClock();
  readonly pool: Pool<Thing>;
  readonly outcomes: Outcome[] = [];
  readonly leases = new Map<number, Lease<Thing>>();
  readonly aborts = new Map<number, AbortController>();
  /** Made and not unmade, nor taken out. */
  readonly alive = new Set<number>();
  maxAlive = 0;
  private made = 0;

  constructor(options: Partial<PoolOptions<Thing>>) {
    this.pool = new Pool<Thing>({
      ...PLAIN_OPTIONS,
      ...options,
      clock: this.clock,
      random: () => 0.5,
      factory: {
        create: () => {
          const id = ++this.made;
          this.alive.add(id);
          this.maxAlive = Math.max(this.maxAlive, this.alive.size);
          return { id };
        },
        destroy: ({ id }) => {
          if (!this.alive.delete(id)) throw new Error(`${id} was destroyed twice`);
        },
      },
    });
  }

  acquire(timeoutMs: number): void {
    const ask = this.outcomes.length;
    this.outcomes.push({ kind: 'waiting' });
    const abort = new AbortController();
    this.aborts.set(ask, abort);
    this.pool.acquire({ timeoutMs, signal: abort.signal }).then(
      (lease) => this.served(ask, lease),
      (error: unknown) => {
        this.outcomes[ask] = { kind: PoolError.is(error) ? KINDS[error.code] ?? fail(error) : 'aborted' };
      },
    );
  }

  tryAcquire(): number | undefined {
    const lease = this.pool.tryAcquire();
    if (lease === undefined) return undefined;
    this.outcomes.push({ kind: 'waiting' });
    this.served(this.outcomes.length - 1, lease);
    return lease.resource.id;
  }

  /** The invariants, seen from inside. */
  faults(): string[] {
    return checkEngine(Pool.engineOf(this.pool), this.clock.now());
  }

  private served(ask: number, lease: Lease<Thing>): void {
    this.leases.set(ask, lease);
    this.outcomes[ask] = { kind: 'served', id: lease.resource.id };
  }
}

function fail(error: PoolError): never {
  throw error;
}
