// The drop-in with node-postgres' own clients on a real server.

import { AsyncLocalStorage } from 'node:async_hooks';
import { Pool } from '@millpond/pg-pool';
import pg from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { describe, expect, it } from 'vitest';
import { failureOf, sleep, until } from '../../support/postgres.ts';
import { TcpProxy } from '../../support/proxy.ts';
import { onEachPostgres } from '../../support/suite.ts';

const PATIENCE_MS = 60_000;

/** As pg derives its own. */
class BoundPool extends Pool<pg.Client> {
  constructor(options?: ConstructorParameters<typeof Pool<pg.Client>>[0]) {
    super(options, pg.Client);
  }
}

async function pidOf(pool: BoundPool): Promise<number> {
  return (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
}

onEachPostgres('pg-pool', (stage) => {
  describe('query', () => {
    it('answers by promise and by callback, and takes query objects', async () => {
      const pool = new BoundPool({ ...stage.options('forms'), max: 2 });
      expect((await pool.query('SELECT $1::text AS name', ['ada'])).rows).toEqual([{ name: 'ada' }]);
      expect((await pool.query({ text: 'SELECT $1::int AS n', values: [2], rowMode: 'array' as const })).rows).toEqual([[2]]);
      expect((await pool.query({ name: 'named', text: 'SELECT $1::int AS n', values: [3] })).rows).toEqual([{ n: 3 }]);
      const rows = await new Promise((resolve) => { pool.query('SELECT 4 AS n', (_, result) => resolve(result.rows)); });
      expect(rows).toEqual([{ n: 4 }]);
      const called = await new Promise((resolve) => {
        void pool.query(new pg.Query('SELECT 5 AS n', (_, result) => resolve(result.rows)));
      });
      expect(called).toEqual([{ n: 5 }]);
      await until('the client of the query object to be idle', () => pool.idleCount, (idle) => idle === pool.totalCount);
      await pool.end();
      expect(await stage.observer.count('forms')).toBe(0);
    });

    it('gives the clients of cursors and streams back when they have ended', async () => {
      const pool = new BoundPool({ ...stage.options('cursors'), max: 1 });
      await pool.query('SELECT 1');
      const cursor = new Cursor<{ n: number }>('SELECT generate_series(1, 3) AS n');
      void pool.query(cursor);
      expect((await cursor.read(2)).map(({ n }) => n)).toEqual([1, 2]);
      expect(pool.idleCount).toBe(0);
      await cursor.close();
      const stream = new QueryStream('SELECT generate_series(1, 300) AS n');
      void pool.query(stream);
      let count = 0;
      for await (const _ of stream) count++;
      expect(count).toBe(300);
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      expect(pool.totalCount).toBe(1);
      await pool.end();
    });

    it('closes the connection of a failed statement; with millpond it keeps it (fault 3)', async () => {
      const plain = new BoundPool({ ...stage.options('errors'), max: 1 });
      const before = await pidOf(plain);
      expect(await failureOf(plain.query('SELECT nonsense'))).toMatchObject({ code: '42703' });
      expect(await pidOf(plain)).not.toBe(before);
      const better = new BoundPool({ ...stage.options('errors'), max: 1, millpond: true });
      const kept = await pidOf(better);
      for (let i = 0; i < 5; i++) expect(await failureOf(better.query('SELECT nonsense'))).toMatchObject({ code: '42703' });
      expect(await pidOf(better)).toBe(kept);
      await Promise.all([plain.end(), better.end()]);
    });

    it('calls back in the context of who asked, whoever the connection was opened for (fault 13)', async () => {
      const storage = new AsyncLocalStorage<number>();
      const pool = new BoundPool({ ...stage.options('contexts'), max: 1 });
      const seen = await Promise.all([1, 2, 3].map((n) => storage.run(n, () => new Promise((resolve) => {
        pool.query('SELECT 1', () => resolve(storage.getStore()));
      }))));
      expect(seen).toEqual([1, 2, 3]);
      await pool.end();
    });

    it('has a stack that leads to who asked', async () => {
      const pool = new BoundPool(stage.options('stacks'));
      async function asking(): Promise<void> {
        await pool.query('SELECT nonsense');
      }
      expect((await failureOf(asking()))?.stack).toContain('asking');
      await pool.end();
    });

    it('tells of a wrong password and of no server as node-postgres does', async () => {
      const wrong = new BoundPool({ ...stage.options('wrong'), connectionString: undefined, ...place(stage.server), password: 'wrong' });
      expect(await failureOf(wrong.query('SELECT 1'))).toMatchObject({ code: '28P01' });
      const nowhere = new BoundPool({ host: '127.0.0.1', port: 1 });
      expect(await failureOf(nowhere.query('SELECT 1'))).toMatchObject({ code: 'ECONNREFUSED' });
      expect([wrong.totalCount, nowhere.totalCount]).toEqual([0, 0]);
      await Promise.all([wrong.end(), nowhere.end()]);
    });
  });

  describe('what a borrower leaves behind (fault 4)', () => {
    const mess = async (client: pg.Client): Promise<void> => {
      await client.query("SET application_name = 'mess'");
      await client.query('CREATE TEMP TABLE left_behind (id int)');
      await client.query('BEGIN');
      await failureOf(client.query('SELECT nonsense'));
    };

    it('reaches the next one, as with pg-pool', async () => {
      const pool = new BoundPool({ ...stage.options('left'), max: 1 });
      const client = await pool.connect();
      await mess(client);
      client.release();
      expect(await failureOf(pool.query('SELECT 1'))).toMatchObject({ code: '25P02' });
      await pool.end();
    });

    it('is a transaction that is rolled back with millpond', async () => {
      const pool = new BoundPool({ ...stage.options('left'), max: 1, millpond: true });
      const pid = await pidOf(pool);
      const client = await pool.connect();
      await mess(client);
      client.release();
      expect(await pidOf(pool)).toBe(pid);
      expect((await pool.query('SHOW application_name')).rows).toEqual([{ application_name: 'mess' }]);
      await pool.end();
    });

    it("is nothing with reset: 'discard', and named statements go on", async () => {
      const pool = new BoundPool({ ...stage.options('left'), max: 1, millpond: { reset: 'discard' } });
      const pid = await pidOf(pool);
      const client = await pool.connect();
      await mess(client);
      client.release();
      const named = { name: 'again', text: 'SELECT current_setting($1) AS name', values: ['application_name'] };
      for (let i = 0; i < 2; i++) expect((await pool.query(named)).rows).toEqual([{ name: 'left' }]);
      expect(await failureOf(pool.query('SELECT * FROM left_behind'))).toMatchObject({ code: '42P01' });
      expect(await pidOf(pool)).toBe(pid);
      await pool.end();
    });
  });

  describe('a backend that dies (fault 6)', () => {
    it.each([['without', false], ['with', true]])('idle or lent, %s millpond, ends no process', async (_, millpond) => {
      const pool = new BoundPool({ ...stage.options('dying'), max: 2, millpond });
      const lent = await pool.connect();
      const idle = await pool.connect();
      const pids = [lent, idle].map((client) => (client as unknown as { readonly processID: number }).processID);
      idle.release();
      const lost = new Promise((resolve) => { lent.once('error', resolve); });
      for (const pid of pids) await stage.observer.terminate(pid);
      await lost;
      expect(await failureOf(lent.query('SELECT 1'))).toBeInstanceOf(Error);
      lent.release();
      await until('both to be gone', () => pool.totalCount, (count) => count === 0);
      expect(pids).not.toContain(await pidOf(pool));
      await pool.end();
    });

    it('under a statement of pool.query fails that one', async () => {
      const pool = new BoundPool({ ...stage.options('cut'), max: 1 });
      const running = failureOf(pool.query('SELECT pg_sleep(600)'));
      await stage.observer.terminate((await stage.observer.running('cut', 'pg_sleep')).pid);
      expect(await running).toMatchObject({ code: '57P01' });
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await pool.end();
    });
  });

  it('with millpond, a connection that went silent is found before it is lent (fault 15)', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    const pool = new BoundPool({
      ...stage.through(proxy, 'silent'), max: 2,
      millpond: { validateAfterIdleMs: 0, validateTimeoutMs: 100, acquireTimeoutMs: PATIENCE_MS },
    });
    const clients = [await pool.connect(), await pool.connect()];
    for (const client of clients) client.release();
    await until('both to be idle', () => pool.idleCount, (count) => count === 2);
    await sleep(20); // silent for longer than is trusted
    proxy.silence();
    const old = proxy.passages.length;
    const asked = pool.query('SELECT 1 AS one');
    await until('both to be let go', () => pool.millpond.stats().totals.destroyed, ({ invalid, stale }) => invalid + stale === 2);
    proxy.resume(({ id }) => id >= old);
    expect((await asked).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });

  describe('a statement that its client has given up (fault 14)', () => {
    it('keeps the connection from the next borrower until the server is through with it', async () => {
      const pool = new BoundPool({ ...stage.options('given-up'), max: 1 });
      const client = await pool.connect();
      const timed = { text: 'SELECT pg_sleep(600)', query_timeout: 50 };
      expect((await failureOf(client.query(timed)))?.message).toBe('Query read timeout');
      client.release();
      const next = pool.query('SELECT 1 AS one');
      const { pid } = await stage.observer.running('given-up', 'pg_sleep');
      expect([pool.idleCount, pool.waitingCount]).toEqual([0, 1]);
      await stage.observer.query('SELECT pg_cancel_backend($1)', [pid]);
      expect((await next).rows).toEqual([{ one: 1 }]);
      await pool.end();
    });

    it('closes the connection with millpond', async () => {
      const pool = new BoundPool({ ...stage.options('given-up-better'), max: 1, millpond: true });
      const client = await pool.connect();
      const { processID } = client as unknown as { readonly processID: number };
      expect((await failureOf(client.query({ text: 'SELECT pg_sleep(600)', query_timeout: 50 } as pg.QueryConfig)))?.message)
        .toBe('Query read timeout');
      client.release();
      expect(await pidOf(pool)).not.toBe(processID);
      await stage.observer.terminate(processID);
      await pool.end();
    });
  });

  it('a connect that outlives its deadline leaves nothing at the server (fault 18)', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, delayMs: 300 });
    const pool = new BoundPool({ ...stage.through(proxy, 'outlived'), max: 1, connectionTimeoutMillis: 50 });
    expect((await failureOf(pool.connect()))?.message).toBe('Connection terminated due to connection timeout');
    expect(pool.totalCount).toBe(0);
    await until('the passage to be closed', () => proxy.open.length, (count) => count === 0);
    await until('the server to be rid of it', () => stage.observer.count('outlived'), (count) => count === 0);
    await pool.end();
  });

  it('max holds at the server while connections close (fault 7)', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    const pool = new BoundPool({ ...stage.through(proxy, 'bounded'), max: 2 });
    await Promise.all(Array.from({ length: 30 }, async () => {
      const client = await pool.connect();
      await client.query('SELECT 1');
      client.release(true);
    }));
    expect(proxy.passages.length).toBeGreaterThan(20);
    expect(proxy.maxOpen).toBeLessThanOrEqual(2);
    await pool.end();
  });

  it('with millpond, end() closes what does not come back, and nothing is left at the server (fault 12)', async () => {
    const pool = new BoundPool({ ...stage.options('kept'), max: 2, millpond: { endDeadlineMs: 50 } });
    const kept = await pool.connect();
    await pool.end();
    expect(() => kept.query('SELECT 1')).toThrow(expect.objectContaining({ code: 'ERR_POOL_LEASE_ENDED' }));
    await until('the server to be rid of it', () => stage.observer.count('kept'), (count) => count === 0);
  });
});

function place({ host, port, user }: { readonly host: string; readonly port: number; readonly user: string }): object {
  return { host, port, user };
}
