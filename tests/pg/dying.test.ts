// Backends that die: while idle, while borrowed, in the middle of a statement.

import { createPgPool, ConnectionLostError, pgFactory, type PgPool } from 'millpond/pg';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

const warm = async (pool: PgPool, count: number): Promise<void> => {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
};

onEachPostgres('a backend that is killed', (stage) => {
  it('while idle is gone from the pool before anybody asks, and min is filled again', async () => {
    await using pool = createPgPool({ ...stage.options('idle'), min: 2, max: 4 });
    await pool.ready({ timeoutMs: 60_000 });
    const lost: unknown[] = [];
    pool.on('destroy', ({ reason, error }) => lost.push([reason, (error as { code?: string } | undefined)?.code]));
    const [victim] = await stage.observer.backends('idle');
    await stage.observer.terminate(victim?.pid ?? 0);
    await until('two others', () => stage.observer.backends('idle'),
      (all) => all.length === 2 && all.every(({ pid, state }) => pid !== victim?.pid && state === 'idle'));
    expect(lost).toContainEqual(['broken', '57P01']);
  });

  it('by the network says so', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'network'), min: 1, max: 1 });
    await pool.ready({ timeoutMs: 60_000 });
    const lost: unknown[] = [];
    pool.on('destroy', ({ reason, error }) => lost.push([reason, (error as { code?: string } | undefined)?.code]));
    proxy.cut();
    await until('the loss to be told', () => lost, (all) => all.length > 0);
    expect(lost[0]).toEqual(['broken', 'ECONNRESET']);
  });

  it('is told to everybody who listens to its factory', async () => {
    const factory = pgFactory(stage.options('listeners'));
    const client = await factory.create({ signal: new AbortController().signal, attempt: 1 });
    const told: string[] = [];
    factory.onLost?.(client, () => told.push('one'));
    const leave = factory.onLost?.(client, () => told.push('two'));
    factory.onLost?.(client, () => told.push('three'));
    leave?.();
    await stage.observer.terminate(client.processID ?? 0);
    await until('the loss to be told', () => told, (all) => all.length === 2);
    factory.onLost?.(client, () => told.push('late')); // who comes later is told as well
    expect(told).toEqual(['one', 'three', 'late']);
    await factory.destroy(client, { reason: 'broken', signal: new AbortController().signal });
  });

  it('while borrowed fails the statement of its borrower and is not lent again', async () => {
    await using pool = createPgPool({ ...stage.options('borrowed'), max: 2 });
    const lease = await pool.acquire();
    const running = failureOf(lease.resource.query('SELECT pg_sleep(60)'));
    const victim = await stage.observer.running('borrowed', 'pg_sleep');
    await stage.observer.terminate(victim.pid);
    expect(await running).toMatchObject({ code: '57P01' });
    await expect(lease.resource.query('SELECT 1')).rejects.toThrow();
    expect(lease.release()).toBe(true);
    expect((await pool.query('SELECT pg_backend_pid() AS pid')).rows).not.toEqual([{ pid: victim.pid }]);
    expect(pool.stats()).toMatchObject({ borrowed: 0, size: 1 });
    expect(pool.stats().totals.destroyed.broken).toBe(1);
  });

  it('while borrowed, and between two statements, is found out on release', async () => {
    await using pool = createPgPool({ ...stage.options('between'), max: 1 });
    const lease = await pool.acquire();
    const ended = new Promise<void>((resolve) => { lease.resource.on('end', resolve); });
    await stage.observer.terminate(lease.resource.processID ?? 0);
    await ended;
    lease.release();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('during query() is told as what it is: the server\'s own words if there are any, else a loss that is not retried', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'during'), max: 1 });
    const killed = failureOf(pool.query('SELECT pg_sleep(60)'));
    const victim = await stage.observer.running('during', 'pg_sleep');
    await stage.observer.terminate(victim.pid);
    expect(await killed).toMatchObject({ code: '57P01' });

    const cut = failureOf(pool.query('SELECT pg_sleep(60)'));
    await stage.observer.running('during', 'pg_sleep', victim.pid);
    proxy.cut();
    const error = await cut;
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false, cause: expect.any(Error) as Error });
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(proxy.passages.filter(({ fromClient }) => Buffer.concat(fromClient).includes('pg_sleep'))).toHaveLength(2);
  });

  it('in a transaction fails the transaction, which is not run again', async () => {
    await using pool = createPgPool({ ...stage.options('in-tx'), max: 1 });
    let runs = 0;
    const transaction = failureOf(pool.transaction(async (client) => {
      runs++;
      await client.query('SELECT pg_sleep(60)');
    }, { retry: 3 }));
    const victim = await stage.observer.running('in-tx', 'pg_sleep');
    await stage.observer.terminate(victim.pid);
    expect(await transaction).toMatchObject({ code: '57P01' });
    expect(runs).toBe(1);
    expect(pool.stats()).toMatchObject({ borrowed: 0 });
  });

  it('with all the others, many times over, costs nobody more than a statement', async () => {
    await using pool = createPgPool({ ...stage.options('massacre'), max: 5 });
    await warm(pool, 5);
    let failures = 0;
    let served = 0;
    let going = true;
    const worker = async (): Promise<void> => {
      while (going) {
        try {
          await pool.query('SELECT pg_sleep(0.001)');
          served++;
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^(57P01|ERR_POOL_CONNECTION_LOST)$/);
          failures++;
        }
      }
    };
    const workers = Array.from({ length: 20 }, worker);
    for (let i = 0; i < 10; i++) {
      await stage.observer.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'massacre'");
      const before = served;
      await until('the pool to serve again', () => served, (now) => now > before + 20);
      expect(await stage.observer.count('massacre')).toBeLessThanOrEqual(5);
    }
    going = false;
    await Promise.all(workers);
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThanOrEqual(10 * 5);
    expect(pool.stats()).toMatchObject({ borrowed: 0, waiting: 0 });
  });
});
