// The contract that every factory keeps, kept by this one, with each driver.

import { redisFactory, type RedisClient } from 'millpond/redis';
import { defineCases, factoryContract } from 'millpond/testing';
import { it } from 'vitest';
import { onRedisWithEach } from '../support/redis.ts';

onRedisWithEach('the factory contract', (stage, driver) => {
  const name = driver.name.replace(' ', '-');
  defineCases(factoryContract<RedisClient>({
    name: `redisFactory (${driver.name})`,
    factory: async () => redisFactory({ client: () => driver.client({ port: stage.server.port, name, database: 2 }) }),
    use: (client) => driver.call(client, 'PING'),
    countOpen: () => stage.observer.count(name),
    kill: async (client) => stage.observer.ask('CLIENT', 'KILL', 'ID', String(await driver.call(client, 'CLIENT', 'ID'))),
    async soil(client) {
      await driver.call(client, 'WATCH', 'soiled');
      await driver.call(client, 'SELECT', '5');
      await driver.call(client, 'CLIENT', 'SETNAME', 'soiled');
      await driver.call(client, 'MULTI');
    },
    async isClean(client) {
      const line = String(await driver.call(client, 'CLIENT', 'INFO'));
      return line.includes(` name=${name} `) && line.includes(' db=2 ') && line.includes(' multi=-1 ') && line.includes(' flags=N ');
    },
    refuse: () => stage.observer.ask('CONFIG', 'SET', 'maxclients', '1'),
    restore: () => stage.observer.ask('CONFIG', 'SET', 'maxclients', '1000'),
  }), it);
}, { settings: { maxclients: 1_000 } });
