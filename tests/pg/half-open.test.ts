// Half-open TCP: the other end is gone, and nothing says so.

import { createPgPool, QueryTimeoutError } from 'millpond/pg';
import { expect, it } from 'vitest';
import { sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

onEachPostgres('half-open TCP', (stage) => {
  const through = async (options: object): Promise<{ proxy: TcpProxy; pool: ReturnType<typeof createPgPool> }> => {
    const proxy = await TcpProxy.start({ port: stage.server.port });
    return { proxy, pool: createPgPool({ ...stage.through(proxy, 'half-open'), createRetry: { maxDelayMs: 200 }, ...options }) };
  };
  /** Old connections fall silent; new ones pass. */
  const silenceOld = (proxy: TcpProxy): void => {
    const old = new Set(proxy.open);
    proxy.silence();
    proxy.resume((passage) => !old.has(passage));
  };

  it('is noticed before the statement when the connection was idle: one validation for all of them', async () => {
    const { proxy, pool } = await through({ max: 4, validateAfterIdleMs: 50, validateTimeoutMs: 200 });
    await using _pool = pool;
    await using _proxy = proxy;
    const leases = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
    for (const lease of leases) lease.release();
    silenceOld(proxy);
    await sleep(100);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    // The first did not answer; the others, silent for as long, were not asked.
    expect(pool.stats().totals.destroyed).toMatchObject({ invalid: 1, stale: 3 });
    expect(pool.stats().size).toBe(1);
  });

  it('is noticed by the ping of idle connections, and min is filled again', async () => {
    const { proxy, pool } = await through({ min: 2, max: 2, keepaliveIntervalMs: 200, validateTimeoutMs: 200 });
    await using _pool = pool;
    await using _proxy = proxy;
    await pool.ready({ timeoutMs: 60_000 });
    silenceOld(proxy);
    await until('two others', () => pool.stats(), ({ totals, idle }) => totals.created === 4 && idle === 2);
  });

  it('in the middle of a statement ends with its deadline, and the connection with it', async () => {
    // However long one that is being closed may count: this one is known to be dead.
    const { proxy, pool } = await through({ max: 1, cancelTimeoutMs: 200, destroyTimeoutMs: 60_000 });
    await using _pool = pool;
    await using _proxy = proxy;
    await pool.query('SELECT 1');
    silenceOld(proxy);
    await expect(pool.query('SELECT 1', [], { timeoutMs: 200 })).rejects.toBeInstanceOf(QueryTimeoutError);
    expect((await pool.query('SELECT 1 AS one', [], { timeoutMs: 5_000 })).rows).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(2);
  });

  it('of a whole server ends acquires at their deadline, and heals by itself', async () => {
    const { proxy, pool } = await through({
      min: 2, max: 2, acquireTimeoutMs: 700, validateAfterIdleMs: 10, validateTimeoutMs: 100, createTimeoutMs: 200,
    });
    await using _pool = pool;
    await using _proxy = proxy;
    await pool.ready({ timeoutMs: 60_000 });
    proxy.silence();
    await sleep(50);
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
    proxy.resume();
    await until('the pool to be whole again', () => pool.stats(), ({ idle }) => idle === 2);
  });
});
