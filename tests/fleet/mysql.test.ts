import { mysqlCoordinator, mysqlFleetSchema, type Coordinator, type CoordinatorClock, type Grant, type Heartbeat } from 'millpond/fleet';
import { createMysqlPool } from 'millpond/mysql';
import { coordinatorContract, defineCases } from 'millpond/testing';
import callbacks from 'mysql2';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MysqlCoordinator } from '../../packages/millpond/src/fleet/coordinators/mysql.ts';
import { onMariadb, type MariadbStage } from '../support/mariadb.ts';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { BRIEF_TAIL_MS, says } from './heartbeats.ts';

async function grant(coordinator: Coordinator, member: string, words: Partial<Heartbeat> = {}): Promise<Grant> {
  const reply = await coordinator.heartbeat(says(member, words));
  expect(reply.kind).toBe('granted');
  return reply as Grant;
}

function poolFor(stage: MariadbStage): () => Promise<mysql.Pool> {
  let pool: mysql.Pool | undefined;
  afterAll(() => pool?.end());
  return async () => {
    const options = await stage.options('fleet') as mysql.PoolOptions;
    pool ??= mysql.createPool({ ...options, connectionLimit: 6 });
    return pool;
  };
}

/** Up for so long that a short silence is none in which it can have been started. */
async function settled({ watcher }: MariadbStage): Promise<void> {
  await until('the server to be up for a while', () => watcher.query<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Uptime'`),
    ([uptime]) => Number(uptime?.Value) >= 4);
}

onMariadb('a fleet\'s coordinator', (stage) => {
  const pool = poolFor(stage);
  beforeAll(() => settled(stage));
  const timed = async (key: string, clock?: CoordinatorClock): Promise<Coordinator> => new MysqlCoordinator(await pool(), { key }, clock);
  defineCases(coordinatorContract({ name: 'told the time', coordinator: timed, timed: true }), test);

  const coordinator = async (key: string): Promise<Coordinator> => mysqlCoordinator(await pool(), { key });
  defineCases(coordinatorContract({
    name: 'in earnest', coordinator,
    forget: () => stage.watcher.query('DROP TABLE millpond_fleet_state'),
    renew: () => stage.server.restart(),
    cut: () => stage.server.kill('SIGKILL'),
    mend: () => stage.server.start(),
  }), test);

  test('a quiet time is no restart', async () => {
    const one = await coordinator('quiet');
    await settled(stage); // it has been started just now
    const before = await grant(one, 'a');
    await sleep(700);
    expect((await grant(one, 'b')).identity).toBe(before.identity);
  });
});

onMariadb('what a fleet\'s coordinator makes there', (stage) => {
  const pool = poolFor(stage);
  const coordinator = async (key: string): Promise<Coordinator> => mysqlCoordinator(await pool(), { key });

  test('many may come first at once', async () => {
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(Array.from({ length: 12 }, (_, i) => coordinator(`first ${i % 3}`)));
      await Promise.all(all.map((each, i) => grant(each, `m${i}`)));
      await stage.watcher.query('DROP PROCEDURE millpond_fleet_heartbeat');
      await stage.watcher.query('DROP TABLE millpond_fleet_state, millpond_fleet_seat, millpond_fleet_ends');
    }
  });

  test('tables and the procedure that are dropped while it works come back', async () => {
    const one = await coordinator('dropped');
    await grant(one, 'a');
    for (const what of ['TABLE millpond_fleet_seat', 'TABLE millpond_fleet_ends', 'PROCEDURE millpond_fleet_heartbeat']) {
      await stage.watcher.query(`DROP ${what}`);
      await grant(one, 'a');
    }
  });

  test('a procedure of an older version is replaced', async () => {
    await grant(await coordinator('version'), 'a');
    await stage.watcher.query(`ALTER PROCEDURE millpond_fleet_heartbeat COMMENT 'millpond fleet 0'`);
    await grant(await coordinator('version'), 'a');
    const [found] = await stage.watcher.query<{ c: string }>('SELECT ROUTINE_COMMENT AS c FROM information_schema.ROUTINES');
    expect(found?.c).toBe('millpond fleet 1');
  });

  test('a user who may not create is told what to do, and then needs no more than it says', async () => {
    const { host, port, password, database } = stage.server;
    await stage.watcher.query(`CREATE USER humble@'%' IDENTIFIED BY '${password}'`);
    await stage.watcher.query(`GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON ${database}.* TO humble@'%'`);
    for (const what of ['PROCEDURE millpond_fleet_heartbeat', 'TABLE millpond_fleet_state']) await stage.watcher.query(`DROP ${what}`);
    const humble = mysql.createPool({ host, port, password, database, user: 'humble', connectionLimit: 1 });
    try {
      const one = mysqlCoordinator(humble, { key: 'humble' });
      expect((await failureOf(one.heartbeat(says('a'))))?.message).toMatch(/CREATE ROUTINE.*mysqlFleetSchema\(\)/);
      for (const statement of mysqlFleetSchema({ isMariadb: true })) await stage.watcher.query(statement);
      await grant(one, 'a');
    } finally {
      await humble.end();
    }
  });

  test('people can look: who holds and wants what, and how much is free', async () => {
    const one = await coordinator('people');
    await grant(one, 'a', { name: 'orders@one', held: 3, base: 5, demand: 7, shortMs: 1_200 });
    expect(await stage.watcher.query(`SELECT * FROM millpond_fleets WHERE fleet = 'people'`)).toMatchObject([
      { fleet: 'people', limit: 22, guard: 2, reserved: 3, free: 17, members: 1 },
    ]);
    expect(await stage.watcher.query(`SELECT * FROM millpond_fleet_members WHERE fleet = 'people'`)).toMatchObject([
      { fleet: 'people', name: 'orders@one', held: 3, permit: 3, needs: 5, wants: 7, short_ms: 1_200 },
    ]);
  });

  test('a member in front of which somebody holds the lock gives way within a second, and is not done later', async () => {
    const one = await coordinator('locked');
    await grant(one, 'a');
    await stage.watcher.query('BEGIN');
    await stage.watcher.query(`SELECT * FROM millpond_fleet_state WHERE fleet = 'locked' FOR UPDATE`);
    try {
      expect(await failureOf(one.heartbeat(says('b')))).toMatchObject({ errno: 1205 });
    } finally {
      await stage.watcher.query('ROLLBACK');
    }
    expect((await grant(one, 'a')).members).toBe(1);
    const [rows] = await (await pool()).query('SELECT @@innodb_lock_wait_timeout = @@GLOBAL.innodb_lock_wait_timeout AS same');
    expect(rows).toEqual([{ same: 1 }]);
  });

  test('the time it answers with is the time at which it had the lock', async () => {
    const one = await coordinator('late');
    await grant(one, 'a');
    await stage.watcher.query('BEGIN');
    await stage.watcher.query(`SELECT * FROM millpond_fleet_state WHERE fleet = 'late' FOR UPDATE`);
    const waiting = grant(one, 'a');
    await sleep(BRIEF_TAIL_MS);
    const [held] = await stage.watcher.query<{ now: number }>(
      `SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000 AS now`);
    await stage.watcher.query('ROLLBACK');
    expect((await waiting).now).toBeGreaterThanOrEqual(held!.now);
  });

  test('a pool whose only connection is open at this end alone: another one takes its place', async () => {
    await using proxy = await TcpProxy.start({ host: stage.server.host, port: stage.server.port });
    const half = mysql.createPool({ ...await stage.through(proxy, 'fleet') as mysql.PoolOptions, connectionLimit: 1 });
    const one = mysqlCoordinator(half, { key: 'half' });
    await grant(one, 'a');
    proxy.deaf = true;
    const asked = (): Promise<Error | undefined> => failureOf(one.heartbeat(says('a'), AbortSignal.timeout(200)));
    expect(await asked()).toBeInstanceOf(Error);
    proxy.deaf = false;
    await until('it to be asked by another one', asked, (failure) => failure === undefined);
    expect(proxy.passages).toHaveLength(2);
    await half.end();
  });

  test('the client may be a pool with callbacks or one of millpond/mysql, and nothing else', async () => {
    const options = await stage.options('fleet');
    const withCallbacks = callbacks.createPool({ ...options as mysql.PoolOptions, connectionLimit: 1 });
    await grant(mysqlCoordinator(withCallbacks, { key: 'pools' }), 'a');
    await withCallbacks.promise().end();
    await using millpond = createMysqlPool({ ...options, max: 1 });
    const one = mysqlCoordinator(millpond, { key: 'pools' });
    await grant(one, 'a');
    expect((await one.view(AbortSignal.timeout(10_000))).members).toHaveLength(1);
    expect(() => mysqlCoordinator({} as never, { key: 'a' })).toThrow(TypeError);
  });
});
