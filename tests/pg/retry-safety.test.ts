// A dead connection is replaced without a word if nothing of the statement was sent, and never after that.

import { createPgPool, ConnectionLostError, type PgPool } from 'millpond/pg';
import type pg from 'pg';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

/** Ends the connection of the next `count` leases between their acquire and their first statement, as bad luck would. */
function unlucky(pool: PgPool, count: number): { left: number } {
  const luck = { left: count };
  pool.on('acquire', ({ lease }) => {
    if (luck.left-- > 0) (lease.resource as unknown as pg.Client & { connection: pg.Connection }).connection.stream.destroy();
  });
  return luck;
}

const warm = async (pool: PgPool, count: number): Promise<void> => {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
};

onEachPostgres('a connection found dead', (stage) => {
  it('before anything was sent is replaced: two that the pool has, then a new one', async () => {
    await stage.observer.query('CREATE TABLE counted (n int)');
    await using pool = createPgPool({ ...stage.options('replaced'), max: 4 });
    for (const bad of [1, 2]) {
      await warm(pool, 4);
      const { created } = pool.stats().totals;
      const luck = unlucky(pool, bad);
      await pool.query('INSERT INTO counted VALUES ($1)', [bad]);
      expect(luck.left).toBe(-1);
      // One dead one is taken for bad luck; two in a row for the end of all of them.
      expect(pool.stats().totals.created - created).toBe(bad === 1 ? 0 : 1);
    }
    expect(await stage.observer.query('SELECT count(*)::int AS count FROM counted')).toEqual([{ count: 2 }]);
  });

  it('three times in a row is an error, which may be retried because nothing was sent', async () => {
    await using pool = createPgPool({ ...stage.options('three'), max: 4 });
    const luck = unlucky(pool, 3);
    const failed = pool.query('SELECT 1');
    await expect(failed).rejects.toBeInstanceOf(ConnectionLostError);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: true });
    expect(luck.left).toBe(0);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  const unsent = 'by the very write of a %s is replaced too: what the system did not take has not been sent';
  it.each(['query', 'transaction'])(unsent, async (kind) => {
    await stage.observer.query(`CREATE TABLE refused_${kind} (n int)`);
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'refused'), max: 2 });
    await warm(pool, 1);
    // The connection is reset, and nobody here has noticed: this process does not get to its events in between.
    pool.on('acquire', () => {
      const [old] = proxy.open;
      if (proxy.passages.length > 1 || old === undefined) return;
      old.client.resetAndDestroy();
      old.server.destroy();
      const end = performance.now() + 50;
      while (performance.now() < end);
    });
    const insert = `INSERT INTO refused_${kind} VALUES (1)`;
    if (kind === 'query') await pool.query(insert);
    else await pool.transaction((client) => client.query(insert));
    expect(proxy.passages).toHaveLength(2);
    expect((await pool.query(`SELECT count(*)::int AS count FROM refused_${kind}`)).rows).toEqual([{ count: 1 }]);
  });

  it('before a transaction began is replaced as well', async () => {
    await using pool = createPgPool({ ...stage.options('begin'), max: 4 });
    unlucky(pool, 2);
    let runs = 0;
    await pool.transaction(async (client) => {
      runs++;
      await client.query('SELECT 1');
    });
    expect(runs).toBe(1);
  });

  it('after a byte was sent is an error, and the statement is sent once', async () => {
    await stage.observer.query('CREATE TABLE once (n int)');
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'sent'), max: 2 });
    await warm(pool, 2);
    const texts = (): number => proxy.passages.filter(({ fromClient }) => Buffer.concat(fromClient).includes('INSERT INTO once')).length;
    // The server does it, and its answer is lost: to send it again would do it twice.
    proxy.deaf = true;
    const asked = failureOf(pool.query('INSERT INTO once VALUES (1)'));
    const count = (): Promise<{ count: number }[]> => stage.observer.query('SELECT count(*)::int AS count FROM once');
    await until('the server to do it', count, ([row]) => row?.count === 1);
    proxy.cut();
    expect(await asked).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false });
    proxy.deaf = false;
    expect((await pool.query('SELECT count(*)::int AS count FROM once')).rows).toEqual([{ count: 1 }]);
    expect(texts()).toBe(1);
  });
});
