// The pool of mysql2 with the engine in it, on a real server.

import { AsyncLocalStorage } from 'node:async_hooks';
import mysql, { createPool, type PoolConnection, type RowDataPacket } from '@millpond/mysql2';
import promises from '@millpond/mysql2/promise';
import original from 'mysql2';
import originalPromises from 'mysql2/promise';
import { afterEach, expect, test } from 'vitest';
import { onMariadb, type MariadbStage } from '../../support/mariadb.ts';
import { until } from '../../support/postgres.ts';

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

test('everything of mysql2 is there, and only what makes pools is another', () => {
  for (const [ours, theirs, other] of [
    [mysql, original, ['createPool', 'createPoolPromise', 'Pool']], [promises, originalPromises, ['createPool', 'PromisePool']],
  ] as const) {
    const names = Object.getOwnPropertyNames(theirs);
    expect(Object.getOwnPropertyNames(ours).sort()).toEqual([...names].sort());
    for (const name of names) {
      const same = Reflect.get(ours, name) === Reflect.get(theirs, name);
      expect([name, same]).toEqual([name, !(other as readonly string[]).includes(name)]);
    }
  }
});

test('a pool is a pool of mysql2 to those who look, and options go to mysql2', async () => {
  const pool = createPool({ host: 'nowhere.example', connectionLimit: 3, namedPlaceholders: true, timezone: 'Z' });
  expect(pool).toBeInstanceOf((original as unknown as { Pool: new () => object }).Pool);
  expect('getConnection' in pool).toBe(true);
  expect(typeof pool.promise).toBe('function');
  expect(pool.config.connectionLimit).toBe(3);
  expect(pool.format('SELECT ?', [new Date(0)])).toBe("SELECT '1970-01-01 00:00:00.000'");
  expect([pool.escape("it's"), pool.escapeId('a.b')]).toEqual(["'it\\'s'", '`a`.`b`']);
  const promised = promises.createPool('mysql://user:secret@nowhere.example/name?connectionLimit=2');
  expect(promised).toBeInstanceOf(promises.PromisePool);
  expect(promised).not.toHaveProperty('promise');
  expect(() => createPool({ millpond: { maxUsers: 1 } as never })).toThrow(/did you mean maxUses/);
  await promised.end();
  await new Promise<void>((resolve) => { pool.end(() => resolve()); });
});

onMariadb('the pool of mysql2', (stage) => {
  test('query, execute and getConnection answer by callback, and connections are lent again', async () => {
    const pool = await poolOn(stage, 'answers', { connectionLimit: 2, namedPlaceholders: true });
    expect(await query(pool, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const executed = await new Promise((resolve, reject) => {
      pool.execute('SELECT :a + 1 AS sum', { a: 2 }, (error, rows) => (error ? reject(error) : resolve(rows)));
    });
    expect(executed).toEqual([{ sum: 3 }]);
    const first = await get(pool);
    const { threadId } = first;
    first.release();
    const second = await get(pool);
    expect(second).toBe(first);
    expect(second.threadId).toBe(threadId);
    expect(second).toBeInstanceOf((original as unknown as { PoolConnection: new () => object }).PoolConnection);
    pool.releaseConnection(second);
    expect(await stage.watcher.count('answers')).toBe(1);
  });

  test('the promise pool answers as mysql2/promise does', async () => {
    const pool = promises.createPool({ ...await stage.options('promised') as Options, connectionLimit: 2 });
    const [rows] = await pool.query('SELECT 1 AS one');
    expect(rows).toEqual([{ one: 1 }]);
    expect((await pool.execute('SELECT ? AS x', [5]))[0]).toEqual([{ x: 5 }]);
    const connection = await pool.getConnection();
    expect(connection).toBeInstanceOf(originalPromises.PoolConnection);
    await connection.beginTransaction();
    await connection.rollback();
    pool.releaseConnection(connection);
    await expect(pool.query('SELECT broken')).rejects.toMatchObject({ code: 'ER_BAD_FIELD_ERROR' });
    await pool.end();
    await expect(pool.getConnection()).rejects.toThrow('Pool is closed.');
  });

  test('the events tell what happens to connections', async () => {
    const pool = await poolOn(stage, 'events', { connectionLimit: 1 });
    const seen: unknown[] = [];
    for (const name of ['connection', 'acquire', 'release', 'enqueue']) {
      pool.on(name, (one?: PoolConnection) => seen.push([name, one?.threadId]));
    }
    const first = await get(pool);
    const id = first.threadId;
    const waiting = get(pool);
    first.release();
    (await waiting).release();
    expect(seen).toEqual([['connection', id], ['acquire', id], ['enqueue', undefined], ['release', id]]);
  });

  test('whoever waits goes on in the async context of who asked', async () => {
    const pool = await poolOn(stage, 'contexts', { connectionLimit: 1 });
    const storage = new AsyncLocalStorage<string>();
    const held = await get(pool);
    const seen: unknown[] = [];
    const called = storage.run('callback', () => new Promise<void>((resolve) => {
      pool.getConnection((_, connection) => {
        seen.push(storage.getStore());
        connection.release();
        resolve();
      });
    }));
    const awaited = storage.run('promise', async () => {
      const connection = await pool.promise().getConnection();
      seen.push(storage.getStore());
      connection.release();
    });
    storage.run('releaser', () => held.release());
    await Promise.all([called, awaited]);
    expect(seen).toEqual(['callback', 'promise']);
  });

  test('promises are asked for by way of the getConnection that somebody has put in place, and told of by its events', async () => {
    const pool = await poolOn(stage, 'wrapped', { connectionLimit: 1 });
    const told: unknown[] = [];
    pool.on('acquire', () => told.push('acquire'));
    (await pool.promise().getConnection()).release();
    const original = pool.getConnection;
    pool.getConnection = (callback) => {
      told.push('getConnection');
      original.call(pool, callback);
    };
    pool.removeAllListeners('acquire');
    (await pool.promise().getConnection()).release();
    expect(told).toEqual(['acquire', 'getConnection']);
  });

  test('a connection that is made for somebody in line is acquired like any other', async () => {
    const pool = await poolOn(stage, 'replaced', { connectionLimit: 1 });
    const acquired: number[] = [];
    pool.on('acquire', (connection) => acquired.push(connection.threadId));
    const first = await get(pool);
    const waiting = get(pool);
    first.destroy();
    const second = await waiting;
    expect(acquired).toEqual([first.threadId, second.threadId]);
    second.release();
  });

  test('what a connection listener asks for runs before what the borrower asks for', async () => {
    const pool = await poolOn(stage, 'listener');
    pool.on('connection', (connection) => void connection.query('SET @answer = 42'));
    expect(await query(pool, 'SELECT @answer AS answer')).toEqual([{ answer: 42 }]);
  });

  test('a queue that is full and a pool that does not queue say so', async () => {
    const bounded = await poolOn(stage, 'bounded', { connectionLimit: 1, queueLimit: 1 });
    const held = await get(bounded);
    const waiting = get(bounded);
    await expect(get(bounded)).rejects.toThrow('Queue limit reached.');
    held.release();
    (await waiting).release();
    const eager = await poolOn(stage, 'eager', { connectionLimit: 1, waitForConnections: false });
    const only = await get(eager);
    await expect(get(eager)).rejects.toThrow('No connections available.');
    only.release();
    (await get(eager)).release();
  });

  test('numbers that people read off the inside of the pool are there', async () => {
    const pool = await poolOn(stage, 'numbers', { connectionLimit: 2 });
    interface List { readonly length: number; get(at: number): unknown }
    const inside = pool as unknown as Record<'_allConnections' | '_freeConnections' | '_connectionQueue', List>;
    const numbers = (): number[] => [inside._allConnections.length, inside._freeConnections.length, inside._connectionQueue.length];
    expect(numbers()).toEqual([0, 0, 0]);
    const connections = await Promise.all([get(pool), get(pool)]);
    const waiting = get(pool);
    expect(numbers()).toEqual([2, 0, 1]);
    for (const connection of connections) connection.release();
    (await waiting).release();
    expect(numbers()).toEqual([2, 2, 0]);
    expect(connections).toContain(inside._freeConnections.get(0));
    expect(inside._allConnections.get(1)).not.toBe(inside._allConnections.get(0));
  });

  test('what a callback throws is an uncaught exception, and the pool goes on', async () => {
    const pool = await poolOn(stage, 'thrower', { connectionLimit: 1 });
    const held = await get(pool);
    const thrown: unknown[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => void thrown.push(error.message));
    try {
      pool.getConnection((_, connection) => {
        connection.release();
        throw new Error('mine');
      });
      held.release();
      await until('it to be thrown', () => Promise.resolve(thrown.length), (count) => count === 1);
    } finally {
      for (const listener of before) process.on('uncaughtException', listener);
    }
    expect(thrown).toEqual(['mine']);
    (await get(pool)).release();
  });

  test('connectionLimit may be changed while the pool runs', async () => {
    const pool = await poolOn(stage, 'limit', { connectionLimit: 1 });
    const first = await get(pool);
    const second = get(pool);
    pool.config.connectionLimit = 3;
    const third = await get(pool);
    expect(await stage.watcher.count('limit')).toBe(3);
    for (const connection of [first, await second, third]) connection.release();
  });

  test('a connect that fails is told to who asked, with the error of mysql2', async () => {
    const pool = await poolOn(stage, 'refused', { password: 'wrong' });
    await expect(get(pool)).rejects.toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' });
    await expect(query(pool, 'SELECT 1')).rejects.toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' });
  });

  test('destroy() ends the connection, and the next one is another', async () => {
    const pool = await poolOn(stage, 'destroyed', { connectionLimit: 1 });
    const first = await get(pool);
    const { threadId } = first;
    first.destroy();
    const second = await get(pool);
    expect(second.threadId).not.toBe(threadId);
    second.release();
    await until('one connection', () => stage.watcher.count('destroyed'), (count) => count === 1);
  });

  test('an idle connection that the server ends leaves at once, and the process lives', async () => {
    const pool = await poolOn(stage, 'ended', { connectionLimit: 1 });
    const first = await get(pool);
    const { threadId } = first;
    first.release();
    await stage.watcher.terminate(threadId);
    const { stats } = pool as unknown as { stats(): { size: number } };
    await until('it to leave', () => Promise.resolve(stats.call(pool).size), (size) => size === 0);
    expect((await query(pool, 'SELECT CONNECTION_ID() AS id'))[0]!['id']).not.toBe(threadId);
  });

  test('a borrowed connection that the server ends does not come back', async () => {
    const pool = await poolOn(stage, 'cut', { connectionLimit: 1 });
    const first = await get(pool);
    const failed = query(first, 'SELECT SLEEP(60)').catch((error: unknown) => error);
    await stage.watcher.running('cut', 'SLEEP');
    await stage.watcher.terminate(first.threadId);
    expect(await failed).toBeInstanceOf(Error);
    first.release();
    expect(await query(pool, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('resetOnRelease gives the next borrower a clean session', async () => {
    const pool = await poolOn(stage, 'reset', { connectionLimit: 1, resetOnRelease: true });
    const first = await get(pool);
    await query(first, 'SET @mine = 1');
    first.release();
    expect(await query(pool, 'SELECT @mine AS mine')).toEqual([{ mine: null }]);
    expect(await stage.watcher.count('reset')).toBe(1);
  });

  test('end lets what runs come to its end, tells who waits, and calls back when the connections are closed', async () => {
    const pool = await poolOn(stage, 'end', { connectionLimit: 1 });
    const running = query(pool, 'SELECT SLEEP(0.2) AS slept');
    const waiting = get(pool).catch((error: unknown) => error);
    await stage.watcher.running('end', 'SLEEP');
    const ended = new Promise<void>((resolve) => { pool.end(() => resolve()); });
    expect(await waiting).toMatchObject({ message: 'Pool is closed.' });
    expect(await running).toEqual([{ slept: 0 }]);
    await ended;
    await expect(get(pool)).rejects.toThrow('Pool is closed.');
    await until('no connection', () => stage.watcher.count('end'), (count) => count === 0);
    await new Promise<void>((resolve) => { pool.end(() => resolve()); });
  });

  test('more idle connections than maxIdle leave, and with it those that are idle for too long', async () => {
    const pool = await poolOn(stage, 'idle', { connectionLimit: 3, maxIdle: 1, idleTimeout: 60_000 });
    const connections = await Promise.all([get(pool), get(pool), get(pool)]);
    for (const connection of connections) connection.release();
    await until('one to stay', () => stage.watcher.count('idle'), (count) => count === 1);
    const short = await poolOn(stage, 'idle_short', { connectionLimit: 3, maxIdle: 2, idleTimeout: 100 });
    (await get(short)).release();
    await until('none to stay', () => stage.watcher.count('idle_short'), (count) => count === 0);
  });

  test('with gracefulEnd, end() of a connection says goodbye to the server', async () => {
    const pool = await poolOn(stage, 'graceful', { connectionLimit: 1, gracefulEnd: true });
    const first = await get(pool);
    const { threadId } = first;
    await new Promise<void>((resolve) => { first.end(() => resolve()); });
    expect((await get(pool)).threadId).not.toBe(threadId);
  });
});
