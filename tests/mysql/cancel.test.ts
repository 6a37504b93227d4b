// Callers that leave: the statement ends at the server, and nobody else's does.

import { createMysqlPool, mysqlFactory, QueryTimeoutError, type MysqlConnectOptions } from 'millpond/mysql';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { cancelStatement } from '../../packages/millpond/src/adapters/mysql/cancel.ts';
import type { Messenger, Outcome } from '../../packages/millpond/src/adapters/mysql/messenger.ts';
import { sessionOf } from '../../packages/millpond/src/adapters/mysql/session.ts';
import { onMariadb } from '../support/mariadb.ts';
import { TcpProxy } from '../support/proxy.ts';
import { seeded } from '../support/seeded.ts';

/** A KILL is on its way in this piece. */
const carriesKill = (pieces: readonly Buffer[]): boolean => Buffer.concat(pieces).includes('KILL QUERY');

onMariadb('cancel', (stage) => {
  it('by a signal rejects at once with its reason, and ends the statement at the server', async () => {
    await using pool = createMysqlPool({ ...await stage.options('signal'), max: 1, cancelTimeoutMs: 60_000 });
    const controller = new AbortController();
    const reason = { my: 'reason' };
    const asked = failureOf(pool.query('SELECT SLEEP(60)', [], { signal: controller.signal }));
    await stage.watcher.running('signal', 'SLEEP');
    controller.abort(reason);
    expect(await asked).toBe(reason);
    expect(pool.stats().idle).toBe(0); // told at once, and not when the server has let go
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(1);
    await until('the side connection to be gone', () => stage.watcher.count('signal'), (count) => count === 1);
  });

  it('by a deadline rejects with an error that says what to look at, for execute as well', async () => {
    await using pool = createMysqlPool({ ...await stage.options('deadline'), name: 'orders', max: 1, cancelTimeoutMs: 60_000 });
    await pool.query('SELECT 1');
    for (const how of ['query', 'execute'] as const) {
      const failed = pool[how]('SELECT SLEEP(60)', [], { timeoutMs: 100 });
      await expect(failed).rejects.toBeInstanceOf(QueryTimeoutError);
      await expect(failed).rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT', retryable: false, pool: 'orders', timeoutMs: 100 });
      await expect(failed).rejects.toThrow('PROCESSLIST');
      await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    }
    expect(pool.stats().totals.created).toBe(1);
  });

  it("by mysql2's own timeout ends the statement at the server as well", async () => {
    await using pool = createMysqlPool({ ...await stage.options('inactive'), max: 1 });
    await expect(pool.query({ sql: 'SELECT SLEEP(60)', timeout: 100 })).rejects.toMatchObject({ code: 'PROTOCOL_SEQUENCE_TIMEOUT' });
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('of many at once takes one side connection, and is no reason to warn', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({
      ...await stage.through(proxy, 'many'), max: 12, maxCreating: 12, acquireTimeoutMs: 60_000, cancelTimeoutMs: 60_000,
    });
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => { warnings.push(name); };
    process.on('warning', onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    const all = Array.from({ length: 24 }, () => failureOf(pool.query('SELECT SLEEP(60)', [], { signal })));
    await until('twelve to run', () => stage.watcher.threads('many'),
      (seen) => seen.filter(({ INFO }) => INFO?.includes('SLEEP')).length === 12);
    controller.abort();
    expect((await Promise.all(all)).map((error) => error?.name)).toEqual(all.map(() => 'AbortError'));
    await until('all to come back', () => pool.stats(), ({ idle, size }) => idle === size && size === 12);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    expect(pool.stats().totals.created).toBe(12);
    expect(proxy.passages.filter(({ fromClient }) => carriesKill(fromClient))).toHaveLength(1);
    expect(proxy.maxOpen).toBe(13);
  });

  it('before the statement was sent costs nothing, and after its answer neither', async () => {
    await using pool = createMysqlPool({ ...await stage.options('early'), max: 1 });
    const gone = AbortSignal.abort();
    await expect(pool.query('SELECT 1', [], { signal: gone })).rejects.toMatchObject({ name: 'AbortError' });
    expect(pool.stats().size).toBe(0);
    const lease = await pool.acquire();
    const waiting = new AbortController();
    const asked = pool.query('SELECT 1', [], { signal: waiting.signal });
    waiting.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    lease.release();
    const after = new AbortController();
    await pool.query('SELECT 1', [], { signal: after.signal, timeoutMs: 60_000 });
    after.abort();
    expect(pool.stats()).toMatchObject({ idle: 1, waiting: 0, totals: { created: 1 } });
  });

  it('never reaches the next borrower: many leavers among those who stay', { timeout: 120_000 }, async () => {
    const seed = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);
    const random = seeded(seed);
    await using pool = createMysqlPool({ ...await stage.options('stress'), max: 6, cancelTimeoutMs: 20_000, acquireTimeoutMs: 60_000 });
    let left = 0;
    let stayed = 0;
    const leaver = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const controller = new AbortController();
        // Around the time that the statement itself takes: before, in the middle, at the very end, after.
        const timer = setTimeout(() => controller.abort(), random() * 6);
        await pool.query('SELECT SLEEP(0.003)', [], { signal: controller.signal }).catch(() => { left++; });
        clearTimeout(timer);
      }
    };
    const stayer = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) {
        // A KILL that hits the wrong statement shows as 1317, here or nowhere.
        await pool.query('SELECT SLEEP(0.002)');
        stayed++;
      }
    };
    await Promise.all([...Array.from({ length: 12 }, leaver), ...Array.from({ length: 6 }, stayer)]);
    expect(stayed, `seed ${seed}`).toBe(600);
    expect(left, `seed ${seed}`).toBeGreaterThan(50);
    await until('all to come back', () => pool.stats(), ({ idle, size }) => idle === size);
    expect(pool.stats().totals.created).toBe(pool.stats().size);
  });

  it('that gets no answer costs the connection, within the bound', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({
      ...await stage.through(proxy, 'unanswered'), max: 1, cancelTimeoutMs: 200, destroyTimeoutMs: 300,
    });
    const controller = new AbortController();
    const asked = failureOf(pool.query('SELECT SLEEP(60)', [], { signal: controller.signal }));
    await stage.watcher.running('unanswered', 'SLEEP');
    proxy.silence();
    controller.abort();
    expect(await asked).toMatchObject({ name: 'AbortError' });
    await until('the connection to be given up', () => pool.stats(), (stats) => stats.borrowed === 0 && stats.size === 0);
    proxy.resume();
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
  });

  it('gives the connection back only when it is known what became of the KILL, and then after a statement of its own', async () => {
    const factory = mysqlFactory(await stage.options('known'));
    const outcomes: [Outcome, boolean][] = [['unknown', false], ['unsent', true], ['done', true]];
    for (const [outcome, isUsable] of outcomes) {
      const connection = await factory.create({ signal: new AbortController().signal, attempt: 1 });
      const session = sessionOf(connection);
      const running = connection.query('SELECT SLEEP(0.1)');
      const { writes } = session;
      const messenger = { kill: () => Promise.resolve(outcome) } as unknown as Messenger;
      expect(await cancelStatement(session, messenger, 60_000), outcome).toBe(isUsable);
      await running;
      expect(session.writes - writes, outcome).toBe(outcome === 'done' ? 1 : 0);
      await factory.destroy(connection, { reason: 'idleTimeout', signal: new AbortController().signal });
    }
  });

  it('that is refused does no harm to a statement that ends by itself', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({ ...await stage.through(proxy, 'refused'), max: 1, cancelTimeoutMs: 60_000 });
    await pool.query('SELECT 1');
    proxy.admit = () => false; // from here on no second connection, and so no KILL
    await expect(pool.query('SELECT SLEEP(1)', [], { timeoutMs: 100 })).rejects.toBeInstanceOf(QueryTimeoutError);
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('sends no KILL to a server that is another one behind the same address', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    const options: MysqlConnectOptions = await stage.through(proxy, 'balanced');
    await using pool = createMysqlPool({ ...options, max: 1, cancelTimeoutMs: 60_000 });
    await pool.query('SELECT 1');
    await stage.watcher.query('SET GLOBAL server_id = 4711'); // as far as anybody can tell, this is not the server of before
    try {
      await expect(pool.query('SELECT SLEEP(1)', [], { timeoutMs: 100 })).rejects.toBeInstanceOf(QueryTimeoutError);
      await until('the connection to come back', () => pool.stats(), ({ idle, size }) => idle === 1 && size === 1);
      expect(proxy.passages.some(({ fromClient }) => carriesKill(fromClient))).toBe(false);
      expect(proxy.passages.length).toBeGreaterThan(1); // it did look
    } finally {
      await stage.watcher.query('SET GLOBAL server_id = 1');
    }
  });

  it('by the close of the pool is no late end of a lease', async () => {
    const pool = createMysqlPool({ ...await stage.options('closing'), max: 2 });
    const left = new AbortController();
    const running = [failureOf(pool.query('SELECT SLEEP(61)')), failureOf(pool.query('SELECT SLEEP(62)', [], { signal: left.signal }))];
    for (const text of ['SLEEP(61)', 'SLEEP(62)']) await stage.watcher.running('closing', text);
    const closed = pool.close({ deadlineMs: 1 });
    left.abort();
    await closed;
    await Promise.all(running);
    await until('nothing to be left', () => stage.watcher.count('closing'), (count) => count === 0);
    expect(pool.stats().totals.staleReleases).toBe(0);
  });

  it('is part of closing: a connection that is closed while its statement runs ends at the server', async () => {
    const pool = createMysqlPool({ ...await stage.options('closing'), max: 1 });
    const running = failureOf(pool.query('SELECT SLEEP(60)'));
    await stage.watcher.running('closing', 'SLEEP');
    const closed = await pool.close({ deadlineMs: 50 });
    expect(closed.abandoned).toHaveLength(1);
    expect(await running).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST' });
    await until('nothing to be left', () => stage.watcher.count('closing'), (count) => count === 0);
  });
});
