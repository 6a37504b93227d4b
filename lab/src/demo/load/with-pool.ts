// The same through millpond: at most `size` connections, lent for one statement at a time.
import { createPgPool, type PgPool } from 'millpond/pg';
import type { Server, Strategy } from './strategy.ts';

export function pooled(server: Server, size: number): Strategy {
  let pool: PgPool | undefined;
  const opened = (): PgPool => {
    if (!pool) throw new Error('The pool is not open.');
    return pool;
  };
  return {
    name: `millpond, ${size} connections`,
    kind: 'pool',
    connections: size,
    open: async () => {
      // Full from the start, so that what is measured is this size. The users wait as long as it takes: with two connections for a
      // thousand of them that is what is to be seen.
      pool = createPgPool({ ...server, name: `demo-${size}`, min: size, max: size, acquireTimeoutMs: 60_000 });
      await pool.ready({ timeoutMs: 20_000 });
    },
    request: (question) => opened().query(question.text, question.values),
    close: async () => { await pool?.close(); },
    times: () => {
      const { served, waitMs, useMs } = opened().stats().totals;
      return { served, waitMs, useMs };
    },
  };
}
