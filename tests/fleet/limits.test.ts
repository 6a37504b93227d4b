import { createClient } from '@redis/client';
import { redisBudget, redisCoordinator } from 'millpond/fleet';
import { createMysqlPool, mysqlFactory } from 'millpond/mysql';
import { createPgPool, pgFactory } from 'millpond/pg';
import { startRedis, type RedisServer } from '@millpond/lab/redis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serverLimit } from '../../packages/millpond/src/fleet/server-limit.ts';
import { onMariadb } from '../support/mariadb.ts';
import { until } from '../support/postgres.ts';
import { onRedis } from '../support/redis.ts';
import { onEachPostgres } from '../support/suite.ts';

async function connected(port: number): Promise<ReturnType<typeof createClient>> {
  const client = createClient({ socket: { host: '127.0.0.1', port } });
  client.on('error', () => undefined);
  await client.connect();
  return client as ReturnType<typeof createClient>;
}

onRedis('a budget on another engine than the database', () => {
  let redis: RedisServer | undefined;
  let client: Awaited<ReturnType<typeof connected>> | undefined;
  beforeAll(async () => {
    redis = await startRedis();
    client = await connected(redis.port);
  });
  afterAll(async () => {
    client?.destroy();
    await redis?.stop();
  });

  onEachPostgres('limit: \'auto\'', (stage) => {
    const all = async (): Promise<number> => (await stage.observer.query<{ all: number }>(
      `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS all`))[0]!.all;

    test('the first pool asks the server, and the next one takes what that was told', async () => {
      const key = `auto ${stage.server.version}`;
      const budget = () => redisBudget(client!, { key, limit: 'auto', leaseMs: 1_000, graceMs: 100 });
      await using one = createPgPool({ ...stage.options('one'), budget: budget(), max: 2 });
      expect((await one.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
      const { terms } = await redisCoordinator(client!, { key }).view();
      expect(terms?.limit).toBe(await all());
      await stage.observer.query('ALTER ROLE CURRENT_USER CONNECTION LIMIT 50');
      await using other = createPgPool({ ...stage.options('other'), budget: budget(), max: 2 });
      expect((await other.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
      const view = await until('both', () => redisCoordinator(client!, { key }).view(), ({ members }) => members.length === 2);
      expect(view.terms?.limit).toBe(await all());
      await stage.observer.query('ALTER ROLE CURRENT_USER CONNECTION LIMIT -1');
    });

    test('sessions of others are taken off, with a quarter more, and what the role may have is the most', async () => {
      const factory = pgFactory(stage.options('asks'));
      const signal = AbortSignal.timeout(30_000);
      const asking = await factory.create({ signal, attempt: 1 });
      expect(await serverLimit(asking)).toBe(await all());
      await stage.observer.query(`CREATE ROLE other LOGIN PASSWORD 'other'`);
      const { host, port, database } = stage.server;
      await using others = createPgPool({ host, port, database, user: 'other', password: 'other', min: 5, max: 5 });
      await others.ready();
      expect(await serverLimit(asking)).toBe(await all() - 7);
      await stage.observer.query('ALTER ROLE CURRENT_USER CONNECTION LIMIT 50');
      expect(await serverLimit(asking)).toBe(50);
      await stage.observer.query('ALTER ROLE CURRENT_USER CONNECTION LIMIT -1');
      await factory.destroy(asking, { reason: 'poolClosed', signal });
    });
  });

  onMariadb('limit: \'auto\'', (stage) => {
    test('the pool asks its server', async () => {
      const options = await stage.options('fleet');
      const budget = redisBudget(client!, { key: 'mariadb', limit: 'auto', leaseMs: 1_000 });
      await using pool = createMysqlPool({ ...options, budget, max: 2 });
      await pool.query('SELECT 1');
      const [row] = await stage.watcher.query<{ most: number }>('SELECT @@max_connections AS most');
      const { terms } = await redisCoordinator(client!, { key: 'mariadb' }).view();
      expect(terms?.limit).toBe(row!.most - 2); // the watcher, and a quarter of it
    });

    test('what the user may have is the most', async () => {
      const options = await stage.options('few');
      await stage.watcher.query(`ALTER USER few@'%' WITH MAX_USER_CONNECTIONS 7`);
      const factory = mysqlFactory(options);
      const signal = AbortSignal.timeout(30_000);
      const asking = await factory.create({ signal, attempt: 1 });
      expect(await serverLimit(asking)).toBe(7);
      await factory.destroy(asking, { reason: 'poolClosed', signal });
    });
  });
});
