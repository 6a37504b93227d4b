// What callers of pg-pool touch, on clients without a server.

import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import DefaultPool, { Pool } from '@millpond/pg-pool';
import pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { failureOf, until } from '../../support/postgres.ts';
import { FakeClient } from './fake.ts';

type Options = ConstructorParameters<typeof Pool<FakeClient>>[0];
const make = (options: Options = {}): Pool<FakeClient> => new Pool<FakeClient>(options, FakeClient);

beforeEach(() => FakeClient.reset());

describe('the class', () => {
  it('is what pg derives its own from', () => {
    class BoundPool extends Pool<FakeClient> {
      constructor(options?: Options) {
        super(options, FakeClient);
      }
    }
    const pool = new BoundPool({ max: 3 });
    expect(pool).toBeInstanceOf(Pool);
    expect(pool.constructor.name).toContain('Pool');
    expect(pool.Client).toBe(FakeClient);
    expect(DefaultPool).toBe(Pool);
  });

  it('takes pg.Client when nobody says otherwise, and a class in the options before all', () => {
    expect(new Pool().Client).toBe(pg.Client);
    class Other extends FakeClient {}
    expect(make({ Client: Other }).Client).toBe(Other);
  });

  it('has a version that instrumentation of pg-pool accepts', () => {
    const { version } = createRequire(import.meta.url)('@millpond/pg-pool/package.json') as { readonly version: string };
    expect(Number(version.split('.')[0])).toBeGreaterThanOrEqual(2);
    expect(Number(version.split('.')[0])).toBeLessThan(4);
  });
});

describe('options', () => {
  it('have the defaults of pg-pool, and leave what was given as it was', () => {
    const given = { host: 'here' };
    const { options } = make(given);
    expect(options).toMatchObject({
      host: 'here', max: 10, min: 0, maxUses: Infinity, idleTimeoutMillis: 10_000, maxLifetimeSeconds: 0, allowExitOnIdle: false,
    });
    expect(given).toEqual({ host: 'here' });
    expect(make({ poolSize: 7 }).options.max).toBe(7);
    expect(make({ max: 3, poolSize: 7 }).options.max).toBe(3);
  });

  it('do not show secrets, and still have them', () => {
    const pool = make({ password: 'secret', ssl: { key: 'private', ca: 'public' } });
    expect(JSON.stringify(pool.options)).not.toMatch(/secret|private/);
    expect(pool.options['password']).toBe('secret');
    expect((pool.options['ssl'] as { key: string }).key).toBe('private');
  });

  it('keep a key that was hidden before', () => {
    const ssl = { key: 'private' };
    make({ ssl });
    expect((make({ ssl }).options['ssl'] as { key: string }).key).toBe('private');
  });

  it('may be texts, as the environment has them', async () => {
    const pool = make({ max: '1', idleTimeoutMillis: '50', connectionTimeoutMillis: '20' } as unknown as Options);
    FakeClient.onConnect = (_, callback) => callback();
    const client = await pool.connect({ timeoutMs: 60_000 });
    expect((await failureOf(pool.connect()))?.message).toBe('timeout exceeded when trying to connect');
    client.release();
    await pool.end();
  });

  it('that nothing can be made of are refused by name, without their value', () => {
    expect(() => make({ max: 'secret' as unknown as number })).toThrow(expect.objectContaining({
      code: 'ERR_POOL_INVALID_OPTION', option: 'max', message: 'max must be a number',
    }));
    expect(() => make({ max: -1 })).toThrow('max must be at least 1');
    expect(() => make({ millpond: { reset: 'all' as 'none' } })).toThrow("millpond.reset");
    expect(() => make({ millpond: { max: 3 } as object })).toThrow('millpond.max is said beside millpond');
    expect(() => make({ millpond: { acquireTimeout: 3 } as object })).toThrow('did you mean acquireTimeoutMs?');
  });

  it('go to each client as they are', async () => {
    const pool = make({ database: 'd' });
    await pool.query('x');
    expect(FakeClient.all[0]!.config).toBe(pool.options);
    await pool.end();
  });

  it('may change the size while the pool runs', async () => {
    const pool = make({ max: 1 });
    const first = await pool.connect();
    pool.options.max = 2;
    const second = await pool.connect();
    expect(second).not.toBe(first);
    first.release();
    second.release();
    await pool.end();
  });
});

describe('connect', () => {
  it('lends the same client again, the last one that came back first', async () => {
    const pool = make();
    const [a, b] = [await pool.connect(), await pool.connect()];
    a.release();
    b.release();
    expect(await pool.connect()).toBe(b);
    expect(await pool.connect()).toBe(a);
    expect(pool.totalCount).toBe(2);
  });

  it('never calls back before it has returned', async () => {
    const pool = make();
    (await pool.connect()).release();
    let called = false;
    const done = new Promise<void>((resolve) => {
      expect(pool.connect((error, client, release) => {
        called = true;
        expect([error, client, typeof release]).toEqual([undefined, FakeClient.all[0], 'function']);
        release();
        resolve();
      })).toBeUndefined();
    });
    expect(called).toBe(false);
    await done;
  });

  it('serves callers in the order in which they came', async () => {
    const pool = make({ max: 1 });
    const client = await pool.connect();
    const order: number[] = [];
    const all = [1, 2, 3].map((n) => pool.connect().then((next) => {
      order.push(n);
      next.release();
    }));
    expect([pool.waitingCount, pool._pendingQueue.length]).toEqual([3, 3]);
    client.release();
    await Promise.all(all);
    expect(order).toEqual([1, 2, 3]);
    expect(pool.waitingCount).toBe(0);
  });

  it('fails with the very error of the connect, and calls back with a third argument that does nothing', async () => {
    const error = new Error('no route');
    FakeClient.onConnect = (_, callback) => process.nextTick(callback, error);
    const pool = make();
    expect(await failureOf(pool.connect())).toBe(error);
    await new Promise<void>((resolve) => {
      pool.connect((said, client, done) => {
        expect([said, client]).toEqual([error, undefined]);
        done();
        resolve();
      });
    });
    expect(pool.totalCount).toBe(0);
  });

  it('fails the caller whose connect it was, and goes on with the next', async () => {
    let attempt = 0;
    FakeClient.onConnect = (_, callback) => process.nextTick(callback, ++attempt === 1 ? new Error('once') : null);
    const pool = make({ max: 1 });
    const [first, second] = await Promise.allSettled([pool.connect(), pool.connect()]);
    expect(first).toMatchObject({ status: 'rejected', reason: { message: 'once' } });
    expect(second.status).toBe('fulfilled');
  });

  it('does not fail somebody who came later than the connect that failed', async () => {
    const connects: ((error?: unknown) => void)[] = [];
    FakeClient.onConnect = (_, callback) => void connects.push(callback);
    const pool = make({ max: 1 });
    const first = pool.connect({ timeoutMs: 5 });
    expect((await failureOf(first))?.message).toBe('timeout exceeded when trying to connect');
    const second = pool.connect();
    connects[0]!(new Error('late failure'));
    await until('the second to have a connect of its own', () => connects.length, (count) => count === 2);
    connects[1]!();
    (await second).release();
    await pool.end();
  });

  it('passes on what a constructor of a client throws as a rejection', async () => {
    class Refusing extends FakeClient {
      constructor() {
        super();
        throw new Error('bad connection string');
      }
    }
    const pool = make({ Client: Refusing });
    expect((await failureOf(pool.connect()))?.message).toBe('bad connection string');
  });

  it('has the promises that were asked for', async () => {
    class Own<T> extends Promise<T> {}
    const pool = make({ Promise: Own });
    const connecting = pool.connect();
    expect(connecting).toBeInstanceOf(Own);
    (await connecting).release();
    expect(pool.query('x')).toBeInstanceOf(Own);
    const ended = pool.end();
    expect(ended).toBeInstanceOf(Own);
    await ended;
    const again = pool.connect();
    expect(again).toBeInstanceOf(Own);
    await failureOf(again);
  });

  it('takes a signal and a deadline of its own (fault 19)', async () => {
    const pool = make({ max: 1 });
    const client = await pool.connect();
    const controller = new AbortController();
    const waiting = pool.connect({ signal: controller.signal });
    controller.abort(new Error('not needed'));
    expect((await failureOf(waiting))?.message).toBe('not needed');
    const failure = await failureOf(pool.connect({ timeoutMs: 5 }));
    expect(failure).toMatchObject({ message: 'timeout exceeded when trying to connect', code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
    expect(failure).toHaveProperty('cause.message', expect.stringContaining('1 borrowed'));
    client.release();
    await pool.end();
  });

  it('gives up a connect that takes longer than connectionTimeoutMillis, and closes it when it comes after all (fault 18)', async () => {
    let late: (() => void) | undefined;
    FakeClient.onConnect = (_, callback) => { late = callback; };
    const pool = make({ connectionTimeoutMillis: 5, max: 1 });
    const failure = await failureOf(pool.connect());
    expect(failure).toMatchObject({ message: 'Connection terminated due to connection timeout', code: 'ERR_POOL_CREATE_TIMEOUT' });
    expect([pool.totalCount, pool.idleCount]).toEqual([0, 0]);
    const [client] = FakeClient.all;
    expect(client!.connection.stream.destroyed).toBe(true);
    late!();
    await until('it to be closed', () => client!.closed, Boolean);
    expect(pool.totalCount).toBe(0);
    await pool.end();
  });

  it('tells each of several whose connects take too long of its connect, and none that it waited for too long', async () => {
    FakeClient.onConnect = () => {};
    const pool = make({ connectionTimeoutMillis: 5, max: 4 });
    const failures = await Promise.all([1, 2, 3, 4].map(() => failureOf(pool.connect())));
    expect(failures.map((failure) => failure?.message)).toEqual(Array(4).fill('Connection terminated due to connection timeout'));
    expect(pool.totalCount).toBe(0);
    await pool.end();
  });

  it('runs verify and onConnect once for each new client', async () => {
    const calls: string[] = [];
    const pool = make({
      onConnect: async () => { calls.push('onConnect'); },
      verify: (_, done) => {
        calls.push('verify');
        done();
      },
    });
    pool.on('connect', () => void calls.push('connect'));
    pool.on('acquire', () => void calls.push('acquire'));
    (await pool.connect()).release();
    (await pool.connect()).release();
    expect(calls).toEqual(['onConnect', 'connect', 'acquire', 'verify', 'acquire']);
    await pool.end();
  });

  it.each([
    ['verify says no', { verify: (_: unknown, done: (error?: Error) => void) => done(new Error('unfit')) }],
    ['verify throws', { verify: () => { throw new Error('unfit'); } }],
    ['onConnect rejects', { onConnect: () => Promise.reject(new Error('unfit')) }],
    ['onConnect throws', { onConnect: () => { throw new Error('unfit'); } }],
  ])('closes a client when %s, and tells the caller', async (_, options) => {
    const pool = make({ ...options, max: 1 });
    expect((await failureOf(pool.connect()))?.message).toBe('unfit');
    expect((await failureOf(pool.connect()))?.message).toBe('unfit');
    await pool.end();
    expect(FakeClient.all).toHaveLength(2);
    expect(FakeClient.open()).toEqual([]);
  });

  it('calls back in the async context of the caller, not of who released (fault 13)', async () => {
    const storage = new AsyncLocalStorage<string>();
    const pool = make({ max: 1 });
    const client = await storage.run('holder', () => pool.connect());
    const seen: (string | undefined)[] = [];
    const waiting = [
      storage.run('promise', () => pool.connect().then((next) => {
        seen.push(storage.getStore());
        next.release();
      })),
      storage.run('callback', () => new Promise<void>((resolve) => {
        pool.connect((_, __, done) => {
          seen.push(storage.getStore());
          done();
          resolve();
        });
      })),
      storage.run('query', () => new Promise<void>((resolve) => {
        pool.query('x', () => {
          seen.push(storage.getStore());
          resolve();
        });
      })),
    ];
    storage.run('releaser', () => client.release());
    await Promise.all(waiting);
    expect(seen).toEqual(['promise', 'callback', 'query']);
  });

  it('connects in the context of who asked for it', async () => {
    const storage = new AsyncLocalStorage<string>();
    let seen: string | undefined;
    FakeClient.onConnect = (_, callback) => {
      seen = storage.getStore();
      process.nextTick(callback);
    };
    const pool = make();
    await storage.run('asker', () => pool.query('x'));
    expect(seen).toBe('asker');
  });
});

describe('max and min', () => {
  it('max holds while clients close (fault 7)', async () => {
    FakeClient.holdEnds = true;
    const pool = make({ max: 1 });
    (await pool.connect()).release(true);
    const next = pool.connect();
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(FakeClient.all).toHaveLength(1);
    expect(pool.totalCount).toBe(0);
    FakeClient.all[0]!.finishEnd();
    await next;
    expect(FakeClient.all).toHaveLength(2);
  });

  it('min is a floor for idleness, and nothing is opened for it (fault 8)', async () => {
    const pool = make({ min: 1, idleTimeoutMillis: 5 });
    expect(FakeClient.all).toHaveLength(0);
    const clients = [await pool.connect(), await pool.connect(), await pool.connect()];
    for (const client of clients) client.release();
    await until('two of three to go', () => pool.totalCount, (count) => count === 1);
    await until('the two to be closed', () => FakeClient.open().length, (count) => count === 1);
    expect(pool.idleCount).toBe(1);
    await pool.end();
  });

  it('with millpond min is filled, and filled again', async () => {
    const pool = make({ min: 2, millpond: true });
    await until('two to be there', () => pool.idleCount, (count) => count === 2);
    FakeClient.all[0]!.die();
    await until('two to be there again', () => pool.idleCount, (count) => count === 2 && FakeClient.all.length === 3);
    await pool.end();
  });

  it('as many connects run at once as are asked for; with millpond, two (fault 9)', async () => {
    const connects: (() => void)[] = [];
    FakeClient.onConnect = (_, callback) => void connects.push(callback);
    const plain = make({ max: 20 });
    const clients = Array.from({ length: 20 }, () => plain.connect());
    expect(connects).toHaveLength(20);
    expect(plain.waitingCount).toBe(0);
    for (const connect of connects) connect();
    await Promise.all(clients);
    connects.length = 0;
    const better = make({ max: 20, millpond: true });
    const others = Array.from({ length: 20 }, () => better.connect());
    for (let begun = 2; begun <= 20; begun += 2) {
      await until('two more to begin', () => connects.length, (count) => count === begun);
      for (const connect of connects.slice(begun - 2)) connect();
    }
    await Promise.all(others);
    expect(connects).toHaveLength(20);
  });

  it('maxUses closes at once and says so in the log', async () => {
    const log: unknown[] = [];
    const pool = make({ maxUses: 2, log: (...words) => void log.push(words[0]) });
    (await pool.connect()).release();
    const client = await pool.connect();
    client.release();
    expect(client._ending).toBe(true);
    expect(client._poolUseCount).toBe(2);
    expect(log).toContain('remove expended client');
    expect([pool.totalCount, pool.idleCount]).toEqual([0, 0]);
    await pool.end();
  });

  it('maxLifetimeSeconds counts what is lent past its time, and closes it when it comes back', async () => {
    const pool = make({ maxLifetimeSeconds: 0.02 });
    const client = await pool.connect();
    await until('it to expire', () => pool.expiredCount, (count) => count === 1);
    expect(pool.totalCount).toBe(1);
    client.release();
    expect([pool.totalCount, pool.expiredCount]).toEqual([0, 0]);
    await pool.end();
  });

  it('allowExitOnIdle lets idle clients not count for the process', async () => {
    const pool = make({ allowExitOnIdle: true });
    const client = await pool.connect();
    expect(client.referenced).toBe(true);
    client.release();
    expect(client.referenced).toBe(false);
    await pool.connect();
    expect(client.referenced).toBe(true);
  });
});
