// Connections that die: while idle, while borrowed, in the middle of a statement, and without anybody being told.

import { createMysqlPool, ConnectionLostError, mysqlFactory, QueryTimeoutError, type MysqlPool } from 'millpond/mysql';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onMariadb, type MariadbStage } from '../support/mariadb.ts';
import { TcpProxy } from '../support/proxy.ts';

const warm = async (pool: MysqlPool, count: number): Promise<void> => {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
};

onMariadb('a connection that is killed', (stage) => {
  it('while idle is gone from the pool before anybody asks, and min is filled again', async () => {
    await using pool = createMysqlPool({ ...await stage.options('idle'), min: 2, max: 4 });
    await pool.ready();
    const lost: string[] = [];
    pool.on('destroy', ({ reason }) => lost.push(reason));
    const [victim] = await stage.watcher.threads('idle');
    await stage.watcher.terminate(victim?.ID ?? 0);
    await until('two others', () => stage.watcher.threads('idle'), (all) => all.length === 2 && all.every(({ ID }) => ID !== victim?.ID));
    await until('the pool to have two', () => pool.stats(), ({ idle }) => idle === 2);
    expect(lost).toEqual(['broken']);
  });

  it('by the network says so', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({ ...await stage.through(proxy, 'network'), min: 1, max: 1 });
    await pool.ready();
    const lost: unknown[] = [];
    pool.on('destroy', ({ reason, error }) => lost.push([reason, (error as { code?: string } | undefined)?.code]));
    proxy.cut();
    await until('the loss to be told', () => lost, (all) => all.length > 0);
    expect(lost[0]).toEqual(['broken', 'ECONNRESET']);
  });

  it('is told to everybody who listens to its factory', async () => {
    const factory = mysqlFactory(await stage.options('told'));
    const connection = await factory.create({ signal: new AbortController().signal, attempt: 1 });
    const told: string[] = [];
    factory.onLost?.(connection, () => told.push('one'));
    const leave = factory.onLost?.(connection, () => told.push('two'));
    factory.onLost?.(connection, () => told.push('three'));
    leave?.();
    await stage.watcher.terminate(connection.threadId);
    await until('the loss to be told', () => told, (all) => all.length === 2);
    factory.onLost?.(connection, () => told.push('late')); // who comes later is told as well
    expect(told).toEqual(['one', 'three', 'late']);
    await factory.destroy(connection, { reason: 'broken', signal: new AbortController().signal });
  });

  it('while borrowed fails the statement of its borrower, crashes nothing and is not lent again', async () => {
    await using pool = createMysqlPool({ ...await stage.options('borrowed'), max: 2 });
    const lease = await pool.acquire();
    const running = failureOf(lease.resource.query('SELECT SLEEP(60)'));
    const victim = await stage.watcher.running('borrowed', 'SLEEP');
    await stage.watcher.terminate(victim.ID);
    expect(await running).toBeInstanceOf(Error);
    await expect(lease.resource.query('SELECT 1')).rejects.toThrow();
    expect(lease.release()).toBe(true);
    expect((await pool.query('SELECT CONNECTION_ID() AS id'))[0]).not.toEqual([{ id: victim.ID }]);
    expect(pool.stats()).toMatchObject({ borrowed: 0, size: 1, totals: { destroyed: { broken: 1 } } });
  });

  it('while borrowed, and between two statements, is found out on release', async () => {
    await using pool = createMysqlPool({ ...await stage.options('between'), max: 1 });
    const lease = await pool.acquire();
    const ended = new Promise<void>((resolve) => { lease.resource.on('end', resolve); });
    await stage.watcher.terminate(lease.resource.threadId);
    await ended;
    lease.release();
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
  });

  it('during query() is a loss that is not retried', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({ ...await stage.through(proxy, 'during'), max: 1 });
    const cut = failureOf(pool.query('SELECT SLEEP(60)'));
    await stage.watcher.running('during', 'SLEEP');
    proxy.cut();
    const error = await cut;
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false, cause: expect.any(Error) as Error });
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(proxy.passages.filter(({ fromClient }) => Buffer.concat(fromClient).includes('SLEEP'))).toHaveLength(1);
  });

  it('in a transaction fails the transaction, which is not run again', async () => {
    await using pool = createMysqlPool({ ...await stage.options('in-tx'), max: 1 });
    let runs = 0;
    const transaction = failureOf(pool.transaction(async (connection) => {
      runs++;
      await connection.query('SELECT SLEEP(60)');
    }, { retry: 3 }));
    const victim = await stage.watcher.running('in-tx', 'SLEEP');
    await stage.watcher.terminate(victim.ID);
    expect(await transaction).toBeInstanceOf(Error);
    expect(runs).toBe(1);
    expect(pool.stats()).toMatchObject({ borrowed: 0 });
  });

  it('by the server, because it was idle for too long, is gone before anybody asks', async () => {
    await using pool = createMysqlPool({ ...await stage.options('waited'), max: 1, reset: 'none' });
    await pool.use((connection) => connection.query('SET SESSION wait_timeout = 1'));
    await until('the server to end it', () => pool.stats().size, (size) => size === 0);
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
  });

  it('with all the others, many times over, costs nobody more than a statement', async () => {
    await using pool = createMysqlPool({ ...await stage.options('massacre'), max: 5, createRetry: { maxDelayMs: 200 } });
    await warm(pool, 5);
    let failures = 0;
    let served = 0;
    let going = true;
    const worker = async (): Promise<void> => {
      while (going) {
        try {
          await pool.query('SELECT SLEEP(0.001)');
          served++;
        } catch (error) {
          const { code, errno } = error as { code: string; errno?: number };
          if (code !== 'ERR_POOL_CONNECTION_LOST') expect(errno).toBe(1927);
          failures++;
        }
      }
    };
    const workers = Array.from({ length: 20 }, worker);
    for (let i = 0; i < 8; i++) {
      for (const { ID } of await stage.watcher.threads('massacre')) await stage.watcher.terminate(ID);
      const before = served;
      await until('the pool to serve again', () => served, (now) => now > before + 20);
      expect(pool.stats().size).toBeLessThanOrEqual(5);
    }
    going = false;
    await Promise.all(workers);
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThanOrEqual(8 * 6);
    expect(pool.stats()).toMatchObject({ borrowed: 0, waiting: 0 });
  });

  halfOpen(stage);
});

/** The other end is gone, and nothing says so. */
function halfOpen(stage: MariadbStage): void {
  const through = async (user: string, options: object): Promise<{ proxy: TcpProxy; pool: MysqlPool }> => {
    const proxy = await TcpProxy.start({ port: stage.server.port });
    return { proxy, pool: createMysqlPool({ ...await stage.through(proxy, user), createRetry: { maxDelayMs: 200 }, ...options }) };
  };
  /** Old connections fall silent; new ones pass. */
  const silenceOld = (proxy: TcpProxy): void => {
    const old = new Set(proxy.open);
    proxy.silence();
    proxy.resume((passage) => !old.has(passage));
  };

  it('by nobody but silent is noticed before the statement: one ping for all of them', async () => {
    const { proxy, pool } = await through('half-open', { max: 4, validateAfterIdleMs: 1, validateTimeoutMs: 300 });
    await using _pool = pool;
    await using _proxy = proxy;
    await warm(pool, 4);
    silenceOld(proxy);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    // The first did not answer; the others, silent for as long, were not asked.
    expect(pool.stats().totals.destroyed).toMatchObject({ invalid: 1, stale: 3 });
    expect(pool.stats().size).toBe(1);
  });

  it('by nobody but silent is noticed by the ping of idle connections, and min is filled again', async () => {
    const { proxy, pool } = await through('pinged', { min: 2, max: 2, keepaliveIntervalMs: 200, validateTimeoutMs: 300 });
    await using _pool = pool;
    await using _proxy = proxy;
    await pool.ready();
    silenceOld(proxy);
    await until('two others', () => pool.stats(), ({ totals, idle }) => totals.created >= 4 && idle === 2);
  });

  it('by nobody but silent in the middle of a statement ends with its deadline, and the connection with it', async () => {
    // However long one that is being closed may count: this one is known to be dead.
    const { proxy, pool } = await through('middle', { max: 1, cancelTimeoutMs: 300, destroyTimeoutMs: 60_000 });
    await using _pool = pool;
    await using _proxy = proxy;
    await pool.query('SELECT 1');
    silenceOld(proxy);
    await expect(pool.query('SELECT 1', [], { timeoutMs: 300 })).rejects.toBeInstanceOf(QueryTimeoutError);
    expect((await pool.query('SELECT 1 AS one', [], { timeoutMs: 30_000 }))[0]).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(2);
  });
}
