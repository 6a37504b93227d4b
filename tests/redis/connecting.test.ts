// node-redis, which goes on by itself where nobody asks it to: what it does must end with the connection.

import * as redis6 from '@redis/client';
import { createRedisPool, redisFactory, type RedisClient } from 'millpond/redis';
import { createServer, type AddressInfo, type LookupFunction } from 'node:net';
import * as redis5 from 'redis-5';
import { describe, expect, it } from 'vitest';
import { onRedis, until } from '../support/redis.ts';

const VERSIONS = [['6', redis6], ['5', redis5 as unknown as typeof redis6]] as const;

/** Nobody listens there. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => { server.close(() => resolve()); });
  return port;
}

for (const [version, { createClient }] of VERSIONS) {
  describe(`Redis: node-redis ${version} that does not connect`, () => {
    it('makes one attempt for each that the pool makes, and none when the pool is closed', async () => {
      const port = await freePort();
      const clients: { readonly isOpen: boolean }[] = [];
      let again = 0;
      const client = (): RedisClient => {
        const made = createClient({ socket: { host: '127.0.0.1', port } });
        made.on('reconnecting', () => { again += made.isOpen ? 1 : 0; });
        clients.push(made);
        return made;
      };
      const pool = createRedisPool({ client, max: 2, acquireTimeoutMs: 200, createRetry: { initialDelayMs: 10, maxDelayMs: 10 } });
      await expect(pool.use(() => undefined)).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
      await pool.close();
      expect(clients.length).toBeGreaterThan(1);
      await until('all to be over', () => clients.filter((each) => each.isOpen).length, (count) => count === 0);
      expect(again).toBe(0);
    });

    it('makes no other attempt when the one that was under way at its abort has failed', async () => {
      let fail = (): void => undefined;
      let looked = 0;
      const lookup: LookupFunction = (_name, _options, done) => {
        looked++;
        fail = () => done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '');
      };
      const made = createClient({ socket: { host: 'nowhere.invalid', port: 1, lookup } });
      const abort = new AbortController();
      const created = Promise.resolve(redisFactory({ client: () => made }).create({ signal: abort.signal, attempt: 1 }));
      const outcome = created.then(() => undefined, (error: unknown) => error);
      await until('it to look for the name', () => looked, (count) => count === 1);
      abort.abort(new Error('too late'));
      expect(await outcome).toMatchObject({ message: 'too late' });
      fail();
      await until('it to be over', () => made.isOpen, (isOpen) => !isOpen);
      expect(looked).toBe(1);
    });
  });
}

onRedis('a reset that waits for credentials', (stage) => {
  it('does not end the process when its connection dies meanwhile', async () => {
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown): void => { rejections.push(reason); };
    process.on('unhandledRejection', onRejection);
    try {
      let asked = 0;
      let answer = (): void => undefined;
      const credentials = async (): Promise<{ password?: string }> => {
        if (++asked === 2) await new Promise<void>((resolve) => { answer = resolve; });
        return {};
      };
      await using pool = createRedisPool({
        client: () => redis6.createClient({
          socket: { host: '127.0.0.1', port: stage.server.port },
          credentialsProvider: { type: 'async-credentials-provider', credentials },
        }),
        max: 1, resetTimeoutMs: 60_000,
      });
      const id = await pool.use(async (client) => {
        await client.sendCommand(['CLIENT', 'SETNAME', 'left-over']);
        return client.clientId();
      });
      await until('the reset to ask', () => asked, (count) => count === 2);
      await stage.observer.ask('CLIENT', 'KILL', 'ID', String(id));
      await until('the connection to be gone', () => pool.stats(), ({ size }) => size === 0);
      await new Promise((resolve) => { setImmediate(resolve); }); // by then Node has told of what nobody heard
      answer();
      expect(await pool.use((client) => client.ping())).toBe('PONG');
      expect(rejections).toEqual([]);
    } finally {
      process.removeListener('unhandledRejection', onRejection);
    }
  });
});
