// Statements of many callers on few connections: each has its own answer, its own error, its own end.

import { createPgPool, ConnectionLostError, QueryTimeoutError, type PgPool } from 'millpond/pg';
import pg from 'pg';
import { expect, it } from 'vitest';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

const one = async (pool: PgPool, i: number): Promise<number> => (await pool.query<{ i: number }>('SELECT $1::int AS i', [i])).rows[0]!.i;
const ones = (pool: PgPool, count: number): Promise<number[]> => Promise.all(upTo(count).map((i) => one(pool, i)));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

onEachPostgres('pipeline', (stage) => {
  it('carries hundreds of statements over the connections that it may use, and gives them back', async () => {
    await using pool = createPgPool({
      ...stage.options('carried'), max: 10, pipeline: true, pipelineConnections: 2, pipelineDepth: 16, pipelineStallMs: 10_000,
    });
    const all = ones(pool, 500);
    // Looked at before time has passed: where statements take long, as on a machine that is busy with something else, it takes another.
    await Promise.resolve();
    expect(pool.stats()).toMatchObject({ size: 2, waiting: 2 });
    expect(await all).toEqual(upTo(500));
    expect(pool.pipelineStats()!.totals).toMatchObject({ acquires: 500, served: 500 });
    await until('the connections to come back', () => pool.stats(), ({ idle, size }) => idle === size);
  });

  it('takes a connection more before it shares one', async () => {
    await using pool = createPgPool({
      ...stage.options('spread'), min: 3, max: 10, pipeline: true, pipelineConnections: 3, pipelineStallMs: 10_000,
    });
    await pool.ready({ timeoutMs: 60_000 });
    const slow = Array.from({ length: 3 }, () => pool.query('SELECT pg_sleep(2)'));
    await until('three to run at once', () => stage.observer.backends('spread'),
      (seen) => seen.filter(({ state }) => state === 'active').length === 3);
    await Promise.all(slow);
  });

  it('has several statements on the way to the server at once, in one write', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, delayMs: 50 });
    await using pool = createPgPool({
      ...stage.through(proxy, 'one-write'), pipeline: true, pipelineConnections: 1, pipelineDepth: 50, pipelineStallMs: 10_000,
    });
    await pool.query('SELECT 1');
    const before = proxy.passages[0]!.fromClient.length;
    await ones(pool, 50);
    expect(proxy.passages).toHaveLength(1);
    expect(proxy.passages[0]!.fromClient.length - before).toBeLessThanOrEqual(3);
  });

  it('lets one that fails fail alone', async () => {
    await using pool = createPgPool({ ...stage.options('alone'), pipeline: true, pipelineConnections: 1 });
    const asked = upTo(60).map((i) => pool.query('SELECT 1 / $1::int AS x', [i % 3]));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.map(({ status }) => status)).toEqual(upTo(60).map((i) => i % 3 === 0 ? 'rejected' : 'fulfilled'));
    const { reason } = outcomes[0] as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(pg.DatabaseError);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('sends a value that cannot be sent to nobody, and all that are beside it', async () => {
    await using pool = createPgPool({ ...stage.options('encode'), pipeline: true, pipelineConnections: 1 });
    const ring: Record<string, unknown> = {};
    ring['self'] = ring;
    const asked = upTo(9).map((i) => pool.query('SELECT $1::json AS j', [i === 4 ? ring : { i }]));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.map(({ status }) => status)).toEqual(upTo(9).map((i) => i === 4 ? 'rejected' : 'fulfilled'));
    expect(String((outcomes[4] as PromiseRejectedResult).reason)).toMatch(/circular/);
  });

  it('never shares a connection with a transaction, nor with what might open one', async () => {
    await stage.observer.query('CREATE TABLE IF NOT EXISTS apart (n int)');
    await using pool = createPgPool({ ...stage.options('apart'), max: 4, pipeline: true });
    const seen = await pool.transaction(async (client) => {
      await client.query('INSERT INTO apart VALUES (1)');
      const { rows: [own] } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const look = 'SELECT pg_backend_pid() AS pid, (SELECT count(*)::int FROM apart) AS n';
      const shared = await Promise.all(upTo(40).map(() => pool.query(look)));
      return { own: own!.pid, shared: shared.map(({ rows: [row] }) => row as { pid: number; n: number }) };
    });
    expect(seen.shared.filter(({ pid, n }) => pid === seen.own || n !== 0)).toEqual([]);
    await pool.query('BEGIN');
    await pool.query('/* BEGIN */ SELECT 1');
    await pool.query('/* /* */ SELECT 1 */ BEGIN');
    const { rows } = await pool.query('SELECT now() = statement_timestamp() AS fresh');
    expect(rows).toEqual([{ fresh: true }]);
  });

  it('leaves a cursor, COPY and LISTEN to whoever has a connection of his own, on the same pool', async () => {
    await using pool = createPgPool({ ...stage.options('own'), max: 2, pipeline: true });
    await ones(pool, 50);
    const heard = await pool.use(async (client) => {
      const told = new Promise<string>((resolve) => { client.on('notification', ({ channel }) => resolve(channel)); });
      await client.query('LISTEN mill');
      await pool.query("SELECT pg_notify('mill', '')");
      return told;
    });
    expect(heard).toBe('mill');
    expect(await ones(pool, 50)).toEqual(upTo(50));
  });

  it('makes way for whoever wants a connection of his own, however long the queue of statements', async () => {
    await using pool = createPgPool({ ...stage.options('way'), max: 2, pipeline: true, acquireTimeoutMs: 20_000 });
    let running = true;
    let done = 0;
    const users = Promise.all(upTo(200).map(async () => {
      while (running) {
        await pool.query('SELECT 1');
        done++;
      }
    }));
    await until('statements to flow', () => done, (count) => count > 500);
    for (let i = 0; i < 20; i++) {
      const lease = await pool.acquire({ timeoutMs: 2_000 });
      await lease.resource.query('SELECT 1');
      lease.release();
    }
    // Both at once: nobody is left for the statements, and they wait until one comes back.
    const both = await Promise.all([pool.acquire(), pool.acquire()]);
    const before = done;
    await sleep(50);
    expect(done - before).toBeLessThan(300);
    for (const lease of both) lease.release();
    const after = done;
    await until('statements to flow again', () => done, (count) => count > after + 500);
    running = false;
    await users;
    const lease = pool.tryAcquire();
    expect(lease).toBeDefined();
    lease?.release();
  });

  it('is held by pause, goes on after resume, and follows a resize', async () => {
    await using pool = createPgPool({ ...stage.options('pause'), max: 4, pipeline: true });
    await ones(pool, 50);
    pool.pause();
    const asked = ones(pool, 20);
    expect(await Promise.race([asked, sleep(100)])).toBeUndefined();
    pool.resume();
    expect(await asked).toEqual(upTo(20));
    pool.resize({ max: 1 });
    await ones(pool, 100);
    await until('one to be left', () => pool.stats().size, (size) => size === 1);
    expect(await ones(pool, 100)).toEqual(upTo(100));
  });

  it('replaces its connections on evict, without losing a statement', async () => {
    await using pool = createPgPool({ ...stage.options('evicted'), max: 2, pipeline: true });
    const pidNow = async (): Promise<number> => (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
    const first = await pidNow();
    const asked = ones(pool, 300);
    pool.evict();
    expect(await asked).toEqual(upTo(300));
    expect(await pidNow()).not.toBe(first);
    expect(pool.stats().generation).toBe(2);
  });

  it('lets connections grow old under a load that never ends', async () => {
    await using pool = createPgPool({ ...stage.options('old'), max: 1, pipeline: true, maxLifetimeMs: 1_500, lifetimeJitter: 0 });
    let running = true;
    const users = Promise.all(upTo(20).map(async () => {
      while (running) await pool.query('SELECT 1');
    }));
    await until('a connection to retire', () => pool.stats().totals.destroyed.maxLifetime, (count) => count >= 1);
    running = false;
    await users;
  });

  it('is no leak, whatever a leak is here', async () => {
    await using pool = createPgPool({ ...stage.options('no-leak'), max: 1, pipeline: true, leakThresholdMs: 1_000 });
    const leaks: unknown[] = [];
    pool.on('leak', (leak) => leaks.push(leak));
    const end = performance.now() + 2_000;
    while (performance.now() < end) await ones(pool, 20);
    expect(leaks).toEqual([]);
    await pool.query('SELECT pg_sleep(1.5)');
    expect(leaks).toHaveLength(1);
  });

  it('tells those who wait at close, and lets those in flight come to their end', async () => {
    const pool = createPgPool({ ...stage.options('close'), max: 1, pipeline: true, pipelineDepth: 2, pipelineStallMs: 10_000 });
    await pool.query('SELECT 1');
    const inFlight = [pool.query('SELECT pg_sleep(0.2)'), pool.query('SELECT 2 AS two')];
    const waiting = failureOf(pool.query('SELECT 3'));
    await stage.observer.running('close', 'pg_sleep');
    const closed = pool.close();
    expect(pool.close()).toBe(closed);
    expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED' });
    expect((await Promise.all(inFlight))[1]!.rows).toEqual([{ two: 2 }]);
    expect(await closed).toEqual({ abandoned: [] });
    await expect(pool.query('SELECT 4')).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  });

  it('names those whom the deadline of a close cuts off', async () => {
    const pool = createPgPool({ ...stage.options('cut'), max: 1, pipeline: true, cancelTimeoutMs: 500 });
    await pool.query('SELECT 1');
    const asked = failureOf(pool.query('SELECT pg_sleep(60)', [], { label: 'the report' }));
    await stage.observer.running('cut', 'pg_sleep');
    const { abandoned } = await pool.close({ deadlineMs: 5 });
    expect(['57014', 'ERR_POOL_CONNECTION_LOST']).toContain((await asked)?.code);
    expect(abandoned.map(({ label }) => label)).toEqual(['the report']);
    await until('the server to be rid of it', () => stage.observer.count('cut'), (count) => count === 0);
  });
});

onEachPostgres('pipeline: slow statements, deadlines, cancels', (stage) => {
  it('keeps new work away from a connection that is stuck', async () => {
    await using pool = createPgPool({ ...stage.options('stuck'), max: 4, pipeline: true, pipelineConnections: 1, pipelineStallMs: 20 });
    await pool.query('SELECT 1');
    const slow = pool.query('SELECT pg_sleep(1.5)').then(() => performance.now());
    await stage.observer.running('stuck', 'pg_sleep');
    await until('it to be noticed', () => pool.pipelineStats()!.totals.detached, (count) => count === 1);
    await ones(pool, 100);
    const quick = performance.now();
    expect(await slow).toBeGreaterThan(quick);
    expect(pool.stats().size).toBe(2);
    await until('both to come back', () => pool.stats().idle, (idle) => idle === 2);
  });

  it('takes more connections while statements take long, and lets them go when they are quick again', async () => {
    await using pool = createPgPool({ ...stage.options('wide'), max: 12, pipeline: true, pipelineConnections: 2, idleTimeoutMs: 300 });
    let text = 'SELECT pg_sleep(0.002)';
    let running = true;
    const users = Promise.all(upTo(60).map(async () => {
      while (running) await pool.query(text);
    }));
    await until('all connections to be in use', () => pool.stats(), ({ borrowed }) => borrowed > 8);
    text = 'SELECT 1';
    await until('few to be enough', () => pool.stats(), ({ borrowed }) => borrowed <= 3);
    running = false;
    await users;
  });

  it('when every connection is stuck the others wait, and their deadline says why', async () => {
    await using pool = createPgPool({
      ...stage.options('all-stuck'), name: 'orders', min: 2, max: 2, pipeline: true, acquireTimeoutMs: 400, pipelineStallMs: 5,
    });
    await pool.ready({ timeoutMs: 60_000 });
    const slow = [1, 2].map(() => pool.query('SELECT pg_sleep(2)'));
    await until('both to run', () => stage.observer.backends('all-stuck'),
      (seen) => seen.filter(({ query, state }) => state === 'active' && query.includes('pg_sleep')).length === 2);
    await until('both to be noticed', () => pool.pipelineStats()!.totals.detached, (count) => count === 2);
    const failure = await failureOf(pool.query('SELECT 1'));
    expect(failure).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', stats: { borrowed: 2, max: 2 } });
    expect(failure!.message).toMatch(/2 of (?:max )?2/);
    await Promise.all(slow);
  });

  it('bounds how many wait', async () => {
    await using pool = createPgPool({
      ...stage.options('bound'), max: 1, pipeline: true, pipelineDepth: 2, maxWaiting: 3, pipelineStallMs: 10_000,
    });
    await pool.query('SELECT 1');
    const asked = upTo(6).map(() => failureOf(pool.query('SELECT pg_sleep(0.1)')));
    expect((await Promise.all(asked)).map((error) => error?.code)).toEqual([...Array<undefined>(5), 'ERR_POOL_QUEUE_FULL']);
  });

  it('ends the statement of a caller who leaves, and no other', async () => {
    await using pool = createPgPool({ ...stage.options('leave'), max: 2, pipeline: true, pipelineConnections: 1, pipelineStallMs: 30 });
    await pool.query('SELECT 1');
    const controller = new AbortController();
    const left = failureOf(pool.query('SELECT pg_sleep(60)', [], { signal: controller.signal }));
    const behind = ones(pool, 20);
    await stage.observer.running('leave', 'pg_sleep');
    const reason = { my: 'reason' };
    controller.abort(reason);
    expect(await left).toBe(reason);
    expect(await behind).toEqual(upTo(20));
    await until('all to come back', () => pool.stats(), ({ idle, size }) => idle === size);
    expect(pool.stats().totals.destroyed).toMatchObject({ leaseDestroyed: 0, broken: 0 });
  });

  it('runs again what a cancel hit in place of another', async () => {
    await stage.observer.query('CREATE TABLE struck (n int)');
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({
      ...stage.through(proxy, 'struck'), max: 2, pipeline: true, pipelineConnections: 1, pipelineStallMs: 30,
    });
    await pool.query('SELECT 1');
    // The cancel is held up on its way: when it arrives, the one behind is running.
    proxy.holdBack = ({ id }) => id > 0 && 300;
    const left = failureOf(pool.query('SELECT pg_sleep(0.25)', [], { timeoutMs: 60 }));
    const innocent = pool.query('INSERT INTO struck SELECT 1 FROM pg_sleep(0.6) RETURNING n');
    expect(await left).toBeInstanceOf(QueryTimeoutError);
    expect((await innocent).rows).toEqual([{ n: 1 }]);
    expect(await stage.observer.query('SELECT n FROM struck')).toEqual([{ n: 1 }]);
    expect(stage.server.logs()).toMatch(/canceling statement due to user request[\s\S]*INSERT INTO struck/);
  });

  it('gives the connection up when a cancel gets no answer', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({
      ...stage.through(proxy, 'silent'), max: 1, pipeline: true, pipelineStallMs: 10_000, cancelTimeoutMs: 200, destroyTimeoutMs: 300,
    });
    await pool.query('SELECT 1');
    const left = failureOf(pool.query('SELECT pg_sleep(60)', [], { timeoutMs: 100 }));
    const behind = failureOf(pool.query('SELECT 1'));
    await stage.observer.running('silent', 'pg_sleep');
    proxy.silence();
    expect(await left).toBeInstanceOf(QueryTimeoutError);
    expect(await behind).toBeInstanceOf(ConnectionLostError);
    await until('the connection to be given up', () => pool.stats().size, (size) => size === 0);
    proxy.resume();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});

onEachPostgres('pipeline: connections that die', (stage) => {
  it('fails what was sent and runs the rest elsewhere: nothing twice, nothing lost', async () => {
    await stage.observer.query('CREATE TABLE sent (n int)');
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({
      ...stage.through(proxy, 'die'), max: 1, pipeline: true, pipelineDepth: 10, pipelineStallMs: 10_000, createRetry: { maxDelayMs: 100 },
    });
    await pool.query('SELECT 1');
    const slow = failureOf(pool.query('SELECT pg_sleep(60)'));
    await stage.observer.running('die', 'pg_sleep');
    const outcomes = upTo(30).map((i) => failureOf(pool.query('INSERT INTO sent VALUES ($1)', [i])));
    await sleep(50);
    proxy.cut();
    expect(await slow).toBeInstanceOf(ConnectionLostError);
    const failures = await Promise.all(outcomes);
    // Nine were in the pipeline behind the slow one; the others had waited for a place, and never knew.
    expect(failures.filter((error) => error instanceof ConnectionLostError && !error.retryable)).toHaveLength(9);
    expect(failures.slice(9)).toEqual(Array<undefined>(21));
    expect(await stage.observer.query('SELECT count(*)::int AS n FROM sent WHERE n >= 9')).toEqual([{ n: 21 }]);
  });

  it('by the very write is replaced without a word', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'refused'), max: 1, pipeline: true });
    await pool.query('SELECT 1');
    proxy.open[0]!.client.resetAndDestroy();
    // This process does not get to its events before the write.
    const end = performance.now() + 50;
    while (performance.now() < end);
    expect(await ones(pool, 5)).toEqual(upTo(5));
    expect(pool.stats().totals.created).toBe(2);
  });

  it('by the server: the one that ran is told so in its words, all others as lost, and the pool heals', async () => {
    await using pool = createPgPool({
      ...stage.options('killed'), max: 1, pipeline: true, pipelineStallMs: 10_000, createRetry: { maxDelayMs: 100 },
    });
    await pool.query('SELECT 1');
    const slow = failureOf(pool.query('SELECT pg_sleep(60)'));
    const behind = failureOf(pool.query('SELECT 1'));
    const { pid } = await stage.observer.running('killed', 'pg_sleep');
    await stage.observer.terminate(pid);
    expect(await slow).toMatchObject({ code: '57P01' });
    expect(await behind).toBeInstanceOf(ConnectionLostError);
    expect(await ones(pool, 20)).toEqual(upTo(20));
  });

  it('is told of a database that cannot be reached as a plain pool is', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({
      ...stage.through(proxy, 'away'), pipeline: true, acquireTimeoutMs: 500, createRetry: { maxDelayMs: 100 },
    });
    proxy.admit = () => false;
    const failures = await Promise.all(upTo(5).map(() => failureOf(pool.query('SELECT 1'))));
    for (const failure of failures) expect(failure).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', cause: expect.any(Error) });
    proxy.admit = () => true;
    expect(await ones(pool, 5)).toEqual(upTo(5));
    await using wrong = createPgPool({ ...stage.through(proxy, 'wrong'), password: 'wrong', pipeline: true });
    const refused = await Promise.all(upTo(5).map(() => failureOf(wrong.query('SELECT 1'))));
    for (const failure of refused) {
      expect(failure).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false, cause: { code: '28P01' } });
    }
    expect(wrong.stats().totals.createErrors).toBeLessThanOrEqual(5);
  });

  it('is moved on from a server that has become read-only, before the caller is told', async () => {
    await using pool = createPgPool({ ...stage.options('read-only'), max: 2, pipeline: true });
    await stage.observer.query('CREATE TABLE IF NOT EXISTS written (n int)');
    await pool.query('INSERT INTO written VALUES (1)');
    await stage.observer.query('ALTER SYSTEM SET default_transaction_read_only = on');
    await stage.observer.query('SELECT pg_reload_conf()');
    await until('it to be read-only', () => pool.query('SHOW default_transaction_read_only'),
      ({ rows: [row] }) => (row as { default_transaction_read_only: string }).default_transaction_read_only === 'on');
    const { generation } = pool.stats();
    await expect(pool.query('INSERT INTO written VALUES (2)')).rejects.toMatchObject({ code: '25006' });
    expect(pool.stats().generation).toBe(generation + 1);
    await stage.observer.query('SET default_transaction_read_only = off');
    await stage.observer.query('ALTER SYSTEM RESET default_transaction_read_only');
    await stage.observer.query('SELECT pg_reload_conf()');
    await until('it to be writable', () => failureOf(pool.query('INSERT INTO written VALUES (3)')), (failure) => failure === undefined);
  });
});

onEachPostgres('pipeline: back-pressure', (stage) => {
  it('keeps what the server does not read out of the socket, and sends it when it does', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, record: false });
    await using pool = createPgPool({
      ...stage.through(proxy, 'full'), max: 1, pipeline: true, pipelineStallMs: 10_000, acquireTimeoutMs: 30_000,
    });
    const big = 'x'.repeat(1_000_000);
    await pool.query('SELECT 1');
    proxy.silence();
    const lengths = async (i: number): Promise<number> => (
      (await pool.query<{ n: number }>('SELECT length($1) + $2::int AS n', [big, i])).rows[0]!.n);
    const asked = upTo(40).map(lengths);
    await sleep(200);
    proxy.resume();
    expect(await Promise.all(asked)).toEqual(upTo(40).map((i) => 1_000_000 + i));
  });
});
