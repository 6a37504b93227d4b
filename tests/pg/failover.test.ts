// A server that turned read-only, or says that it is going away: the other connections lead to the same server.

import { Pool } from 'millpond';
import { createPgPool, pgFactory, type PgPool } from 'millpond/pg';
import { expect, it } from 'vitest';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { onEachPostgres, type Stage } from '../support/suite.ts';

const warm = async (pool: PgPool, count: number): Promise<void> => {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
};

const pids = async (stage: Stage, application: string): Promise<number[]> =>
  (await stage.observer.backends(application)).map(({ pid }) => pid);

/** Takes writes away from the whole server, as an operator or a failover does, or gives them back. */
async function setReadOnly(stage: Stage, on: boolean): Promise<void> {
  await stage.observer.query(`ALTER SYSTEM SET default_transaction_read_only = ${on ? 'on' : 'off'}`);
  await stage.observer.query('SELECT pg_reload_conf()');
  const seen = (): Promise<{ now: boolean }[]> =>
    stage.observer.query("SELECT current_setting('default_transaction_read_only')::bool AS now");
  await until('the server to take it up', seen, ([row]) => row?.now === on);
}

const write = (pool: PgPool): Promise<unknown> => pool.query('INSERT INTO written VALUES (1)');

onEachPostgres('failover', (stage) => {
  it('to read-only replaces every connection, once, and the next write is on a new one', async () => {
    await stage.observer.query('CREATE TABLE IF NOT EXISTS written (n int)');
    await using pool = createPgPool({ ...stage.options('flipped'), max: 4 });
    await warm(pool, 4);
    const before = await pids(stage, 'flipped');
    await setReadOnly(stage, true);
    try {
      await expect(write(pool)).rejects.toMatchObject({ code: '25006' });
      expect(pool.stats().generation).toBe(2);
    } finally {
      await setReadOnly(stage, false);
    }
    await write(pool);
    expect((await pids(stage, 'flipped')).filter((pid) => before.includes(pid))).toEqual([]);
    expect(pool.stats().generation).toBe(2);
  });

  it('is told once per event, and not once per error', async () => {
    await stage.observer.query('CREATE TABLE IF NOT EXISTS written (n int)');
    await using pool = createPgPool({ ...stage.options('storm'), max: 5 });
    await warm(pool, 5);
    await setReadOnly(stage, true);
    const failures = await Promise.all(Array.from({ length: 100 }, () => failureOf(write(pool))));
    await setReadOnly(stage, false);
    expect(new Set(failures.map((error) => error?.code))).toEqual(new Set(['25006']));
    // A second look after the pause is allowed, one per error is not.
    expect(pool.stats().generation).toBeLessThanOrEqual(3);
  });

  it('is not what a read-only transaction, session or connection is', async () => {
    await stage.observer.query('CREATE TABLE IF NOT EXISTS written (n int)');
    const refused = { code: '25006' };
    await using pool = createPgPool({ ...stage.options('wanted'), max: 3 });
    await warm(pool, 3);
    const insert = 'INSERT INTO written VALUES (1)';
    await expect(pool.transaction((client) => client.query(insert), { readOnly: true })).rejects.toMatchObject(refused);
    await expect(pool.use(async (client) => {
      await client.query('BEGIN READ ONLY');
      await client.query(insert);
    })).rejects.toMatchObject(refused);
    await expect(pool.transaction(async (client) => {
      await client.query('SET TRANSACTION READ ONLY');
      await client.query(insert);
    })).rejects.toMatchObject(refused);
    await until('all to rest', () => pool.stats(), ({ idle }) => idle === 3);
    expect(pool.stats().totals.created).toBe(3);

    // Left behind by a borrower: that session goes, and no other.
    await pool.use((client) => client.query('SET default_transaction_read_only = on'));
    await expect(write(pool)).rejects.toMatchObject(refused);
    await until('one to go', () => pool.stats(), ({ idle, destroying }) => idle === 2 && destroying === 0);
    await write(pool);

    await using reader = createPgPool({ ...stage.options('reader'), options: '-c default_transaction_read_only=on', max: 2 });
    await warm(reader, 2);
    for (let i = 0; i < 5; i++) await expect(write(reader)).rejects.toMatchObject(refused);
    expect(reader.stats().totals.created).toBe(2);
    expect([pool.stats().generation, reader.stats().generation]).toEqual([1, 1]);
  });

  it('is told by a lease as well, when it comes back', async () => {
    await stage.observer.query('CREATE TABLE IF NOT EXISTS written (n int)');
    await using pool = createPgPool({ ...stage.options('by-lease'), max: 2 });
    await warm(pool, 2);
    await setReadOnly(stage, true);
    try {
      await expect(pool.use((client) => client.query('INSERT INTO written VALUES (1)'))).rejects.toMatchObject({ code: '25006' });
      await until('the new generation', () => pool.stats().generation, (generation) => generation === 2);
    } finally {
      await setReadOnly(stage, false);
    }
    await until('both to be replaced or gone', () => pool.stats(), ({ destroying, resetting }) => destroying + resetting === 0);
  });

  it('is not told by a write in a transaction that was to be read-only, even if the server has become so', async () => {
    await stage.observer.query('CREATE TABLE IF NOT EXISTS written (n int)');
    await using pool = createPgPool({ ...stage.options('replica'), max: 2 });
    await warm(pool, 2);
    await setReadOnly(stage, true);
    try {
      const mistaken = pool.transaction((client) => client.query('INSERT INTO written VALUES (1)'), { readOnly: true });
      await expect(mistaken).rejects.toMatchObject({ code: '25006' });
      await until('both to rest', () => pool.stats(), ({ idle }) => idle === 2);
      expect(pool.stats().generation).toBe(1);
    } finally {
      await setReadOnly(stage, false);
    }
  });

  it('is not told by connections of an older generation, which know nothing new', async () => {
    await using pool = createPgPool({ ...stage.options('old'), max: 3 });
    await warm(pool, 2);
    const old = await pool.acquire();
    await pool.use((client) => stage.observer.terminate(client.processID ?? 0));
    await until('the new generation', () => pool.stats().generation, (generation) => generation === 2);
    await sleep(1_100); // beyond the pause in which nothing is believed anyway
    const ended = new Promise<void>((resolve) => { old.resource.on('end', resolve); });
    await stage.observer.terminate(old.resource.processID ?? 0);
    await ended;
    expect(pool.stats().generation).toBe(2);
    old.release();
  });

  it('by the word of a server that goes away ends the generation, whoever hears it first', async () => {
    await using pool = createPgPool({ ...stage.options('goes'), max: 3 });
    await warm(pool, 3);
    const before = await pids(stage, 'goes');
    await stage.observer.terminate(before[0] ?? 0);
    await until('the new generation', () => pool.stats().generation, (generation) => generation === 2);
    await until('all of them to be gone', () => pids(stage, 'goes'), (now) => now.every((pid) => !before.includes(pid)));
    await sleep(100);
    expect(pool.stats().generation).toBe(2);
    await pool.query('SELECT 1');
  });

  it('is told to the owner of a plain pool', async () => {
    const told: string[] = [];
    const factory = pgFactory({
      ...stage.options('plain'), onFailover: ({ code, client }) => { told.push(`${code} ${typeof client.processID}`); },
    });
    await using pool = new Pool({ factory, max: 1 });
    const { processID } = await pool.use((client) => client);
    await stage.observer.terminate(processID ?? 0);
    await until('it to be told', () => told, (all) => all.length > 0);
    expect(told).toEqual(['57P01 number']);
  });
});
