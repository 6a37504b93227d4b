// Releases, events, errors and the end, on clients without a server.

import { Pool } from '@millpond/pg-pool';
import { beforeEach, describe, expect, it } from 'vitest';
import { failureOf, until } from '../../support/postgres.ts';
import { FakeClient } from './fake.ts';

type Options = ConstructorParameters<typeof Pool<FakeClient>>[0];
const make = (options: Options = {}): Pool<FakeClient> => new Pool<FakeClient>(options, FakeClient);
const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

beforeEach(() => FakeClient.reset());

describe('release', () => {
  it('a second one throws, by the method and by the callback', async () => {
    const pool = make();
    const client = await pool.connect();
    client.release();
    for (let i = 0; i < 2; i++) {
      expect(() => client.release()).toThrow('Release called on client which has already been released to the pool.');
    }
    await new Promise<void>((resolve) => {
      pool.connect((_, __, done) => {
        done();
        expect(() => done()).toThrow('Release called on client which has already been released to the pool.');
        resolve();
      });
    });
    expect(pool.millpond.stats().totals.staleReleases).toBe(3);
  });

  it('by an old callback does not touch who has the client now (fault 1)', async () => {
    const pool = make({ max: 1 });
    const done = await new Promise<() => void>((resolve) => {
      pool.connect((_, __, release) => {
        release();
        resolve(release);
      });
    });
    const mine = await pool.connect();
    expect(() => done()).toThrow('already been released');
    expect(pool.idleCount).toBe(0);
    mine.release();
    expect(pool.idleCount).toBe(1);
  });

  it('with millpond, by an old borrower in any way, is counted and does no harm (fault 1)', async () => {
    const pool = make({ max: 1, millpond: true });
    const old = await pool.connect();
    old.release();
    const mine = await pool.connect();
    expect(mine).not.toBe(old);
    expect(mine).toBeInstanceOf(FakeClient);
    old.release();
    expect(pool.millpond.stats()).toMatchObject({ borrowed: 1, totals: { staleReleases: 1 } });
    expect(() => old.query('x')).toThrow(expect.objectContaining({ code: 'ERR_POOL_LEASE_ENDED' }));
    await mine.query('x');
    mine.release();
    expect(pool.idleCount).toBe(1);
    await pool.end();
  });

  it('with millpond can be wrapped by its borrower, who is then told', async () => {
    const pool = make({ millpond: true });
    const client = await pool.connect();
    const { release } = client;
    let told = false;
    client.release = () => {
      told = true;
      release();
    };
    client.release();
    expect(told).toBe(true);
    expect(pool.idleCount).toBe(1);
    const next = await pool.connect();
    expect(next.release).not.toBe(client.release);
  });

  it('with millpond and handles off lends one and the same object', async () => {
    const pool = make({ millpond: { handles: false } });
    const client = await pool.connect();
    client.release();
    client.release();
    expect(await pool.connect()).toBe(client);
  });

  it('ends a block that uses the client', async () => {
    const pool = make();
    {
      using client = await pool.connect();
      expect(client).toBe(FakeClient.all[0]);
      expect(pool.idleCount).toBe(0);
    }
    expect(pool.idleCount).toBe(1);
  });

  it('of what cannot be queried any more closes it', async () => {
    const pool = make();
    for (const spoil of [(client: FakeClient) => { client._queryable = false; }, (client: FakeClient) => { client._ending = true; }]) {
      const client = await pool.connect();
      spoil(client);
      client.release();
      expect(pool.totalCount).toBe(0);
    }
    await pool.end();
  });

  it('with a statement still running keeps the client from the next one until that has ended (fault 14)', async () => {
    const pool = make({ max: 1 });
    const client = await pool.connect();
    client._activeQuery = {};
    client.release();
    const next = pool.connect();
    await turn();
    expect([pool.waitingCount, pool.totalCount]).toEqual([1, 1]);
    client._activeQuery = null;
    client.emit('drain');
    expect(await next).toBe(client);
  });

  it('with a statement still running is over for its borrower, and does not hold up the end of the pool', async () => {
    const pool = make({ max: 1 });
    const client = await pool.connect();
    client._activeQuery = {};
    client.release();
    expect(() => client.release()).toThrow('already been released');
    await pool.end();
    expect(client.closed).toBe(true);
  });

  it('with a statement still running closes the client with millpond (fault 14)', async () => {
    const pool = make({ max: 1, millpond: true });
    const client = await pool.connect();
    FakeClient.all[0]!._activeQuery = {};
    client.release();
    (await pool.connect()).release();
    expect(FakeClient.all.map(({ closed }) => closed)).toEqual([true, false]);
    await pool.end();
  });
});

describe('events', () => {
  it('come in the order of pg-pool, with its arguments', async () => {
    const pool = make({ max: 1 });
    const seen: unknown[][] = [];
    for (const name of ['connect', 'acquire', 'remove']) pool.on(name, (...args) => void seen.push([name, ...args]));
    pool.on('release', (...args) => void seen.push(['release', ...args]));
    const client = await pool.connect();
    client.release();
    await pool.connect();
    const error = new Error('mine');
    client.release(error);
    await until('remove', () => seen.length, (count) => count === 6);
    expect(seen).toEqual([
      ['connect', client], ['acquire', client], ['release', undefined, client], ['acquire', client], ['release', error, client],
      ['remove', client],
    ]);
  });

  it('tell of a statement of the pool what the client told of it', async () => {
    const pool = make({ max: 1 });
    const seen: unknown[] = [];
    pool.on('release', (error: unknown) => void seen.push(error));
    await pool.query('good');
    const error = await failureOf(pool.query('bad'));
    expect(seen).toEqual([null, error]);
  });

  it('of a client that is not there yet say nothing', async () => {
    FakeClient.onConnect = (_, callback) => process.nextTick(callback, new Error('bad news'));
    const pool = make();
    pool.on('connect', () => { throw new Error('should not be told'); });
    pool.on('remove', () => { throw new Error('should not be told'); });
    expect((await failureOf(pool.connect()))?.message).toBe('bad news');
  });

  it('let a listener query on the client before its borrower does', async () => {
    const pool = make();
    pool.on('connect', (client) => void client.query('SET x'));
    await pool.query('mine');
    expect(FakeClient.all[0]!.statements).toEqual(['SET x', 'mine']);
  });

  it('throw what a listener throws by itself, and lose no client by it', async () => {
    const pool = make({ max: 1 });
    const thrown: unknown[] = [];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => void thrown.push(error));
    try {
      const error = new Error('a listener');
      for (const name of ['connect', 'acquire', 'release']) pool.on(name, () => { throw error; });
      (await pool.connect()).release();
      (await pool.connect()).release();
      expect(pool.idleCount).toBe(1);
      await until('all that was thrown', () => thrown.length, (count) => count === 5);
      expect(new Set(thrown)).toEqual(new Set([error]));
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    }
  });
});

describe('a client that fails (fault 6)', () => {
  it('while idle is removed and told of as the error of the pool', async () => {
    const pool = make();
    const client = await pool.connect();
    client.release();
    const told: unknown[][] = [];
    pool.on('error', (...args) => void told.push(args));
    const error = new Error('gone') as Error & { client?: unknown };
    client.die(error);
    expect([pool.totalCount, pool.idleCount]).toEqual([0, 0]);
    client.emit('error', new Error('once more'));
    expect(told).toEqual([[error, client]]);
    expect(error.client).toBe(client);
    await pool.end();
  });

  it('while idle, with nobody listening, is a warning of the process and no more', async () => {
    const pool = make();
    const client = await pool.connect();
    client.release();
    const warned = new Promise<Error & { code?: string }>((resolve) => { process.once('warning', resolve); });
    client.die();
    expect(await warned).toMatchObject({ code: 'MILLPOND_POOL_ERROR' });
    expect(pool.listenerCount('error')).toBe(0);
    await pool.query('x');
    await pool.end();
  });

  it('while it is lent is the borrower\'s, and is closed when it comes back', async () => {
    const pool = make();
    const errors: unknown[] = [];
    pool.on('error', (error) => void errors.push(error));
    const client = await pool.connect();
    client.die();
    expect([errors.length, pool.totalCount]).toEqual([0, 1]);
    client.release();
    expect(pool.totalCount).toBe(0);
    await pool.end();
  });

  it('while others wait makes room for them', async () => {
    const pool = make({ max: 1 });
    pool.on('error', () => {});
    const client = await pool.connect();
    client.release();
    client.die();
    expect(await pool.connect()).not.toBe(client);
  });
});

describe('query', () => {
  it('takes every form, and says which it does not take', async () => {
    const pool = make();
    expect(await pool.query('x', [1])).toEqual({ rows: [{ text: 'x', values: [1] }] });
    expect(await new Promise((resolve) => { pool.query('x', (_, result) => resolve(result)); })).toEqual({
      rows: [{ text: 'x', values: undefined }],
    });
    const result = new Promise((resolve) => { expect(pool.query('x', [2], (_, rows) => resolve(rows))).toBeUndefined(); });
    expect(await result).toEqual({ rows: [{ text: 'x', values: [2] }] });
    const refused = await new Promise<Error>((resolve) => { (pool.query as unknown as (cb: (error: Error) => void) => void)(resolve); });
    expect(refused.message).toBe('Passing a function as the first parameter to pool.query is not supported');
    expect((await failureOf(pool.query(null as unknown as string)))?.message).toContain('null');
    await pool.end();
  });

  it('closes its client when the statement fails, as pg-pool does; with millpond it keeps it (fault 3)', async () => {
    const plain = make();
    expect((await failureOf(plain.query('bad')))?.message).toBe('syntax');
    expect(plain.totalCount).toBe(0);
    const better = make({ millpond: true });
    for (let i = 0; i < 3; i++) expect((await failureOf(better.query('bad')))?.message).toBe('syntax');
    expect([better.totalCount, better.idleCount, FakeClient.all.length]).toEqual([1, 1, 2]);
  });

  it('closes its client with millpond too, when the error is not the server\'s', async () => {
    const pool = make({ millpond: true });
    await pool.query('x');
    FakeClient.all[0]!.failWith = new Error('Query read timeout');
    expect((await failureOf(pool.query('x')))?.message).toBe('Query read timeout');
    expect(pool.totalCount).toBe(0);
  });

  it('goes by way of a connect() that somebody has put in place of the pool\'s', async () => {
    const pool = make();
    let traced = 0;
    const own = pool.connect.bind(pool) as (callback: unknown) => void;
    pool.connect = ((callback: unknown) => {
      traced++;
      own(callback);
    }) as typeof pool.connect;
    await pool.query('x');
    expect(traced).toBe(1);
    await pool.end();
  });

  it('gives a query object\'s client back when the server is through with it', async () => {
    const pool = make({ max: 1 });
    (await pool.connect()).release();
    const [client] = FakeClient.all;
    client!.query = () => undefined; // as with a cursor: nobody is called back
    const running = pool.query({ submit: () => {} } as never) as unknown as Promise<void>;
    expect(pool.idleCount).toBe(0);
    client!.emit('drain');
    await running;
    expect(pool.idleCount).toBe(1);
  });
});

describe('with millpond, the session (fault 4)', () => {
  it.each([
    ['rollback', 'T', ['ROLLBACK']], ['rollback', 'I', []], ['none', 'T', []],
    ['discard', 'I', ['DISCARD ALL']], ['discard', 'E', ['ROLLBACK', 'DISCARD ALL']],
  ] as const)('%s: a client that comes back as %s', async (reset, status, sent) => {
    const pool = make({ millpond: { reset } });
    const client = await pool.connect();
    FakeClient.all[0]!.status = status;
    client.release();
    await until('it to be idle', () => pool.idleCount, (count) => count === 1);
    expect(FakeClient.all[0]!.statements).toEqual(sent);
  });

  it('stays as it is without millpond', async () => {
    const pool = make();
    const client = await pool.connect();
    client.status = 'T';
    client.release();
    expect([client.statements, pool.idleCount]).toEqual([[], 1]);
  });
});

describe('end', () => {
  it('closes what is idle, waits for what is lent, and refuses what comes after', async () => {
    const pool = make();
    const [a, b] = [await pool.connect(), await pool.connect()];
    a.release();
    const ended = pool.end();
    expect(pool.ending).toBe(true);
    expect((await failureOf(pool.connect()))?.message).toBe('Cannot use a pool after calling end on the pool');
    expect((await failureOf(pool.query('x')))?.message).toBe('Cannot use a pool after calling end on the pool');
    expect((await failureOf(pool.end()))?.message).toBe('Called end on pool more than once');
    await turn();
    expect([pool.ended, FakeClient.open()]).toEqual([false, [b]]);
    b.release();
    await ended;
    expect([pool.ended, pool.totalCount, FakeClient.open()]).toEqual([true, 0, []]);
  });

  it('calls back, and tells by callback too what it refuses', async () => {
    const pool = make();
    await new Promise<void>((resolve) => { expect(pool.end(() => resolve())).toBeUndefined(); });
    for (const ask of [
      (tell: (error?: Error) => void) => pool.connect(tell),
      (tell: (error?: Error) => void) => pool.query('x', tell),
      (tell: (error?: Error) => void) => pool.end(tell),
    ]) expect(await new Promise((resolve) => { ask(resolve); })).toMatchObject({ code: 'ERR_POOL_CLOSED' });
  });

  it('tells those who wait at once (fault 2)', async () => {
    const pool = make({ max: 1 });
    const client = await pool.connect();
    const waiting = [failureOf(pool.connect()), failureOf(pool.query('x'))];
    const ended = pool.end();
    for (const failure of await Promise.all(waiting)) expect(failure?.message).toBe('Cannot use a pool after calling end on the pool');
    client.release();
    await ended;
  });

  it('lets those finish whose connect is under way', async () => {
    const connects: (() => void)[] = [];
    FakeClient.onConnect = (_, callback) => void connects.push(callback);
    const pool = make({ max: 1 });
    const [served, queued] = [pool.query('x'), failureOf(pool.query('y'))];
    const ended = pool.end();
    expect((await queued)?.message).toBe('Cannot use a pool after calling end on the pool');
    connects[0]!();
    expect(await served).toEqual({ rows: [{ text: 'x' }] });
    await ended;
    expect(FakeClient.open()).toEqual([]);
  });

  it('waits for ever for a client that does not come back; with millpond, until its deadline (fault 12)', async () => {
    const plain = make();
    const kept = await plain.connect();
    let ended = false;
    const ending = plain.end().then(() => { ended = true; });
    await turn();
    expect(ended).toBe(false);
    kept.release();
    await ending;
    const better = make({ millpond: { endDeadlineMs: 5 } });
    const lost = await better.connect();
    await better.end();
    expect([better.ended, FakeClient.open()]).toEqual([true, []]);
    lost.release(); // too late, and no harm
  });

  it('does not wait for a client whose close never answers', async () => {
    FakeClient.holdEnds = true;
    const pool = make({ millpond: { destroyTimeoutMs: 5 } });
    const removed = new Promise((resolve) => { pool.on('remove', resolve); });
    (await pool.connect()).release();
    await pool.end();
    expect(await removed).toBe(FakeClient.all[0]);
    expect(FakeClient.all[0]!.connection.stream.destroyed).toBe(true);
  });

  it('is what the end of a block does', async () => {
    let pool: Pool<FakeClient>;
    {
      await using scoped = make();
      pool = scoped;
      await pool.query('x');
    }
    expect(pool.ended).toBe(true);
  });
});
