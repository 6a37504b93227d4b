// Servers that crash, freeze, are full, load, turn into replicas, or want a password that nobody has.

import { AcquireTimeoutError, CreateError } from 'millpond';
import { classify, CommandTimeoutError, createRedisPool, type RedisClient, type RedisPool } from 'millpond/redis';
import { expect, it } from 'vitest';
import { Observer, onRedisWithEach, startRedis, until } from '../support/redis.ts';

/** Of the wait, or of the command. */
const A_TIMEOUT: unknown = expect.stringMatching(/ERR_POOL_(COMMAND|ACQUIRE)_TIMEOUT/);

/** How many of its connections the pool knows to be gone. */
const lossesOf = (pool: RedisPool<RedisClient>): number => Object.values(pool.stats().totals.destroyed).reduce((sum, n) => sum + n, 0);

onRedisWithEach('outages', (stage, driver) => {
  const name = `outage-${driver.name.replace(' ', '-')}`;
  const poolOf = (options: object = {}, client: object = {}): RedisPool<RedisClient> => createRedisPool({
    client: () => driver.client({ port: stage.server.port, name, ...client }), max: 4, createRetry: { initialDelayMs: 10, maxDelayMs: 100 },
    ...options,
  });
  const call = driver.call.bind(driver);

  it('a crash fails what is in flight; all is well again by itself when the server is back', async () => {
    await using pool = poolOf({ min: 2 });
    await pool.ready();
    expect(await call(pool.shared, 'PING')).toBe('PONG');
    const waiting = pool.use((client) => call(client, 'BLPOP', 'nothing-comes', '0')).then(() => undefined, (error: unknown) => error);
    await until('its wait', () => stage.observer.clients(name), (all) => all.some((line) => line.includes('cmd=blpop')));
    stage.observer.close();
    const { created } = pool.stats().totals;
    await stage.server.kill();
    let early: Promise<unknown>;
    try {
      expect(await waiting).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST' });
      // The ends of the connections are read one after the other: a command on one whose end is not read yet would be lost with it.
      await until('the loss of the others', () => lossesOf(pool), (losses) => losses >= created);
      // Down: a command waits within its deadline, and is told why.
      const down = pool.run((shared) => call(shared, 'PING'), { timeoutMs: 200 }).then(() => undefined, (error: unknown) => error);
      const error = await down;
      expect(error instanceof AcquireTimeoutError || error instanceof CommandTimeoutError).toBe(true);
      early = call(pool.shared, 'PING'); // before it is back
    } finally {
      await stage.server.start(); // the other tests want it
    }
    expect(await early).toBe('PONG');
    await until('min', () => pool.stats(), ({ size, creating }) => size >= 2 && creating === 0);
    expect(await pool.use((client) => call(client, 'PING'))).toBe('PONG');
  });

  it('a frozen server ends calls at their deadlines, and nothing crosses when it thaws', async () => {
    await using pool = poolOf({ validateAfterIdleMs: 1_000_000 });
    await Promise.all([call(pool.shared, 'PING'), pool.use((client) => call(client, 'PING'))]);
    stage.server.pause();
    try {
      const calls = Array.from({ length: 5 }, (_, i) => pool.run((shared) => call(shared, 'ECHO', `frozen ${i}`), { timeoutMs: 80 }));
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: A_TIMEOUT } });
      }
      const own = pool.blocking((client) => call(client, 'ECHO', 'own'), { timeoutMs: 80 });
      await expect(own).rejects.toMatchObject({ code: A_TIMEOUT });
    } finally {
      stage.server.resume();
    }
    const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => call(pool.shared, 'ECHO', `thawed ${i}`)));
    expect(replies).toEqual(Array.from({ length: 20 }, (_, i) => `thawed ${i}`));
    expect(await pool.use((client) => call(client, 'ECHO', 'own'))).toBe('own');
  });

  it('a server that is full is waited for: transient', async () => {
    // This look at it, and one more.
    await stage.observer.ask('CONFIG', 'SET', 'maxclients', '2');
    const holder = new Observer(stage.server.port);
    await holder.ask('PING');
    await using pool = poolOf({ acquireTimeoutMs: 20_000 });
    let failures = 0;
    pool.on('createError', ({ error }) => {
      expect(classify(error)).toBe('transient');
      failures++;
    });
    const waiting = call(pool.shared, 'PING');
    await until('a refusal', () => failures, (n) => n > 0);
    holder.close();
    await stage.observer.ask('CONFIG', 'SET', 'maxclients', '1000');
    expect(await waiting).toBe('PONG');
  });

  it('wrong credentials are told at once, and not tried again; no message shows them', async () => {
    await stage.observer.ask('ACL', 'SETUSER', 'worker', 'on', '>right', '~*', '+@all', '-flushall');
    for (const wrong of [{ username: 'worker', password: 'WRONG-ONE' }, { username: 'nobody', password: 'WRONG-ONE' }]) {
      await using pool = poolOf({}, wrong);
      let failures = 0;
      pool.on('createError', () => void failures++);
      for (const attempt of [call(pool.shared, 'PING'), pool.use((client) => call(client, 'PING'))]) {
        const error: unknown = await attempt.then(() => undefined, (reason: unknown) => reason);
        expect(error).toBeInstanceOf(CreateError);
        expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('WRONGPASS') });
        expect((error as Error).message).not.toContain('WRONG-ONE');
      }
      expect(failures).toBeLessThanOrEqual(2);
    }
    await using right = poolOf({ max: 1 }, { username: 'worker', password: 'right', database: 3 });
    await expect(call(right.shared, 'FLUSHALL')).rejects.toThrow('NOPERM');
    // RESET forgets who we are, and it is said again.
    await right.use((client) => call(client, 'SELECT', '5'));
    expect(await right.use((client) => call(client, 'ACL', 'WHOAMI'))).toBe('worker');
    expect(String(await call(right.shared, 'CLIENT', 'INFO'))).toContain(' db=3 ');
    expect(right.stats().totals.created).toBe(1);
  });

  it('a server that wants a password says so at once', async () => {
    await stage.observer.ask('ACL', 'SETUSER', 'default', 'resetpass', '>secret');
    try {
      await using pool = poolOf();
      await expect(call(pool.shared, 'PING')).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false });
      await expect(call(pool.shared, 'PING')).rejects.toThrow(/NOAUTH/);
    } finally {
      await stage.observer.ask('ACL', 'SETUSER', 'default', 'nopass');
    }
  });

  it('after a failover every connection is replaced, whoever noticed', async () => {
    await using master = await startRedis();
    await using pool = poolOf({ min: 3, max: 3 });
    const told: unknown[] = [];
    await using watched = poolOf({ onFailover: (failover: unknown) => told.push(failover) });
    await pool.ready();
    await pool.use((client) => call(client, 'SET', 'k', '1'));
    await call(watched.shared, 'SET', 'k', '1');
    await stage.observer.ask('REPLICAOF', '127.0.0.1', String(master.port));
    try {
      await expect(pool.use((client) => call(client, 'SET', 'k', '2'))).rejects.toThrow('READONLY');
      await until('three others', () => pool.stats(), ({ totals, idle }) => totals.destroyed.evicted === 3 && idle === 3);
      await expect(call(watched.shared, 'SET', 'k', '2')).rejects.toThrow('READONLY');
      expect(told).toHaveLength(1);
      await until('another', () => watched.stats(), ({ totals }) => totals.destroyed.evicted === 1);
    } finally {
      await stage.observer.ask('REPLICAOF', 'NO', 'ONE');
    }
    expect(await call(watched.shared, 'SET', 'k', '3')).toBe('OK');
  });

  it('idle connections that have died are gone before anybody is lent one', async () => {
    await using pool = poolOf({ max: 3 });
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const lease of leases) lease.release();
    await stage.observer.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until('their end', () => pool.stats().size, (size) => size === 0);
    expect(await pool.use((client) => call(client, 'PING'))).toBe('PONG');
  });
});
