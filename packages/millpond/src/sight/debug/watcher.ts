// Reports by itself, at the two moments in which who holds what is the question: somebody waited in vain while leases were out, and a pool
// closed without having got all of them back.

import { PoolError, type AcquireError } from '../../errors.ts';
import type { Pool } from '../../pool.ts';
import { uniqueName } from '../names.ts';
import { watchPools, type PoolFilter } from '../watch.ts';
import { describePool, groups, holdingsOf, type Abandoned } from './report.ts';
import { capture } from './stacks.ts';

/** Where the reports go: a text of several lines. */
export type ReportTo = (text: string) => void;

interface Terms {
  readonly to: ReportTo;
  readonly everyMs: number;
  readonly captureMs: number;
}

/** Returns how to stop. */
export function watchLeaks(filter: PoolFilter, terms: Terms): () => void {
  const capturing = new Map<Pool<unknown>, () => void>();
  const watch = watchPools(filter, (pool) => {
    let quietUntil = -Infinity;
    const ends = [
      pool.on('acquireError', ({ error }) => {
        if (!isExhaustion(error, pool) || performance.now() < quietUntil) return;
        quietUntil = performance.now() + terms.everyMs;
        terms.to(`An acquire of pool "${uniqueName(pool)}" timed out while leases were out.\n${describePool(holdingsOf(pool))}`);
        // What leaks again and again has its place in the next report.
        if (terms.captureMs === 0 || capturing.has(pool)) return;
        const over = (): boolean => capturing.delete(pool);
        capturing.set(pool, capture(terms.captureMs, (each) => each === pool, over));
      }),
      pool.on('state', ({ to }) => {
        if (to === 'draining') queueMicrotask(() => void reportAbandoned(pool, terms.to));
      }),
    ];
    return () => {
      for (const end of ends) end();
      capturing.get(pool)?.();
      capturing.delete(pool);
    };
  });
  return watch.stop;
}

/** Leases that are out while a pool drains have their time; those that were ended at the deadline had it. */
async function reportAbandoned(pool: Pool<unknown>, to: ReportTo): Promise<void> {
  // The close that is under way: asking again, without a deadline of one's own, changes nothing.
  const { abandoned } = await pool.close({ deadlineMs: Infinity });
  if (abandoned.length > 0) to(abandonedText(uniqueName(pool), abandoned));
}

function abandonedText(name: string, abandoned: readonly Abandoned[]): string {
  const oldestFirst = [...abandoned].sort((a, b) => b.heldMs - a.heldMs);
  const leases = abandoned.length === 1 ? '1 lease' : `${abandoned.length} leases`;
  return [`Pool "${name}" closed with ${leases} out.`, ...groups(oldestFirst)].join('\n');
}

function isExhaustion(error: unknown, pool: Pool<unknown>): boolean {
  if (!PoolError.is(error) || error.code !== 'ERR_POOL_ACQUIRE_TIMEOUT' || error.pool !== pool.name) return false;
  const { borrowed, idle } = (error as AcquireError).stats;
  return borrowed > 0 && idle === 0;
}
