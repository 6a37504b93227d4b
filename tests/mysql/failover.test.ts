// A server that turned read-only, or says that it is going away: the other connections lead to the same server.

import { Pool } from 'millpond';
import { createMysqlPool, mysqlFactory, type MysqlConnection, type MysqlPool } from 'millpond/mysql';
import { beforeAll, expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onMariadb, type MariadbStage } from '../support/mariadb.ts';

const warm = async (pool: MysqlPool, count: number): Promise<void> => {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
};

const ids = async (stage: MariadbStage, user: string): Promise<number[]> => (await stage.watcher.threads(user)).map(({ ID }) => ID);

const INSERT = 'INSERT INTO written VALUES (1)';
const write = (pool: MysqlPool): Promise<unknown> => pool.query(INSERT);

/** Takes writes away from the whole server while `run` runs, as an operator or a failover does. */
async function whileReadOnly<R>(stage: MariadbStage, run: () => Promise<R>): Promise<R> {
  await stage.watcher.query('SET GLOBAL read_only = 1');
  try {
    return await run();
  } finally {
    await stage.watcher.query('SET GLOBAL read_only = 0');
  }
}

onMariadb('failover', (stage) => {
  beforeAll(() => stage.watcher.query('CREATE TABLE written (n int) ENGINE = InnoDB'));

  it('to read-only replaces every connection, once, and the next write is on a new one', async () => {
    await using pool = createMysqlPool({ ...await stage.options('flipped'), max: 4 });
    await warm(pool, 4);
    const before = await ids(stage, 'flipped');
    await whileReadOnly(stage, async () => {
      await expect(write(pool)).rejects.toMatchObject({ errno: 1290 });
      expect(pool.stats().generation).toBe(2);
    });
    await write(pool);
    await until('the old ones to be gone', () => ids(stage, 'flipped'), (now) => !now.some((id) => before.includes(id)));
    expect(pool.stats().generation).toBe(2);
  });

  it('is told once per event, and not once per error', async () => {
    await using pool = createMysqlPool({ ...await stage.options('storm'), max: 5 });
    await warm(pool, 5);
    const failures = await whileReadOnly(stage, () => Promise.all(Array.from({ length: 60 }, () => failureOf(write(pool)))));
    expect(new Set(failures.map((error) => (error as unknown as { errno: number }).errno))).toEqual(new Set([1290]));
    // A second look after the pause is allowed, one per error is not.
    expect(pool.stats().generation).toBeLessThanOrEqual(10);
  });

  it('is not what a read-only transaction or session is', async () => {
    const refused = { errno: 1792 };
    await using pool = createMysqlPool({ ...await stage.options('wanted'), max: 3 });
    await warm(pool, 3);
    await expect(pool.transaction((connection) => connection.query(INSERT), { readOnly: true })).rejects.toMatchObject(refused);
    await expect(pool.use(async (connection) => {
      await connection.query('START TRANSACTION READ ONLY');
      await connection.query(INSERT);
    })).rejects.toMatchObject(refused);
    await until('all to rest', () => pool.stats(), ({ idle }) => idle === 3);
    expect(pool.stats().totals.created).toBe(3);

    // Left behind by a borrower: that session goes, and no other.
    await pool.use((connection) => connection.query('SET SESSION TRANSACTION READ ONLY'));
    await expect(write(pool)).rejects.toMatchObject(refused);
    await until('one to go', () => pool.stats(), ({ idle, destroying }) => idle === 2 && destroying === 0);
    await write(pool);

    await using reader = createMysqlPool({
      ...await stage.options('reader'), max: 1,
      onConnect: (connection: MysqlConnection) => connection.query('SET SESSION TRANSACTION READ ONLY'),
    });
    for (let i = 0; i < 3; i++) await expect(write(reader)).rejects.toMatchObject(refused);
    expect(reader.stats().totals.created).toBe(1);
    expect([pool.stats().generation, reader.stats().generation]).toEqual([1, 1]);
  });

  it('is not what another option of the server forbids, though its number is the same', async () => {
    await stage.watcher.query("GRANT FILE ON *.* TO `files`@'%'").catch(() => undefined);
    await using pool = createMysqlPool({ ...await stage.options('files'), max: 1 });
    await stage.watcher.query("GRANT FILE ON *.* TO `files`@'%'");
    await expect(pool.query("SELECT 1 INTO OUTFILE '/nowhere/at/all'")).rejects.toMatchObject({ errno: 1290 });
    expect(pool.stats()).toMatchObject({ generation: 1, idle: 1 });
  });

  it('is told by a lease as well, when it comes back', async () => {
    await using pool = createMysqlPool({ ...await stage.options('by-lease'), max: 2 });
    await warm(pool, 2);
    await whileReadOnly(stage, async () => {
      await expect(pool.use((connection) => connection.query(INSERT))).rejects.toMatchObject({ errno: 1290 });
      await until('the new generation', () => pool.stats().generation, (generation) => generation === 2);
    });
  });

  it('is told to the owner of a plain pool', async () => {
    const told: unknown[] = [];
    const factory = mysqlFactory({
      ...await stage.options('plain'), onFailover: ({ errno, connection }) => { told.push([errno, typeof connection.threadId]); },
    });
    await using pool = new Pool({ factory, max: 1 });
    await whileReadOnly(stage, async () => {
      await failureOf(pool.use((connection) => connection.query(INSERT)));
      await until('it to be told', () => told, (all) => all.length > 0);
    });
    expect(told).toEqual([[1290, 'number']]);
  });
}, { settings: { 'secure-file-priv': '/tmp' } });
