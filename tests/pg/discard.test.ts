// reset: 'discard': nothing of one borrower reaches the next, and it costs no round trip.

import { createPgPool, ResetFailedError, type PgClient, type PgPool } from 'millpond/pg';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { takesDiscardAhead } from '../../packages/millpond/src/adapters/pg/discard.ts';
import { sessionOf } from '../../packages/millpond/src/adapters/pg/session.ts';
import { sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { seeded } from '../support/seeded.ts';
import { onEachPostgres, type Stage } from '../support/suite.ts';

const one = async (pool: PgPool, text: string, values: unknown[] = []): Promise<unknown> =>
  Object.values((await pool.query<Record<string, unknown>>(text, values)).rows[0] ?? {})[0];

const discarding = (stage: Stage, application: string): PgPool =>
  createPgPool({ ...stage.options(application), max: 1, reset: 'discard' });

onEachPostgres("reset: 'discard'", (stage) => {
  it('lets nothing of a session through to the next borrower', async () => {
    await using pool = discarding(stage, 'leaks');
    await pool.use(async (client) => {
      await client.query('CREATE TEMP TABLE secret (n int)');
      await client.query('SET search_path = nowhere');
      await client.query("SET application_name = 'somebody else'");
      await client.query("SELECT set_config('my.tenant', '42', false)");
      await client.query('SELECT pg_advisory_lock(4711)');
      await client.query('LISTEN leaks');
      await client.query('PREPARE mine AS SELECT 1');
      await client.query('DECLARE c CURSOR WITH HOLD FOR SELECT 1');
      await client.query('CREATE ROLE leaky');
      await client.query('SET SESSION AUTHORIZATION leaky');
    });
    // The first statement of the next one already must not see any of it; each in a session that was soiled anew.
    const soil = (text: string): Promise<unknown> => pool.use((client) => client.query(text));
    expect(await one(pool, 'SHOW search_path')).toBe('"$user", public');
    await soil("SET application_name = 'somebody else'");
    expect(await one(pool, 'SHOW application_name')).toBe('leaks');
    await soil("SELECT set_config('my.tenant', '42', false)");
    expect(await one(pool, "SELECT current_setting('my.tenant', true)")).toBeOneOf([null, '']);
    await soil('CREATE TEMP TABLE secret (n int)');
    expect(await one(pool, "SELECT to_regclass('secret')::text")).toBeNull();
    await soil('SELECT pg_advisory_lock(4711)');
    expect(await one(pool, "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'")).toBe(0);
    await soil('LISTEN leaks');
    expect(await one(pool, 'SELECT count(*)::int FROM pg_listening_channels()')).toBe(0);
    await soil('PREPARE mine AS SELECT 1');
    expect(await one(pool, 'SELECT count(*)::int FROM pg_prepared_statements')).toBe(0);
    await soil('DECLARE c CURSOR WITH HOLD FOR SELECT 1');
    expect(await one(pool, "SELECT count(*)::int FROM pg_cursors WHERE name = 'c'")).toBe(0);
    await soil('SET SESSION AUTHORIZATION leaky');
    expect(await one(pool, 'SELECT session_user::text')).toBe('postgres');
    expect(pool.stats().totals.created).toBe(1);
  });

  it('is as good for statements with values, and for those that fail', async () => {
    await using pool = discarding(stage, 'extended');
    await pool.query('SET search_path = nowhere');
    expect(await one(pool, 'SELECT current_setting($1)', ['search_path'])).toBe('"$user", public');
    for (const values of [undefined, [0]]) {
      await pool.query('SET search_path = nowhere');
      // An error in the statement behind it must not take the cleaning back.
      await expect(pool.query(values === undefined ? 'SELECT 1/0' : 'SELECT 1/$1::int', values)).rejects.toMatchObject({ code: '22012' });
      expect(await pool.use((client) => client.query('SHOW search_path'))).toMatchObject({ rows: [{ search_path: '"$user", public' }] });
    }
    await pool.query('SET search_path = nowhere');
    expect(await pool.transaction(async (client) => (await client.query('SHOW search_path')).rows as unknown))
      .toEqual([{ search_path: '"$user", public' }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('prepares anew what it has deallocated', async () => {
    await using pool = discarding(stage, 'prepared');
    for (let i = 0; i < 5; i++) {
      expect((await pool.query({ name: 'twice', text: 'SELECT $1::int AS n', values: [i] })).rows).toEqual([{ n: i }]);
    }
    await pool.use(async (client) => {
      for (let i = 0; i < 3; i++) await client.query({ name: 'twice', text: 'SELECT $1::int AS n', values: [i] });
    });
    expect(pool.stats().totals.created).toBe(1);
  });

  it('delivers no notification that the last borrower had asked for', async () => {
    await using pool = discarding(stage, 'notified');
    await pool.query('LISTEN notified');
    const seen: unknown[] = [];
    const lease = await pool.acquire();
    lease.resource.on('notification', (message) => seen.push(message));
    await stage.observer.query("SELECT pg_notify('notified', 'for somebody else')");
    await sleep(50);
    await lease.resource.query('SELECT 1');
    expect(seen).toEqual([]);
    await lease.resource.query('LISTEN notified');
    await stage.observer.query("SELECT pg_notify('notified', 'for me')");
    await until('the notification', () => seen.length, (length) => length === 1);
    lease.release();
  });

  it('costs no round trip and no write: DISCARD ALL and the statement leave in one segment', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'wire'), max: 1, reset: 'discard' });
    await pool.query('SELECT 0');
    const passage = proxy.passages[0];
    if (passage === undefined) throw new Error('nothing passed');
    const segments = async (run: () => Promise<unknown>): Promise<{ sent: string[]; answered: number }> => {
      const [sent, answered] = [passage.fromClient.length, passage.fromServer.length];
      await run();
      return { sent: passage.fromClient.slice(sent).map(String), answered: passage.fromServer.length - answered };
    };
    const simple = await segments(() => pool.query('SELECT 1 AS simple'));
    const extended = await segments(() => pool.query('SELECT $1::int AS extended', [1]));
    for (const [{ sent, answered }, text] of [[simple, 'SELECT 1 AS simple'], [extended, 'SELECT $1::int AS extended']] as const) {
      expect(sent).toHaveLength(1);
      expect(sent[0]).toMatch(/DISCARD ALL/);
      expect(sent[0]?.indexOf(text)).toBeGreaterThan(sent[0]?.indexOf('DISCARD ALL') ?? 0);
      expect(answered).toBe(1);
    }
    // Once per lease, and not once per statement.
    const lease = await segments(() => pool.use(async (client) => {
      await client.query('SELECT 2');
      await client.query('SELECT 3');
    }));
    expect(lease.sent.map((segment) => segment.includes('DISCARD ALL'))).toEqual([true, false]);
    // And nothing at all for a lease that was not used.
    expect(await segments(async () => { (await pool.acquire()).release(); await sleep(20); })).toEqual({ sent: [], answered: 0 });
  });

  it('lets go of what the last borrower held when nobody follows', async () => {
    await using pool = discarding(stage, 'tidied');
    const holds = (): Promise<{ count: number }[]> => stage.observer.query(
      `SELECT count(*)::int AS count FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND application_name = 'tidied'`);
    await pool.query('SELECT pg_advisory_lock(4712)');
    expect(await holds()).toEqual([{ count: 1 }]);
    await until('the lock to be free', holds, ([row]) => row?.count === 0);
    // Borrowed and given back in the middle of that: nothing is running that anybody would have to be protected from.
    await pool.query('SET search_path = nowhere');
    const lease = await pool.acquire();
    sessionOf(lease.resource).tidy();
    expect(sessionOf(lease.resource).tidying).toBe(true);
    lease.release();
    expect(await one(pool, 'SHOW search_path')).toBe('"$user", public');
    expect(pool.stats().totals.created).toBe(1);
  });

  it('never runs a statement in a session that could not be cleaned: it moves to another connection', async () => {
    await using pool = createPgPool({ ...stage.options('unclean'), max: 2, reset: 'discard' });
    await stage.observer.query('CREATE TABLE unclean_log (at text)');
    const pid = await soilBeyondCleaning(pool);
    const [row] = (await pool.query<{ pid: number }>("INSERT INTO unclean_log VALUES ('once') RETURNING pg_backend_pid() AS pid")).rows;
    expect(row?.pid).not.toBe(pid);
    expect(await stage.observer.query('SELECT count(*)::int AS count FROM unclean_log')).toEqual([{ count: 1 }]);
    await until('the soiled one to be gone', () => stage.observer.backends('unclean'), (all) => all.every((each) => each.pid !== pid));

    // Whoever holds the connection is told that the statement did not run; a transaction moves on by itself.
    await soilBeyondCleaning(pool);
    const lease = await pool.acquire();
    const failed = lease.resource.query("INSERT INTO unclean_log VALUES ('never')");
    await expect(failed).rejects.toBeInstanceOf(ResetFailedError);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_POOL_RESET_FAILED', retryable: true });
    lease.release();
    await soilBeyondCleaning(pool);
    await pool.transaction((client) => client.query("INSERT INTO unclean_log VALUES ('transaction')"));
    expect(await stage.observer.query('SELECT at FROM unclean_log')).toEqual([{ at: 'once' }, { at: 'transaction' }]);
  });

  it('holds with statements that are not node-postgres\' own', async () => {
    await using pool = discarding(stage, 'foreign');
    await pool.query('SET search_path = nowhere');
    const rows = await pool.use((client) => new Promise((resolve, reject) => {
      const seen: unknown[] = [];
      void client.query({
        submit(connection: pg.Connection) { connection.query('SHOW search_path'); },
        handleRowDescription: () => undefined,
        handleDataRow: ({ fields }: { fields: string[] }) => seen.push(...fields),
        handleCommandComplete: () => undefined,
        handleReadyForQuery: () => resolve(seen),
        handleError: reject,
      } as unknown as string);
    }));
    expect(rows).toEqual(['"$user", public']);
  });

  it('stays right over thousands of leases with everything mixed', async () => {
    await using pool = createPgPool({ ...stage.options('mixed'), max: 3, reset: 'discard' });
    const random = seeded(20_261_121);
    const deeds: ((client: PgClient) => Promise<unknown>)[] = [
      (client) => client.query('SET my.mark = 1'),
      (client) => client.query('BEGIN'),
      (client) => client.query('SELECT 1/0'),
      (client) => client.query('SELECT $1::int / 0', [1]),
      (client) => client.query({ name: 'same', text: 'SELECT $1::int AS n', values: [1] }),
      () => Promise.resolve(),
    ];
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        await pool.use(async (client) => {
          const { rows } = await client.query<{ mark: string | null }>("SELECT nullif(current_setting('my.mark', true), '') AS mark");
          expect(rows[0]?.mark).toBeNull();
          for (let n = random() * 3; n > 0; n--) {
            await deeds[Math.floor(random() * deeds.length)]?.(client).catch((error: unknown) => {
              expect((error as { code: string }).code).toMatch(/^(22012|25P02)$/);
            });
          }
        });
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(pool.stats().totals).toMatchObject({ created: 3, staleReleases: 0 });
  });
});

/** Leaves a session in which DISCARD ALL fails: there is more to drop than its time limit allows for. Returns its backend. */
async function soilBeyondCleaning(pool: PgPool): Promise<number> {
  return pool.use(async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await client.query("DO $$ BEGIN FOR i IN 1..600 LOOP EXECUTE format('CREATE TEMP TABLE t%s (n int)', i); END LOOP; END $$");
    await client.query('SET statement_timeout = 1');
    return rows[0]?.pid ?? 0;
  });
}

describe('DISCARD ALL ahead of a statement', () => {
  it('is for servers that commit it by themselves', () => {
    const able = ['18.4', '15.20 (Debian 15.20-0+deb12u1)', '15beta3', '14.5', '13.8', '12.12', '11.17', '10.22'];
    const unable = ['14.4', '13.7', '13.0.0', '12.11', '11.16', '10.21', '9.6.24', '', 'unknown'];
    expect([...able, ...unable].filter((version) => takesDiscardAhead(version))).toEqual(able);
  });
});
