// Whoever measures has to be there when a pool creates its first resource, and must not keep a pool alive that everybody else has dropped.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Pool } from '../pool.ts';
import { ARRIVAL } from '../telemetry/living.ts';
import { livingPools } from './sight.ts';

/** Which pools are meant, asked once for each; what it is asked about may be in the middle of being made. */
export type PoolFilter = (pool: Pool<unknown>) => boolean;

export const everyPool: PoolFilter = () => true;

export interface Watch {
  /** Those that are watched and have not closed, in the order of their making. */
  pools(): Pool<unknown>[];
  stop(): void;
}

/**
 * Calls `attach` with every pool that there is and every one that will be, and what that returned when the pool has closed or the watch is
 * stopped.
 */
export function watchPools(filter: PoolFilter, attach: (pool: Pool<unknown>) => () => void): Watch {
  const attached = new WeakMap<Pool<unknown>, () => void>();
  const detach = (pool: Pool<unknown>): void => {
    attached.get(pool)?.();
    attached.delete(pool);
  };
  const arrived = (message: unknown): void => {
    const pool = message as Pool<unknown>;
    if (!filter(pool)) return;
    const release = attach(pool);
    const deaf = pool.on('state', ({ to }) => {
      if (to === 'closed') detach(pool);
    });
    attached.set(pool, () => {
      deaf();
      release();
    });
  };
  for (const pool of livingPools()) arrived(pool);
  subscribe(ARRIVAL, arrived);
  const pools = (): Pool<unknown>[] => livingPools().filter((pool) => attached.has(pool));
  return {
    pools,
    stop: () => {
      unsubscribe(ARRIVAL, arrived);
      for (const pool of pools()) detach(pool);
    },
  };
}
