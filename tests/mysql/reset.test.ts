// What a borrower leaves behind, and what of it the next one meets.

import { createMysqlPool, type MysqlConnection, type MysqlReset } from 'millpond/mysql';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onMariadb } from '../support/mariadb.ts';

/** Not busy with what the last borrower left. */
const atRest = (pool: { stats(): { resetting: number; borrowed: number; destroying: number } }): Promise<unknown> =>
  until('the connection to be clean', () => pool.stats(), ({ resetting, borrowed, destroying }) => resetting + borrowed + destroying === 0);

const state = async (connection: MysqlConnection): Promise<Record<string, unknown>> => {
  const [[row]] = await connection.query(
    'SELECT @@in_transaction AS open, @@autocommit AS autocommit, @v AS variable, DATABASE() AS db, IS_USED_LOCK("l") AS locked',
  ) as [[Record<string, unknown>]];
  return row;
};

interface Changeable extends MysqlConnection {
  changeUser(options: object): Promise<void>;
}

onMariadb('a connection that comes back', (stage) => {
  const pooled = async (user: string, reset: MysqlReset, options: object = {}): Promise<ReturnType<typeof createMysqlPool>> =>
    createMysqlPool({ ...await stage.options(user), max: 1, reset, ...options });

  it('is rolled back and commits by itself again, with the default', async () => {
    await stage.watcher.query('CREATE TABLE kept (n int PRIMARY KEY) ENGINE = InnoDB');
    await using pool = await pooled('rolled', 'rollback');
    const ways = [
      'START TRANSACTION; INSERT INTO kept VALUES (1)', 'SET autocommit = 0; INSERT INTO kept VALUES (2)', 'SET autocommit = 0',
      'SET autocommit = 0; SELECT nonsense',
    ];
    for (const way of ways) {
      await pool.use(async (connection) => {
        for (const sql of way.split(';')) await failureOf(connection.query(sql));
      });
      await atRest(pool);
      expect(await pool.use(state), way).toMatchObject({ open: 0, autocommit: 1 });
    }
    expect(await stage.watcher.query('SELECT n FROM kept')).toEqual([]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('is rolled back when a procedure failed after it began something', async () => {
    await stage.watcher.query('CREATE PROCEDURE begins() BEGIN START TRANSACTION; INSERT INTO kept VALUES (7); SELECT nonsense; END');
    await using pool = await pooled('procedure', 'rollback');
    await expect(pool.query('CALL begins()')).rejects.toMatchObject({ errno: 1054 });
    await atRest(pool);
    expect(await pool.use(state)).toMatchObject({ open: 0 });
    await using several = await pooled('several', 'rollback', { multipleStatements: true });
    await expect(several.query('START TRANSACTION; INSERT INTO kept VALUES (8); SELECT nonsense')).rejects.toMatchObject({ errno: 1054 });
    await atRest(several);
    expect(await several.use(state)).toMatchObject({ open: 0 });
    expect(await stage.watcher.query('SELECT n FROM kept')).toEqual([]);
  });

  it('keeps what onConnect decided', async () => {
    await using pool = await pooled('decided', 'rollback', {
      onConnect: (connection: MysqlConnection) => connection.query('SET autocommit = 0'),
    });
    await pool.use((connection) => connection.query('SET autocommit = 1'));
    await atRest(pool);
    expect(await pool.use(state)).toMatchObject({ autocommit: 0 });
    expect(pool.stats().totals.created).toBe(1);
  });

  it('has no session left, with reset: no variable, table, lock, database or prepared statement', async () => {
    await stage.watcher.query('CREATE DATABASE elsewhere');
    await using pool = await pooled('reset', 'reset');
    await stage.watcher.query("GRANT ALL ON elsewhere.* TO `reset`@'%'");
    const prepared = async (): Promise<number> => {
      const [row] = await stage.watcher.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
      return Number(row?.Value);
    };
    const before = await prepared();
    for (const database of [undefined, 'elsewhere']) {
      await pool.use(async (connection) => {
        await connection.query('SET @v = 1, autocommit = 0');
        await connection.query('SELECT GET_LOCK("l", 0)');
        await connection.query('CREATE TEMPORARY TABLE left_over (n int)');
        await connection.execute('SELECT ? AS n', [1]);
        if (database !== undefined) await connection.query(`USE ${database}`);
        await connection.query('START TRANSACTION');
      });
      await atRest(pool);
      expect(await pool.use(state)).toEqual({ open: 0, autocommit: 1, variable: null, db: stage.server.database, locked: null });
      await atRest(pool);
      expect(await failureOf(pool.query('SELECT * FROM left_over'))).toMatchObject({ errno: 1146 });
      expect(await prepared()).toBe(before);
      // And it can be used as ever.
      expect((await pool.execute('SELECT ? AS n', [database ?? 'x']))[0]).toEqual([{ n: database ?? 'x' }]);
      await atRest(pool);
    }
    expect(pool.stats().totals.created).toBe(1);
  });

  it('is closed after a changeUser to another database or charset, which a reset would take for its own', async () => {
    await using pool = await pooled('switched', 'reset');
    await stage.watcher.query('CREATE DATABASE switched');
    await stage.watcher.query("GRANT ALL ON switched.* TO `switched`@'%'");
    for (const options of [{ database: 'switched' }, { charset: 'latin1' }]) {
      await pool.use((connection) => (connection as Changeable).changeUser(options));
      expect((await pool.query('SELECT DATABASE() AS db, @@character_set_client AS charset'))[0])
        .toEqual([{ db: stage.server.database, charset: 'utf8mb4' }]);
      await atRest(pool);
    }
  });

  it('is left as it is, with none', async () => {
    await using pool = await pooled('none', 'none');
    await pool.use((connection) => connection.query('START TRANSACTION'));
    expect(await pool.use(state)).toMatchObject({ open: 1 });
  });

  it('has none of the listeners that were added, and all that were removed', async () => {
    await using pool = await pooled('listeners', 'rollback');
    const heard: unknown[] = [];
    const connection = await pool.use((lent) => {
      lent.on('error', (error: unknown) => heard.push(error));
      (lent as unknown as { connection: NodeJS.EventEmitter }).connection.removeAllListeners('error');
      return lent;
    });
    await pool.query('SELECT 1');
    await stage.watcher.terminate(connection.threadId);
    await until('it to be gone', () => pool.stats().size, (size) => size === 0);
    expect(heard).toEqual([]);
  });

  it('is closed when a statement runs, when nobody reads its answers, and when it belongs to somebody else now', async () => {
    await stage.options('somebody');
    await using pool = await pooled('busy', 'rollback');
    const { password } = stage.server;
    const ways: ((connection: MysqlConnection) => unknown)[] = [
      (connection) => { void failureOf(connection.query('SELECT SLEEP(60)')); },
      (connection) => (connection as Changeable).changeUser({ user: 'somebody', password }),
      (connection) => { (connection as MysqlConnection & { destroy(): void }).destroy(); },
      (connection) => { (connection as MysqlConnection & { connection: { pause(): void } }).connection.pause(); },
    ];
    for (const [index, way] of ways.entries()) {
      await pool.use(async (connection) => { await way(connection); });
      expect((await pool.query('SELECT SUBSTRING_INDEX(USER(), "@", 1) AS user'))[0]).toEqual([{ user: 'busy' }]);
      expect(pool.stats().totals.created).toBe(index + 2);
    }
    // Nothing of what ran goes on at the server.
    await until('the statement to be gone', () => stage.watcher.threads('busy'), (all) => all.every(({ COMMAND }) => COMMAND === 'Sleep'));
    await until('one to be left', () => stage.watcher.count('busy'), (count) => count === 1);
  });

  it('may be given back from the callback of a statement that failed', async () => {
    await using pool = await pooled('callback', 'rollback');
    const lease = await pool.acquire();
    const { connection } = lease.resource as unknown as { connection: { query(sql: string, callback: (error: unknown) => void): void } };
    const error = await new Promise((resolve) => {
      connection.query('SELECT nonsense', (failed) => {
        lease.release();
        resolve(failed);
      });
    });
    expect(error).toMatchObject({ errno: 1054 });
    await atRest(pool);
    expect(pool.stats()).toMatchObject({ idle: 1, totals: { created: 1 } });
  });
});
