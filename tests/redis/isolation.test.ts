// What the last borrower did never reaches the next one, whichever way it was done; and when nothing was done, nothing is sent.

import { createRedisPool, ConnectionLostError, type RedisClient, type RedisPool } from 'millpond/redis';
import { expect, it } from 'vitest';
import { onRedisWithEach, until } from '../support/redis.ts';

onRedisWithEach('isolation', (stage, driver) => {
  const name = `isolation-${driver.name.replace(' ', '-')}`;
  const poolOf = (options: object = {}): RedisPool<RedisClient> =>
    createRedisPool({ client: () => driver.client({ port: stage.server.port, name, database: 2 }), max: 1, ...options });
  const call = driver.call.bind(driver);
  const idOf = (client: RedisClient): Promise<unknown> => call(client, 'CLIENT', 'ID');

  const what: Record<string, (client: RedisClient) => Promise<unknown>> = {
    'SELECT': (client) => call(client, 'SELECT', '7'),
    'a SELECT whose way back was discarded': async (client) => {
      for (const words of [['SELECT', '7'], ['MULTI'], ['SELECT', '2'], ['DISCARD']]) await call(client, ...words);
    },
    'an open MULTI': (client) => call(client, 'MULTI'),
    'an open MULTI with commands': async (client) => {
      await call(client, 'multi');
      await call(client, 'SET', 'in-multi', '1');
    },
    'WATCH': (client) => call(client, 'WATCH', 'a', 'b'),
    'a name': (client) => call(client, 'CLIENT', 'SETNAME', 'mine'),
    'client-side caching': (client) => call(client, 'CLIENT', 'TRACKING', 'ON', 'BCAST', 'NOLOOP').catch(() => undefined), // RESP2: refused
    'RESET by hand': (client) => call(client, 'RESET'),
    'a SELECT that was not awaited': async (client) => {
      call(client, 'SELECT', '9').catch(() => undefined);
    },
    'an EXEC that failed': async (client) => {
      await call(client, 'MULTI');
      await call(client, 'NO-SUCH-COMMAND').catch(() => undefined);
      await call(client, 'EXEC').catch(() => undefined);
    },
  };
  for (const [left, leave] of Object.entries(what)) {
    it(`${left} is gone for the next borrower, on the same connection`, async () => {
      await using pool = poolOf();
      const id = await pool.use(async (client) => {
        const own = await idOf(client);
        await leave(client);
        return own;
      });
      await pool.use(async (client) => {
        expect(await idOf(client)).toBe(id);
        expect(await call(client, 'SET', 'k', 'v')).toBe('OK'); // not QUEUED
        expect(await call(client, 'GET', 'k')).toBe('v');
        expect(String(await call(client, 'CLIENT', 'INFO'))).toMatch(new RegExp(`name=${name} .* flags=N db=2 .* multi=-1 `));
      });
    });
  }

  const fatal: Record<string, (client: RedisClient) => unknown> = {
    'CLIENT REPLY OFF': (client) => {
      call(client, 'CLIENT', 'REPLY', 'OFF').catch(() => undefined);
    },
    'client reply skip, not awaited': (client) => {
      call(client, 'client', 'reply', 'skip').catch(() => undefined);
      call(client, 'GET', 'k').catch(() => undefined);
    },
    'NO-EVICT': (client) => call(client, 'CLIENT', 'NO-EVICT', 'on'),
    'a subscription': (client) => driver.subscribe(client, 'channel', () => undefined),
    'a blocking command that still waits': (client) => {
      call(client, 'BLPOP', 'nothing-comes', '0').catch(() => undefined);
    },
    'another protocol': (client) => call(client, 'HELLO', driver.name === 'node-redis 6' ? '2' : '3').catch(() => undefined), // unreadable
  };
  for (const [left, leave] of Object.entries(fatal)) {
    it(`${left} costs the connection, and the next borrower has another`, async () => {
      await using pool = poolOf();
      let id: unknown;
      await pool.use(async (client) => {
        id = await idOf(client);
        await leave(client);
      });
      await pool.use(async (client) => {
        expect(await idOf(client)).not.toBe(id);
        expect(await call(client, 'SET', 'k', 'v')).toBe('OK');
        expect(await call(client, 'GET', 'k')).toBe('v');
      });
      expect(pool.stats().totals.destroyed.broken).toBe(1);
    });
  }

  it('a SUBSCRIBE by hand, in capitals, and what is published then, reach nobody else and end nothing', async () => {
    await using pool = poolOf({ resetTimeoutMs: 300 });
    await pool.use(async (client) => {
      call(client, 'SUBSCRIBE', name).catch(() => undefined);
      await until('it to be heard', () => stage.observer.ask('PUBLISH', name, 'news'), (count) => count === 1);
    });
    expect(await pool.use((client) => call(client, 'ECHO', 'own'))).toBe('own');
    await until('no subscriber', () => stage.observer.ask('PUBLISH', name, 'news'), (count) => count === 0);
  });

  it('nothing is sent when it comes back as it was: after plain commands, transactions, undone effects, unsubscribing', async () => {
    await using pool = poolOf();
    await pool.use((client) => call(client, 'PING'));
    const before = await stage.observer.calls('reset');
    const pings = await stage.observer.calls('ping');
    await pool.use(async (client) => {
      await call(client, 'SET', 'k', 'v');
      await driver.transaction(client, [['INCR', 'n'], ['GET', 'k']]);
      await call(client, 'WATCH', 'k');
      await driver.transaction(client, [['GET', 'k']]);
      await call(client, 'WATCH', 'k');
      await call(client, 'UNWATCH');
      await call(client, 'MULTI');
      await call(client, 'DISCARD');
      await call(client, 'SELECT', '3');
      await call(client, 'SELECT', '2');
      await call(client, 'BLPOP', 'nothing-comes', '0.01');
      await call(client, 'EVAL', "redis.call('SELECT', 5) return 1", '0');
    });
    // At once: nobody is waited for.
    expect(pool.stats()).toMatchObject({ idle: 1, resetting: 0 });
    await pool.use((client) => call(client, 'PING'));
    expect(await stage.observer.calls('reset')).toBe(before);
    expect(await stage.observer.calls('ping')).toBe(pings + 1);
  });

  it('who has unsubscribed from everything gives back a connection that takes all commands', async () => {
    await using pool = poolOf();
    const heard: string[] = [];
    const id = await pool.use(async (client) => {
      const own = await idOf(client);
      await driver.subscribe(client, `news-${name}`, (message) => heard.push(message));
      await stage.observer.ask('PUBLISH', `news-${name}`, 'one');
      await until('the message', () => heard.length, (n) => n === 1);
      await driver.unsubscribe(client, `news-${name}`);
      return own;
    });
    await pool.use(async (client) => {
      expect(await idOf(client)).toBe(id);
      expect(await call(client, 'GET', 'nothing')).toBe(null);
    });
    // And can be shared from then on.
    for (let i = 0; i < 5; i++) expect(await call(pool.shared, 'ECHO', String(i))).toBe(String(i));
    expect(pool.sharedStats().borrowed).toBe(0);
    expect(heard).toEqual(['one']);
  });

  it('listeners of a borrower go with it', async () => {
    await using pool = poolOf();
    let heard = 0;
    await pool.use((client) => {
      client.on('error', () => void heard++);
    });
    const [line = ''] = await stage.observer.clients(name);
    await stage.observer.ask('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)?.[1] ?? '');
    await until('its end', () => pool.stats().size, (size) => size === 0);
    await pool.use((client) => call(client, 'PING'));
    expect(pool.stats().totals.created).toBe(2);
    expect(heard).toBe(0);
  });

  it('a connection that dies while it is lent fails what is in flight, in our words, and is replaced', async () => {
    await using pool = poolOf();
    const failed = pool.use(async (client) => {
      const waiting = call(client, 'BLPOP', 'nothing-comes', '0');
      await until('its wait', () => stage.observer.clients(name), (all) => all.some((line) => line.includes('cmd=blpop')));
      const [line = ''] = await stage.observer.clients(name);
      await stage.observer.ask('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)?.[1] ?? '');
      return waiting;
    });
    await expect(failed).rejects.toThrow(ConnectionLostError);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false });
    expect(await pool.use((client) => call(client, 'PING'))).toBe('PONG');
  });
});
