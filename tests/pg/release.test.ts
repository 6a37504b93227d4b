// What becomes of a connection that is given back in the middle of something.

import { createPgPool, type PgPool, type PgReset } from 'millpond/pg';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

async function pidOf(pool: PgPool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

onEachPostgres('release', (stage) => {
  it('of a clean connection is done at once: nothing is sent, and it is idle in the same tick', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'clean'), max: 1 });
    const lease = await pool.acquire();
    await lease.resource.query('SELECT 1');
    const sent = proxy.passages[0]?.fromClient.length;
    lease.release();
    expect(pool.stats()).toMatchObject({ idle: 1, resetting: 0 });
    const again = pool.tryAcquire();
    expect(again).toBeDefined();
    again?.release();
    await sleep(50);
    expect(proxy.passages[0]?.fromClient.length).toBe(sent);
  });

  for (const reset of ['rollback', 'discard'] as const) {
    it(`in the middle of a transaction rolls it back before anybody else gets the connection ('${reset}')`, async () => {
      // Unprepared: with a Parse ahead of it a statement begins a moment after its transaction.
      await using pool = createPgPool({ ...stage.options('in-transaction'), max: 1, reset, prepare: false });
      await stage.observer.query('CREATE TABLE IF NOT EXISTS left_open (n int)');
      const pid = await pidOf(pool);
      for (const end of ['INSERT INTO left_open VALUES (1)', 'SELECT 1/0']) {
        const lease = await pool.acquire();
        await lease.resource.query('BEGIN');
        await lease.resource.query('INSERT INTO left_open VALUES (1)');
        await lease.resource.query(end).catch(() => undefined);
        const next = pool.query(
          'SELECT count(*)::int AS count, pg_backend_pid() AS pid, now() = statement_timestamp() AS fresh FROM left_open');
        lease.release();
        expect(pool.stats().resetting).toBe(1);
        expect((await next).rows).toEqual([{ count: 0, pid, fresh: true }]);
      }
    });
  }

  it("leaves an open transaction to the next borrower with reset: 'none', and sends nothing", async () => {
    await using pool = createPgPool({ ...stage.options('none'), max: 1, reset: 'none' });
    await pool.use((client) => client.query('BEGIN'));
    expect(pool.stats()).toMatchObject({ idle: 1, resetting: 0 });
    expect((await stage.observer.backends('none')).map((each) => each.state)).toEqual(['idle in transaction']);
    await pool.query('COMMIT');
    expect((await stage.observer.backends('none')).map((each) => each.state)).toEqual(['idle']);
  });

  for (const reset of ['none', 'rollback', 'discard'] as const satisfies PgReset[]) {
    it(`while a statement runs ends the connection, and the statement at the server ('${reset}')`, async () => {
      await using pool = createPgPool({ ...stage.options(`busy-${reset}`), max: 1, reset });
      const lease = await pool.acquire();
      const pid = lease.resource.processID;
      const running = lease.resource.query('SELECT pg_sleep(60)').catch((error: unknown) => error);
      await stage.observer.running(`busy-${reset}`, 'pg_sleep');
      lease.release();
      // max counts at the server: the next connection comes when the last one is gone there, which is when its statement is.
      const [next] = (await pool.query<{ pid: number; others: number }>(`SELECT pg_backend_pid() AS pid,
        (SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'busy-${reset}') AS others`)).rows;
      expect(next?.pid).not.toBe(pid);
      expect(next?.others).toBe(1);
      expect(await running).toBeInstanceOf(Error);
      expect(pool.stats().totals.destroyed.resetFailed).toBe(1);
    });
  }

  it('while a statement runs that resists its cancel: max is kept at the server, and not only here', async () => {
    await using pool = createPgPool({ ...stage.options('resists'), max: 1 });
    const lease = await pool.acquire();
    const stubborn = 'DO $$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(0.7); END $$';
    const running = lease.resource.query(stubborn).catch((error: unknown) => error);
    await stage.observer.running('resists', 'pg_sleep');
    lease.release();
    const next = pool.query("SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'resists'");
    expect(pool.stats().destroying).toBe(1);
    expect((await next).rows).toEqual([{ count: 1 }]);
    await running;
  });

  it('with statements queued behind the running one ends the connection', async () => {
    await using pool = createPgPool({ ...stage.options('queued'), max: 1 });
    const lease = await pool.acquire();
    const all = ['SELECT 1', 'SELECT 2', 'SELECT 3'].map((text) => lease.resource.query(text).catch(() => undefined));
    lease.release();
    await Promise.all(all);
    await pool.query('SELECT 1');
    expect(pool.stats().totals).toMatchObject({ created: 2, destroyed: { resetFailed: 1 } });
  });

  it('in the middle of COPY, in or out, ends the connection', async () => {
    await using pool = createPgPool({ ...stage.options('copy'), max: 1 });
    await stage.observer.query('CREATE TABLE copied (n int)');
    for (const text of ['COPY copied FROM STDIN', "COPY (SELECT generate_series(1, 10000000)) TO STDOUT"]) {
      const before = pool.stats().totals.destroyed.resetFailed;
      const lease = await pool.acquire();
      const copy = new Copy(text);
      void lease.resource.query(copy as unknown as string);
      await copy.started;
      lease.release();
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      expect(pool.stats().totals.destroyed.resetFailed).toBe(before + 1);
    }
  });

  it('right after an error keeps the connection, though the server is not through with the statement yet', async () => {
    await using pool = createPgPool({ ...stage.options('after-error'), max: 1 });
    for (let i = 0; i < 50; i++) {
      const lease = await pool.acquire();
      await new Promise<void>((resolve) => {
        (lease.resource as unknown as pg.Client).query('SELECT 1/$1::int', [0], (error: unknown) => {
          expect(error).toMatchObject({ code: '22012' });
          lease.release(); // in the very moment of the error: ReadyForQuery has not been read
          resolve();
        });
      });
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    }
    expect(pool.stats().totals.created).toBe(1);
  });

  it('removes the listeners of the borrower, and only those', async () => {
    const kept: string[] = [];
    await using pool = createPgPool({ ...stage.options('listeners'), max: 1, onConnect: (client) => {
      client.on('notification', ({ payload = '' }) => kept.push(payload));
    } });
    const seen: string[] = [];
    await pool.use(async (client) => {
      client.on('notification', ({ payload = '' }) => seen.push(payload));
      client.on('error', () => seen.push('error'));
      client.on('end', () => seen.push('end'));
      (client as unknown as pg.Client).on('notice', () => seen.push('notice'));
      await client.query('LISTEN listeners');
      await client.query("SELECT pg_notify('listeners', 'one')");
      await until('the notification', () => seen.length, (length) => length === 1);
    });
    await pool.query("SELECT pg_notify('listeners', 'two')");
    await until('the second notification', () => kept, (all) => all.length === 2);
    const [backend] = await stage.observer.backends('listeners');
    await stage.observer.terminate(backend?.pid ?? 0);
    await until('the loss', () => pool.stats().totals.destroyed.broken, (broken) => broken === 1);
    expect([seen, kept]).toEqual([['one'], ['one', 'two']]);
  });

  it('puts back the listeners that a borrower removed: nothing may crash the process', async () => {
    await using pool = createPgPool({ ...stage.options('removed'), max: 1 });
    await pool.use((client) => { (client as unknown as pg.Client).removeAllListeners(); });
    const [backend] = await stage.observer.backends('removed');
    await stage.observer.terminate(backend?.pid ?? 0);
    await until('the loss', () => pool.stats().totals.destroyed.broken, (broken) => broken === 1);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('of a connection that the borrower has ended does not lend it again', async () => {
    await using pool = createPgPool({ ...stage.options('ended'), max: 1 });
    await pool.use((client) => (client as unknown as pg.Client).end());
    const lease = await pool.acquire();
    void (lease.resource as unknown as pg.Client).end();
    lease.release();
    expect(pool.stats().idle).toBe(0);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(3);
  });

  describe('of a detached connection', () => {
    it('is nobody\'s business any more: it works until its owner ends it', async () => {
      const pool = createPgPool(stage.options('detached'));
      const client = (await pool.acquire()).detach() as unknown as pg.Client;
      await pool.close();
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await client.end();
      await until('it to be gone', () => stage.observer.count('detached'), (count) => count === 0);
    });
  });

  it('closes in good manners: the server sees a goodbye and no lost connection', async () => {
    const before = stage.server.logs().length;
    const pool = createPgPool({ ...stage.options('goodbye'), max: 3 });
    await Promise.all(Array.from({ length: 3 }, () => pool.query('SELECT pg_sleep(0.05)')));
    await pool.close();
    // close() resolves when the server has let them go, and not merely our sockets.
    expect(await stage.observer.count('goodbye')).toBe(0);
    await sleep(50);
    expect(stage.server.logs().slice(before)).not.toContain('unexpected EOF');
  });
});

/** The least that is a COPY for node-postgres: it starts, and then nothing more is done about it. */
class Copy {
  readonly text: string;
  readonly started: Promise<void>;
  #start = (): void => undefined;

  constructor(text: string) {
    this.text = text;
    this.started = new Promise((resolve) => { this.#start = resolve; });
  }

  submit(connection: { query(text: string): void; once(event: string, listener: () => void): void }): void {
    connection.once('copyOutResponse', this.#start);
    connection.query(this.text);
  }

  handleCopyInResponse(): void { this.#start(); }
  handleCopyData(): void { this.#start(); }
  handleCommandComplete(): void { /* nobody waits for it */ }
  handleReadyForQuery(): void { /* nobody waits for it */ }
  handleError(): void { /* the connection ends under it */ }
}
