// What mysql2's pool gets wrong: better by default where nobody can miss the old way, and by `millpond: { … }` elsewhere.

import { createPool, type PoolConnection, type RowDataPacket } from '@millpond/mysql2';
import { createPool as createPromisePool } from '@millpond/mysql2/promise';
import { LeaseEndedError, type PoolStats } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { afterEach, expect, test } from 'vitest';
import { onMariadb, type MariadbStage } from '../../support/mariadb.ts';
import { until } from '../../support/postgres.ts';
import { TcpProxy } from '../../support/proxy.ts';

type AnyPool = ReturnType<typeof createPool>;
type Options = Exclude<Parameters<typeof createPool>[0], string>;

const open: AnyPool[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => new Promise<void>((resolve) => { pool.end(() => resolve()); })));
});

async function poolOn(stage: MariadbStage, user: string, options: Options = {}): Promise<AnyPool> {
  const pool = createPool({ ...await stage.options(user) as Options, ...options });
  open.push(pool);
  return pool;
}

function get(pool: AnyPool): Promise<PoolConnection> {
  return new Promise((resolve, reject) => { pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection))); });
}

function query(on: { query: AnyPool['query'] }, sql: string): Promise<RowDataPacket[]> {
  return new Promise((resolve, reject) => { on.query<RowDataPacket[]>(sql, (error, rows) => (error ? reject(error) : resolve(rows))); });
}

function statsOf(pool: AnyPool): PoolStats {
  return (pool as unknown as { stats(): PoolStats }).stats();
}

onMariadb("the faults of mysql2's pool", (stage) => {
  test('with millpond, a second release of an old borrower does not take the connection from the new one', async () => {
    const pool = await poolOn(stage, 'twice', { connectionLimit: 1, millpond: true });
    const old = await get(pool);
    old.release();
    const mine = await get(pool);
    expect(mine.threadId).toBe(old.threadId);
    old.release();
    old.destroy();
    old[Symbol.dispose]();
    pool.releaseConnection(old);
    expect(statsOf(pool).borrowed).toBe(1);
    expect(() => old.query('SELECT 1')).toThrow(LeaseEndedError);
    expect(await query(mine, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    pool.releaseConnection(mine);
    expect(statsOf(pool).borrowed).toBe(0);
  });

  test('a connection of the promise pool ends once, also without millpond', async () => {
    const pool = createPromisePool({ ...await stage.options('twice_promised') as Options, connectionLimit: 1 });
    const old = await pool.getConnection();
    old.release();
    const mine = await pool.getConnection();
    old.release();
    old.destroy();
    expect(statsOf((pool as unknown as { pool: AnyPool }).pool).borrowed).toBe(1);
    expect((await mine.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    mine.release();
    await pool.end();
  });

  test('a handle does all that a connection does', async () => {
    const pool = await poolOn(stage, 'handle', { connectionLimit: 1, millpond: true });
    const handle = await get(pool);
    const [rows] = await handle.promise().query('SELECT 1 AS one');
    expect(rows).toEqual([{ one: 1 }]);
    handle.promise().release();
    expect(statsOf(pool).borrowed).toBe(0);
    const { threadId } = await get(pool).then((second) => { second.destroy(); return second; });
    const third = await get(pool);
    expect(third.threadId).not.toBe(threadId);
    third[Symbol.dispose]();
    expect(await query(pool, 'SELECT 2 AS two')).toEqual([{ two: 2 }]);
    expect((await pool.promise().execute('SELECT 3 AS three'))[0]).toEqual([{ three: 3 }]);
  });

  test('a connection that is being closed counts until the server is rid of it', async () => {
    const pool = await poolOn(stage, 'max', { connectionLimit: 2 });
    let peak = 0;
    let done = false;
    const watching = (async () => {
      while (!done) peak = Math.max(peak, await stage.watcher.count('max'));
    })();
    await Promise.all(Array.from({ length: 40 }, async () => {
      const connection = await get(pool);
      await query(connection, 'SELECT 1');
      connection.destroy();
    }));
    done = true;
    await watching;
    expect(peak).toBeLessThanOrEqual(2);
    expect(peak).toBeGreaterThan(0);
  });

  test('a getConnection waits for ever, as with mysql2; with millpond it has a deadline that says who holds what', async () => {
    const clock = new VirtualClock();
    const pool = await poolOn(stage, 'deadline', { connectionLimit: 1, millpond: { acquireTimeoutMs: 60_000 } });
    const held = await get(pool);
    const options = { ...await stage.options('deadline2') as Options, connectionLimit: 1 };
    const timed = createPool({ ...options, millpond: { clock, createTimeoutMs: 0 } });
    open.push(timed);
    const taken = await get(timed);
    const late = get(timed).catch((error: unknown) => error);
    await clock.advance(5000);
    expect(await late).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', message: expect.stringContaining('1 of 1 borrowed') });
    taken.release();
    held.release();
    const faithful = await poolOn(stage, 'patient', { connectionLimit: 1, millpond: { clock, acquireTimeoutMs: Infinity } });
    const kept = await get(faithful);
    const waiting = get(faithful);
    await clock.advance(3_600_000);
    kept.release();
    (await waiting).release();
  });

  test('no timer keeps the process alive, whatever may be idle', async () => {
    const clock = new VirtualClock();
    const timeouts = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timeouts();
    const pool = await poolOn(stage, 'timers', { connectionLimit: 3, maxIdle: 1, idleTimeout: 60_000, millpond: { clock } });
    const connections = await Promise.all([get(pool), get(pool)]);
    for (const connection of connections) connection.release();
    expect(clock.keepingAlive).toBe(0);
    expect(timeouts()).toBeLessThanOrEqual(before);
  });

  test('with millpond, a connection that died in silence is found out before it is lent', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, record: false });
    const options = { ...await stage.through(proxy, 'silent') as Options, connectionLimit: 1 };
    const millpond = { validateOnAcquire: true, validateTimeoutMs: 300, acquireTimeoutMs: 60_000, idleTimeoutMs: 0, createTimeoutMs: 0 };
    const pool = createPool({ ...options, connectTimeout: 60_000, millpond });
    open.push(pool);
    const first = await get(pool);
    const { threadId } = first;
    first.release();
    proxy.silence();
    const next = get(pool);
    await until('the old one to leave', () => Promise.resolve(statsOf(pool).totals.destroyed.invalid), (count) => count === 1);
    proxy.resume();
    const second = await next;
    expect(second.threadId).not.toBe(threadId);
    second.release();
  });

  test('end cuts off nobody: with millpond what is lent may come back until endDeadlineMs', async () => {
    const pool = await poolOn(stage, 'ending', { connectionLimit: 1, millpond: { endDeadlineMs: 60_000 } });
    const connection = await get(pool);
    let ended = false;
    const end = new Promise<void>((resolve) => { pool.end(() => { ended = true; resolve(); }); });
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(ended).toBe(false);
    connection.release();
    await end;
    const stuck = await poolOn(stage, 'stuck', { connectionLimit: 1, millpond: { endDeadlineMs: 50 } });
    await get(stuck);
    await new Promise<void>((resolve) => { stuck.end(() => resolve()); });
    await until('no connection', () => stage.watcher.count('stuck'), (count) => count === 0);
  });
});
