// Commands that wait at the server, on connections of their own, and callers who do not want to wait any longer.

import { AcquireTimeoutError } from 'millpond';
import { CommandTimeoutError, createRedisPool, type RedisClient, type RedisPool } from 'millpond/redis';
import { expect, it } from 'vitest';
import { onRedisWithEach, until } from '../support/redis.ts';

onRedisWithEach('blocking commands', (stage, driver) => {
  const name = `blocking-${driver.name.replace(' ', '-')}`;
  const poolOf = (options: object = {}): RedisPool<RedisClient> =>
    createRedisPool({ client: () => driver.client({ port: stage.server.port, name }), max: 3, ...options });
  const call = driver.call.bind(driver);
  const blocked = (n: number): Promise<unknown> =>
    until(`${n} that wait`, () => stage.observer.clients(name),
      (all) => all.filter((line) => / flags=\S*b/.test(line)).length === n);

  it('wait without holding up anybody, and have what they waited for', async () => {
    await using pool = poolOf();
    const key = `q-${name}`;
    const waiting = pool.blocking((client) => call(client, 'BLPOP', key, '0'));
    await blocked(1);
    expect(await call(pool.shared, 'RPUSH', key, 'item')).toBe(1);
    expect(await waiting).toEqual([key, 'item']);
    expect(await stage.observer.count(name)).toBe(2);
  });

  it('end at the server when the signal aborts, and the connection goes back', async () => {
    await using pool = poolOf();
    const abort = new AbortController();
    const waiting = pool.blocking((client) => call(client, 'BLPOP', 'nothing-comes', '0'), { signal: abort.signal });
    const told = waiting.then(() => undefined, (error: unknown) => error);
    await blocked(1);
    abort.abort();
    expect(await told).toBe(abort.signal.reason);
    await blocked(0);
    await until('its return', () => pool.stats(), ({ borrowed, resetting }) => borrowed === 0 && resetting === 0);
    expect(Object.values(pool.stats().totals.destroyed).every((n) => n === 0)).toBe(true);
    expect(pool.stats().totals.created).toBe(2); // itself, and the one over which the server was asked
  });

  it('end with their deadline, also in the middle of a loop that goes on', async () => {
    await using pool = poolOf();
    let rounds = 0;
    const waiting = pool.blocking(async (client) => {
      for (;;) {
        rounds++;
        await call(client, 'BLPOP', 'nothing-comes', '0.01');
      }
    }, { timeoutMs: 150 });
    await expect(waiting).rejects.toThrow(CommandTimeoutError);
    expect(rounds).toBeGreaterThan(0);
  });

  it('that come to an end in the moment of the abort lose nothing', async () => {
    await using pool = poolOf({ max: 2 });
    const key = `moment-${name}`;
    await call(pool.shared, 'PING');
    let taken = 0;
    for (let i = 0; i < 10; i++) {
      const abort = new AbortController();
      const waiting = pool.blocking((client) => call(client, 'BLPOP', key, '0'), { signal: abort.signal });
      await blocked(1);
      const pushed = call(pool.shared, 'RPUSH', key, String(i));
      abort.abort();
      const outcome = await waiting.then(() => 'taken', () => 'left');
      await pushed;
      const left = await stage.observer.ask('LLEN', key);
      expect(outcome === 'taken' ? left : Number(left) - 1).toBe(0);
      if (outcome === 'taken') taken++;
      else await stage.observer.ask('DEL', key);
    }
    expect(taken).toBeGreaterThan(0); // the push was on its way first
  });

  it('that the server may not end cost the connection', async () => {
    await using pool = poolOf({ max: 1, cancelTimeoutMs: 150 }); // no other connection to ask over
    const abort = new AbortController();
    const waiting = pool.blocking((client) => call(client, 'BLPOP', 'nothing-comes', '0'), { signal: abort.signal });
    const told = waiting.then(() => undefined, (error: unknown) => error);
    await blocked(1);
    abort.abort();
    expect(await told).toBe(abort.signal.reason);
    await blocked(0);
    expect(await pool.use((client) => call(client, 'PING'))).toBe('PONG');
    expect(pool.stats().totals.destroyed.leaseDestroyed).toBe(1);
  });

  it('a function that does not return loses its connection', async () => {
    await using pool = poolOf({ cancelTimeoutMs: 100 });
    const abort = new AbortController();
    const never = pool.blocking(() => new Promise<void>(() => undefined), { signal: abort.signal });
    const told = never.then(() => undefined, (error: unknown) => error);
    await until('its lease', () => pool.stats().borrowed, (borrowed) => borrowed > 0);
    abort.abort();
    expect(await told).toBe(abort.signal.reason);
    await until('its end', () => pool.stats().totals.destroyed.leaseDestroyed, (n) => n === 1);
  });

  it('a borrower who comes next is not woken by a request that was meant for the last', async () => {
    await using pool = poolOf({ max: 2 });
    const key = `woken-${name}`;
    for (let i = 0; i < 5; i++) {
      const abort = new AbortController();
      const first = pool.blocking((client) => call(client, 'BLPOP', 'nothing-comes', '0'), { signal: abort.signal });
      const told = first.then(() => undefined, (error: unknown) => error);
      await blocked(1);
      abort.abort();
      expect(await told).toBe(abort.signal.reason);
      const next = pool.blocking((client) => call(client, 'BLPOP', key, '0'));
      await blocked(1);
      await stage.observer.ask('RPUSH', key, String(i));
      expect(await next).toEqual([key, String(i)]);
    }
  });

  it('wait for a connection within their deadline', async () => {
    await using pool = poolOf({ max: 1 });
    await using _lease = await pool.acquire();
    await expect(pool.blocking((client) => call(client, 'PING'), { timeoutMs: 50 })).rejects.toThrow(AcquireTimeoutError);
  });
});
