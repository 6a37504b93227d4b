// Callers that leave: the statement ends at the server, and nobody else's does.

import { createPgPool, QueryTimeoutError } from 'millpond/pg';
import { expect, it } from 'vitest';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { seeded } from '../support/seeded.ts';
import { onEachPostgres } from '../support/suite.ts';

onEachPostgres('cancel', (stage) => {
  it('by a signal rejects at once with its reason, and ends the statement at the server', async () => {
    await using pool = createPgPool({ ...stage.options('signal'), max: 1 });
    const controller = new AbortController();
    const reason = { my: 'reason' };
    const asked = failureOf(pool.query('SELECT pg_sleep(60)', [], { signal: controller.signal }));
    await stage.observer.running('signal', 'pg_sleep');
    controller.abort(reason);
    expect(await asked).toBe(reason);
    expect(pool.stats().idle).toBe(0); // told at once, and not when the server has let go
    await until('the statement to end', () => stage.observer.backends('signal'), ([backend]) => backend?.state === 'idle');
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('by a deadline rejects with an error that says what to look at', async () => {
    await using pool = createPgPool({ ...stage.options('deadline'), name: 'orders', max: 1 });
    await pool.query('SELECT 1');
    const failed = pool.query('SELECT pg_sleep(60)', [], { timeoutMs: 100 });
    await expect(failed).rejects.toBeInstanceOf(QueryTimeoutError);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT', retryable: false, pool: 'orders', timeoutMs: 100 });
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('by one signal for many statements ends them all, and is no reason to warn', async () => {
    await using pool = createPgPool({ ...stage.options('many'), max: 15 });
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => { warnings.push(name); };
    process.on('warning', onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    const all = Array.from({ length: 30 }, () => failureOf(pool.query('SELECT pg_sleep(60)', [], { signal })));
    await until('fifteen to run', () => stage.observer.backends('many'),
      (seen) => seen.filter(({ query }) => query.includes('pg_sleep')).length === 15);
    controller.abort();
    expect((await Promise.all(all)).map((error) => error?.name)).toEqual(all.map(() => 'AbortError'));
    await until('all to come back', () => pool.stats(), ({ idle, size }) => idle === size);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('before the statement was sent costs nothing', async () => {
    await using pool = createPgPool({ ...stage.options('early'), max: 1 });
    const controller = new AbortController();
    controller.abort();
    await expect(pool.query('SELECT 1', [], { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(pool.stats().size).toBe(0);
    const lease = await pool.acquire();
    const waiting = new AbortController();
    const asked = pool.query('SELECT 1', [], { signal: waiting.signal });
    waiting.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    lease.release();
    expect(pool.stats()).toMatchObject({ idle: 1, waiting: 0 });
  });

  it('after the answer has no effect', async () => {
    await using pool = createPgPool({ ...stage.options('after'), max: 1 });
    const controller = new AbortController();
    await pool.query('SELECT 1', [], { signal: controller.signal, timeoutMs: 500 });
    controller.abort();
    await sleep(600);
    expect(pool.stats()).toMatchObject({ idle: 1, totals: { created: 1 } });
  });

  it('leaves no transaction behind', async () => {
    await using pool = createPgPool({ ...stage.options('no-tx'), max: 1 });
    await expect(pool.query('BEGIN; SELECT pg_sleep(60)', [], { timeoutMs: 100 })).rejects.toBeInstanceOf(QueryTimeoutError);
    expect((await pool.query('SELECT now() = statement_timestamp() AS fresh')).rows).toEqual([{ fresh: true }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('never reaches the next borrower: thousands of leavers among those who stay', { timeout: 120_000 }, async () => {
    const seed = Number(process.env['MILLPOND_SEED'] ?? 20_261_121);
    const random = seeded(seed);
    await using pool = createPgPool({ ...stage.options('stress'), max: 6 });
    let left = 0;
    let stayed = 0;
    const leaver = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const controller = new AbortController();
        // Around the time that the statement itself takes: before, in the middle, at the very end, after.
        const timer = setTimeout(() => controller.abort(), random() * 6);
        await pool.query('SELECT pg_sleep(0.003)', [], { signal: controller.signal }).catch(() => { left++; });
        clearTimeout(timer);
      }
    };
    const stayer = async (): Promise<void> => {
      for (let i = 0; i < 150; i++) {
        // A cancel that hits the wrong statement shows as 57014, here or nowhere.
        await pool.query('SELECT pg_sleep(0.002)');
        stayed++;
      }
    };
    await Promise.all([...Array.from({ length: 12 }, leaver), ...Array.from({ length: 6 }, stayer)]);
    expect(stayed, `seed ${seed}`).toBe(900);
    expect(left, `seed ${seed}`).toBeGreaterThan(100);
    await until('all to come back', () => pool.stats(), (stats) => stats.borrowed === 0 && stats.resetting === 0);
    const states = (await stage.observer.backends('stress')).map(({ state }) => state);
    expect(states).toEqual(Array.from({ length: pool.stats().size }, () => 'idle'));
    // A connection was given up only where the server could not be asked in time; under no circumstances most of them.
    expect(pool.stats().totals.created).toBeLessThan(20);
  });

  it('that gets no answer costs the connection, within the bound', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'unanswered'), max: 1, cancelTimeoutMs: 200, destroyTimeoutMs: 300 });
    const asked = pool.query('SELECT pg_sleep(60)', [], { timeoutMs: 200 });
    await stage.observer.running('unanswered', 'pg_sleep');
    proxy.silence();
    await expect(asked).rejects.toBeInstanceOf(QueryTimeoutError);
    await until('the connection to be given up', () => pool.stats(), (stats) => stats.borrowed === 0 && stats.size === 0);
    proxy.resume();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('that is still under way when the bound has passed costs the connection, though the statement is over', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'late'), max: 1, cancelTimeoutMs: 200 });
    await pool.query('SELECT 1');
    proxy.holdBack = ({ id }) => id === 1 && 700;
    await expect(pool.query('SELECT pg_sleep(0.2)', [], { timeoutMs: 100 })).rejects.toBeInstanceOf(QueryTimeoutError);
    await pool.query('SELECT pg_sleep(1)'); // would be hit on the old connection
    expect(pool.stats().totals.created).toBe(2);
  });

  it('that is refused does no harm to a statement that ends by itself', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'cancelled'), max: 1 });
    await pool.query('SELECT 1');
    proxy.admit = () => false; // from here on no second connection, and so no cancel
    await expect(pool.query('SELECT pg_sleep(0.3)', [], { timeoutMs: 100 })).rejects.toBeInstanceOf(QueryTimeoutError);
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('waits for the server to close the cancel connection before anybody else gets the session', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, 'cancelled'), max: 1 });
    await pool.query('SELECT 1');
    // The cancel request is held up on its way, as it may be on any network: the statement is long over when it arrives.
    let held = false;
    proxy.holdBack = (passage) => passage.id > 0 && (held = true) && 400;
    await expect(pool.query('SELECT pg_sleep(0.2)', [], { timeoutMs: 100 })).rejects.toBeInstanceOf(QueryTimeoutError);
    const startedAt = performance.now();
    await pool.query('SELECT pg_sleep(0.5)'); // would be hit, did it start before the cancel has passed
    expect(held).toBe(true);
    expect(performance.now() - startedAt).toBeGreaterThan(500);
    expect(pool.stats().totals.created).toBe(1);
  });
});
