// The contract that every factory keeps, kept by this one.

import { pgFactory, type PgClient } from 'millpond/pg';
import { defineCases, factoryContract } from 'millpond/testing';
import { beforeAll, it } from 'vitest';
import { onEachPostgres, type Stage } from '../support/suite.ts';

/** Whether the database takes new connections. The observer keeps the one that it has. */
async function setAllowed(stage: Stage, allowed: boolean): Promise<void> {
  await stage.observer.query(`ALTER DATABASE contract ALLOW_CONNECTIONS ${allowed}`);
}

onEachPostgres('the factory contract', (stage) => {
  beforeAll(() => stage.observer.query('CREATE DATABASE contract'));
  for (const reset of ['rollback', 'discard'] as const) {
    defineCases(factoryContract<PgClient>({
      name: `pgFactory (${reset})`,
      factory: () => {
        const { host, port, user, password } = stage.server;
        return pgFactory({ host, port, user, password, database: 'contract', application_name: `contract-${reset}`, reset });
      },
      use: (client) => client.query('SELECT 1'),
      countOpen: () => stage.observer.count(`contract-${reset}`),
      kill: (client) => stage.observer.terminate(client.processID ?? 0),
      soil: async (client) => {
        await client.query('BEGIN');
        await client.query('CREATE TEMP TABLE soiled (n int)');
      },
      isClean: async (client) => {
        const { rows } = await client.query<{ clean: boolean }>(
          "SELECT to_regclass('pg_temp.soiled') IS NULL AND now() = statement_timestamp() AS clean");
        return rows[0]?.clean === true;
      },
      refuse: () => setAllowed(stage, false),
      restore: () => setAllowed(stage, true),
    }), it);
  }
});
