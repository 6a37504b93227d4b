// The seams of the pipeline: between what a statement was told and what its carrier did, between carriers and those who want a connection
// of their own, between a place and a server that is away.

import { createPgPool } from 'millpond/pg';
import pg from 'pg';
import { expect, it } from 'vitest';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

onEachPostgres('pipeline: seams', (stage) => {
  it('tells the caller of a write that was refused as read-only, also when the connection was just leaving', async () => {
    await stage.observer.query('CREATE TABLE leaving (n int)');
    await using pool = createPgPool({ ...stage.options('leaving'), max: 1, pipeline: true, pipelineStallMs: 10_000 });
    await pool.query('SELECT 1');
    await pool.use((client) => client.query('SET default_transaction_read_only = on'));
    const asked = failureOf(pool.query('INSERT INTO leaving SELECT 1 FROM pg_sleep(0.1)'));
    pool.evict();
    expect(await Promise.race([asked, sleep(3_000)])).toMatchObject({ code: '25006' });
  });

  it.each([
    ['query_timeout', { query_timeout: 5_000 }], ['binary', { binary: true }], ['a Client of another make', { Client: strange() }],
  ])('says so at once, or does without, where statements cannot be sent by ourselves: %s', async (_, options) => {
    const make = () => createPgPool({ ...stage.options('strange'), max: 2, pipeline: true, acquireTimeoutMs: 1_000, ...options });
    let pool: ReturnType<typeof make>;
    try {
      pool = make();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' });
      return;
    }
    expect((await pool.query('SELECT 1 AS one')).rows).toHaveLength(1);
    await pool.close();
  });

  it('does not go on trying to connect when nobody wants a connection any more', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    proxy.admit = () => false;
    await using pool = createPgPool({
      ...stage.through(proxy, 'nobody'), max: 2, pipeline: true, acquireTimeoutMs: 200, createRetry: { maxDelayMs: 100 },
    });
    await failureOf(pool.query('SELECT 1'));
    await sleep(300); // what had begun comes to its end
    const { createErrors } = pool.stats().totals;
    await sleep(6_500); // longer than the slowest retry
    expect(pool.stats().totals.createErrors).toBe(createErrors);
  });

  it('counts one DEALLOCATE as one loss, however many statements it catches in flight', async () => {
    await using pool = createPgPool({ ...stage.options('one-loss'), max: 1, pipeline: true });
    const ask = (): Promise<unknown> => pool.query('SELECT $1::int AS caught', [1]);
    const warnings: string[] = [];
    const onWarning = ({ message }: Error): void => { warnings.push(message); };
    process.on('warning', onWarning);
    for (let i = 0; i < 3; i++) await ask();
    await pool.query('DEALLOCATE ALL');
    await Promise.all(Array.from({ length: 32 }, ask));
    await sleep(10);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('makes way for those who waited before a connection became a carrier', async () => {
    await using pool = createPgPool({ ...stage.options('before'), max: 1, pipeline: true });
    const first = await pool.acquire();
    let running = true;
    let done = 0;
    const users = Promise.all(Array.from({ length: 5 }, async () => {
      for (; running; done++) await pool.query('SELECT 1');
    }));
    await until('one to wait for the statements', () => pool.stats().waiting, (waiting) => waiting === 1);
    const waiting = Array.from({ length: 3 }, async () => {
      const lease = await pool.acquire();
      const { waitMs } = pool.stats().totals;
      lease.release();
      return waitMs;
    });
    first.release();
    await Promise.all(waiting);
    running = false;
    await users;
    // Each of them would have been held up for a whole turn of the carrier.
    expect(pool.pipelineStats()!.totals.destroyed).toMatchObject({ maxLifetime: 0 });
    expect(done).toBeGreaterThan(0);
  });

  it('does not wait in line for a connection more while it has one', async () => {
    await using pool = createPgPool({
      ...stage.options('in-line'), max: 2, min: 2, pipeline: true, maxWaiting: 2, acquireTimeoutMs: 200, pipelineStallMs: 10_000,
      // On a slow machine the idle one may have been silent for so long that it would be validated first; meanwhile a second waits.
      validateAfterIdleMs: 60_000,
    });
    await pool.ready({ timeoutMs: 60_000 });
    await pool.transaction(async (client) => {
      const end = performance.now() + 500; // a carrier's turn ends after 750 ms at the earliest, and then its place is waited for
      let most = 0;
      const users = Array.from({ length: 3 }, async () => {
        while (performance.now() < end) {
          await pool.query('SELECT pg_sleep(0.001)');
          most = Math.max(most, pool.stats().waiting);
        }
      });
      await client.query('SELECT 1');
      await Promise.all(users);
      expect(most).toBe(0);
    });
    expect(pool.stats().totals).toMatchObject({ timedOut: 0 });
  });

  it('cancels at close what its caller has left', async () => {
    const pool = createPgPool({ ...stage.options('left-behind'), max: 1, pipeline: true, pipelineStallMs: 10_000 });
    await pool.query('SELECT 1');
    const left = failureOf(pool.query('SELECT pg_sleep(60)', [], { timeoutMs: 200 }));
    await stage.observer.running('left-behind', 'pg_sleep');
    const closed = pool.close({ deadlineMs: 8_000 });
    expect(await left).toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    expect(await closed).toEqual({ abandoned: [] });
  });

  it.each(['close', 'reclaim'] as const)('alone: ends well also when the pool takes its connection back (%s)', async (how) => {
    const pool = createPgPool({ ...stage.options(how), max: 1, ...(how === 'reclaim' ? { leakThresholdMs: 100, reclaim: true } : {}) });
    const asked = failureOf(pool.query('SELECT pg_sleep(60)'));
    await stage.observer.running(how, 'pg_sleep');
    if (how === 'close') await pool.close({ deadlineMs: 5 });
    const failure = await Promise.race([asked, sleep(3_000)]);
    expect(['57014', 'ERR_POOL_CONNECTION_LOST']).toContain((failure as { code?: string } | undefined)?.code);
    await pool.close();
  });

  it.each([false, true])('is told of a close in the same moment, pipeline: %s', async (pipeline) => {
    const pool = createPgPool({ ...stage.options('moment'), min: 1, max: 1, pipeline });
    await pool.ready({ timeoutMs: 60_000 });
    const asked = failureOf(pool.query('SELECT 1', [], { label: 'waits' }));
    const closed = pool.close({ deadlineMs: 0 });
    expect(await Promise.race([asked, sleep(2_000)])).toMatchObject({ code: 'ERR_POOL_CLOSED' });
    await closed;
  });

  it.each([10_000, 20])('names each whom the deadline of a close cuts off once, with a stall limit of %d', async (pipelineStallMs) => {
    const pool = createPgPool({ ...stage.options('once'), min: 1, max: 1, pipeline: true, pipelineStallMs });
    await pool.ready({ timeoutMs: 60_000 });
    const asked = failureOf(pool.query('SELECT pg_sleep(60)', [], { label: 'the report' }));
    await stage.observer.running('once', 'pg_sleep');
    await sleep(100);
    const { abandoned } = await pool.close({ deadlineMs: 5 });
    await asked;
    expect(abandoned.map(({ label }) => label)).toEqual(['the report']);
  });

  it('does not take a connection at work for a leak of its own', async () => {
    await using pool = createPgPool({ ...stage.options('no-leak'), max: 2, pipeline: true, leakThresholdMs: 300, reclaim: true });
    const leaks: unknown[] = [];
    pool.on('leak', (leak) => leaks.push(leak));
    const end = performance.now() + 1_500;
    await Promise.all(Array.from({ length: 10 }, async () => {
      while (performance.now() < end) await pool.query('SELECT pg_sleep(0.002)');
    }));
    expect(leaks).toEqual([]);
  });

  it('sees an acquire inside of a lease also where it is a statement that wants to share', async () => {
    await using pool = createPgPool({ ...stage.options('inside'), max: 1, pipeline: true, nested: 'error', acquireTimeoutMs: 500 });
    await expect(pool.use(() => pool.query('SELECT 1'))).rejects.toMatchObject({ code: 'ERR_POOL_NESTED_ACQUIRE' });
  });

  it('takes no comment for longer than the server does', async () => {
    await using pool = createPgPool({ ...stage.options('return'), max: 2, pipeline: true, pipelineConnections: 1 });
    await pool.query('SELECT 1');
    const texts = ['SELECT 1', '-- \rCOPY (\nSELECT 1) TO STDOUT', 'SELECT 2', 'SELECT 3'];
    const failures = await Promise.all(texts.map((text) => failureOf(pool.query(text))));
    expect(failures.filter((_, i) => i !== 1)).toEqual([undefined, undefined, undefined]);
  });

  it('fails alone with parsers that cannot be found', async () => {
    await using pool = createPgPool({ ...stage.options('no-parser'), max: 1, pipeline: true });
    const types = { getTypeParser(): never { throw new Error('no parser'); } };
    for (let i = 0; i < 3; i++) {
      const failures = await Promise.race([
        sleep(2_000),
        Promise.all([undefined, types, undefined].map((each) => failureOf(pool.query({ text: 'SELECT 1 AS a', types: each })))),
      ]);
      expect(failures).toEqual([undefined, expect.objectContaining({ message: 'no parser' }), undefined]);
    }
  });

  it('cancels every statement of a connection when close() ends it, not only the one that runs, and names them all', async () => {
    // One place for all, and long enough for the connection to be out of the pool of places.
    const pool = createPgPool({ ...stage.options('cut-off'), max: 1, pipeline: true });
    await pool.query('SELECT 1');
    const labels = ['first', 'second', 'third'];
    const failures = Promise.all(labels.map((label) => failureOf(pool.query('SELECT pg_sleep(30)', { label }))));
    await sleep(200);
    const { abandoned } = await pool.close({ deadlineMs: 0 });
    expect(abandoned.map(({ label }) => label)).toEqual(labels);
    expect(await failures).toMatchObject(labels.map(() => ({ code: '57014' })));
  });
});

/** One whose statements we do not know how to send. */
function strange(): typeof pg.Client {
  class Strange extends pg.Client {}
  return Object.assign(Strange, { Query: undefined });
}
