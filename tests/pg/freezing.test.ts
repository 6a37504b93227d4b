// A process that is frozen runs no timers. The server takes its connections back, and when it wakes nobody is given one of those.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { attachDatabasePool } from '@vercel/functions';
import { createPgPool } from 'millpond/pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { compiledLibrary } from '../support/compiled.ts';
import { until } from '../support/postgres.ts';
import { Specimen } from '../support/specimen.ts';
import { onEachPostgres } from '../support/suite.ts';

const folder = compiledLibrary();
const here = createRequire(import.meta.url);
/** Standing still for less might as well have been a busy loop: a second in which nobody had to be woken, and one of being late. */
const A_FREEZE_MS = 2_200;

onEachPostgres('freezing', (stage) => {
  /** A process with a pool; `options` as text of an object. */
  const processWith = (application: string, options: string): Promise<Specimen> => {
    const connection = JSON.stringify(stage.options(application));
    const module = (path: string): string => JSON.stringify(pathToFileURL(path).href);
    return Specimen.start(`import { createPgPool } from ${module(join(folder, 'millpond', 'adapters', 'pg', 'index.js'))};
import pg from ${module(here.resolve('pg'))};
const pool = createPgPool({ ...${connection}, Client: pg.Client, ...${options} });`);
  };
  const gone = (application: string): Promise<number> =>
    until(`the server to have ended what ${application} holds`, () => stage.observer.count(application), (count) => count === 0);

  /** The server ends them now. */
  const end = async (application: string): Promise<void> => {
    await stage.observer.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [application]);
    await gone(application);
  };

  /** As many at a time as there are connections, then some more, and none of it goes by `query`, which looks for another by itself. */
  const WORK = `const once = () => pool.use(async (client) => (await client.query('SELECT 1 AS one')).rows[0].one);
    const answers = await Promise.all(Array.from({ length: 20 }, once));
    return answers.filter((one) => one === 1).length;`;
  const FILL = `const leases = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
    await Promise.all(leases.map(({ resource }) => resource.query('SELECT 1')));
    for (const lease of leases) lease.release();
    return pool.stats().idle;`;

  it('what a frozen function holds is taken back by the server, and after it wakes nobody meets a dead connection', async () => {
    const options = "{ runtime: 'function', max: 5, idleTimeoutMs: 4_000, sessionIdleTimeoutMs: 5_000 }";
    await using frozen = await processWith('function', options);
    await using beside = await processWith('server', '{ max: 5 }');
    expect(await Promise.all([frozen.ask(FILL), beside.ask(FILL)])).toEqual([5, 5]);
    await Promise.all([frozen.freeze(), beside.freeze()]);
    expect(await stage.observer.count('function')).toBe(5);
    await gone('function');
    // Its own timers would have closed them just as little.
    expect(await stage.observer.count('server')).toBe(5);
    const work = [frozen.ask(WORK), beside.ask(WORK)];
    await Promise.all([frozen.thaw(), beside.thaw()]);
    expect(await Promise.all(work)).toEqual([20, 20]);
    expect(await stage.observer.count('server')).toBe(5);
  });

  it('in the first turn after a freeze nothing is lent that the server may have closed, however long silence is trusted', async () => {
    const trusting = "{ max: 5, validateAfterIdleMs: 600_000 }";
    await using frozen = await processWith('trusting', trusting);
    expect(await frozen.ask(FILL)).toBe(5);
    // Until then it is trusted, and lent without a promise.
    expect(await frozen.ask('const lease = pool.tryAcquire(); lease.release(); return lease.ended;')).toBe(true);
    await frozen.freeze();
    await end('trusting');
    const first = frozen.ask<string>('return String(pool.tryAcquire());');
    const work = frozen.ask(WORK);
    await frozen.thaw(A_FREEZE_MS);
    expect(await first).toBe('undefined');
    expect(await work).toBe(20);
  });

  it('a connection that was borrowed across a freeze is looked at before the next in line gets it', async () => {
    await using frozen = await processWith('borrowed', "{ max: 1, validateAfterIdleMs: 600_000 }");
    await frozen.ask("state.lease = await pool.acquire(); await state.lease.resource.query('SELECT 1');");
    await frozen.freeze();
    await end('borrowed');
    const next = frozen.ask(`const next = pool.use(async (client) => (await client.query('SELECT 1 AS one')).rows[0].one);
      state.lease.release(); return await next;`);
    await frozen.thaw(A_FREEZE_MS);
    expect(await next).toBe(1);
  });

  it('a frozen function that is in a transaction loses its locks', async () => {
    const options = "{ runtime: 'function', sessionIdleTimeoutMs: 0, transactionIdleTimeoutMs: 4_000 }";
    await using frozen = await processWith('in-transaction', options);
    await frozen.ask(`state.lease = await pool.acquire(); await state.lease.resource.query('BEGIN');
      await state.lease.resource.query('SELECT pg_advisory_xact_lock(4711)');`);
    await frozen.freeze();
    expect(await stage.observer.count('in-transaction')).toBe(1);
    await gone('in-transaction');
    expect(await stage.observer.query('SELECT pg_try_advisory_lock(4711) AS free')).toEqual([{ free: true }]);
    await stage.observer.query('SELECT pg_advisory_unlock(4711)');
    const work = frozen.ask(`state.lease.release(); ${WORK}`);
    await frozen.thaw();
    expect(await work).toBe(20);
  });

  it('after quiesce the server has everything back, and the next query finds a pool that works', async () => {
    await using pool = createPgPool({ ...stage.options('quiet'), min: 2, max: 4 });
    await pool.ready();
    const held = await pool.acquire();
    const quiet = pool.quiesce({ deadlineMs: 60_000 });
    held.release();
    expect(await quiet).toEqual({ left: 0, holders: [] });
    await gone('quiet');
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await pool.ready();
    expect(await stage.observer.count('quiet')).toBe(2);
  });

  it('quiesce lets go of the connections that carry the statements of a pipeline', async () => {
    await using pool = createPgPool({ ...stage.options('quiet-pipeline'), pipeline: true, max: 4 });
    await Promise.all(Array.from({ length: 50 }, (_, index) => pool.query('SELECT $1::int', [index])));
    expect(await pool.quiesce({ deadlineMs: 60_000 })).toEqual({ left: 0, holders: [] });
    await gone('quiet-pipeline');
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  describe('on Vercel', () => {
    const requestContext = Symbol.for('@vercel/request-context');
    const globals = globalThis as { [requestContext]?: unknown };
    afterEach(() => {
      vi.unstubAllEnvs();
      delete globals[requestContext];
    });

    it('attachDatabasePool has the platform wait until the idle connections are gone', async () => {
      vi.stubEnv('VERCEL_URL', 'example.vercel.app');
      vi.stubEnv('VERCEL_REGION', 'fra1');
      const waitedFor: Promise<unknown>[] = [];
      globals[requestContext] = { get: () => ({ waitUntil: (promise: Promise<unknown>) => waitedFor.push(promise) }) };
      await using pool = createPgPool({ ...stage.options('vercel'), idleTimeoutMs: 300 });
      expect(pool.options.idleTimeoutMillis).toBe(300);
      attachDatabasePool(pool);
      await pool.query('SELECT 1');
      expect(waitedFor).toHaveLength(1);
      await waitedFor[0];
      await gone('vercel');
    });
  });

  describe('a session that the server ended for its silence, unseen', () => {
    /** Nothing of this process runs until the server has no such session any more: as in a freeze in the middle of a turn. */
    const standStill = (application: string): void => {
      const { connectionString } = stage.server;
      const source = `const { Client } = require(${JSON.stringify(here.resolve('pg'))});
        const look = new Client({ connectionString: ${JSON.stringify(connectionString)} });
        look.connect().then(async () => {
          const sql = 'SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = $1';
          const count = async () => (await look.query(sql, [${JSON.stringify(application)}])).rows[0].n;
          while (await count() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
          await look.end();
        });`;
      expect(spawnSync(process.execPath, ['-e', source], { timeout: 30_000 }).status).toBe(0);
    };
    const cases = {
      'a query': (pool: ReturnType<typeof createPgPool>) => pool.query('SELECT 1 AS one'),
      'what node-postgres sends': (pool: ReturnType<typeof createPgPool>) => pool.query({ text: 'SELECT 1 AS one', name: 'one' }),
      'a transaction': (pool: ReturnType<typeof createPgPool>) => pool.transaction((client) => client.query('SELECT 1 AS one')),
    };
    for (const [what, run] of Object.entries(cases)) {
      it(`has read nothing of ${what}, which is run on another`, async () => {
        const application = `unseen ${what}`;
        await using pool = createPgPool({
          ...stage.options(application), max: 3, validateAfterIdleMs: 600_000, options: '-c idle_session_timeout=1500',
        });
        await run(pool);
        // This reading of the clock is good until the end of the turn, and so is the connection, as far as the pool can know.
        const lease = pool.tryAcquire();
        lease!.release();
        standStill(application);
        const lent: number[] = [];
        pool.on('acquire', ({ lease: { info } }) => lent.push(info.id));
        expect((await run(pool)).rows).toEqual([{ one: 1 }]);
        expect(lent[0]).toBe(1); // the dead one
        expect(lent).toHaveLength(2);
        expect(pool.stats().generation).toBe(1); // no failover
      });
    }
  });
});
