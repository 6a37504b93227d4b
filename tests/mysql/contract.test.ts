// The contract that every factory keeps, kept by this one.

import { mysqlFactory, type MysqlConnection } from 'millpond/mysql';
import { defineCases, factoryContract } from 'millpond/testing';
import { beforeAll, it } from 'vitest';
import { onMariadb, type MariadbStage } from '../support/mariadb.ts';

/** Whether the user may connect. Those that it has stay. */
async function setAllowed(stage: MariadbStage, user: string, allowed: boolean): Promise<void> {
  await stage.watcher.query(`ALTER USER \`${user}\`@'%' ACCOUNT ${allowed ? 'UNLOCK' : 'LOCK'}`);
}

onMariadb('the factory contract', (stage) => {
  for (const reset of ['rollback', 'reset'] as const) {
    const user = `contract-${reset}`;
    beforeAll(() => stage.watcher.addUser(user));
    defineCases(factoryContract<MysqlConnection>({
      name: `mysqlFactory (${reset})`,
      factory: () => {
        const { host, port, password, database } = stage.server;
        return mysqlFactory({ host, port, user, password, database, reset });
      },
      use: (connection) => connection.query('SELECT 1'),
      countOpen: () => stage.watcher.count(user),
      kill: (connection) => stage.watcher.terminate(connection.threadId),
      soil: async (connection) => {
        await connection.query('CREATE TEMPORARY TABLE IF NOT EXISTS soiled (n int) ENGINE = InnoDB');
        await connection.query('START TRANSACTION');
        await connection.query('INSERT INTO soiled VALUES (1)');
        if (reset === 'reset') await connection.query("SET @left = 'behind', SESSION sql_mode = ''");
      },
      isClean: async (connection) => {
        const [[row]] = await connection.query('SELECT @@in_transaction AS open, @left AS variable, @@sql_mode AS mode') as
          [[{ open: number; variable: string | null; mode: string }]];
        const temporary = await connection.query('SELECT n FROM soiled').then(([rows]: [unknown[]]) => rows.length, () => 0);
        return row.open === 0 && row.variable === null && row.mode !== '' && temporary === 0;
      },
      refuse: () => setAllowed(stage, user, false),
      restore: () => setAllowed(stage, user, true),
    }), it);
  }
});
