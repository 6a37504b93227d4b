import {
  postgresCoordinator, postgresFleetSchema, type Coordinator, type CoordinatorClock, type Grant, type Heartbeat,
} from 'millpond/fleet';
import { createPgPool } from 'millpond/pg';
import { coordinatorContract, defineCases } from 'millpond/testing';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { PostgresCoordinator } from '../../packages/millpond/src/fleet/coordinators/postgres.ts';
import { failureOf, sleep } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres, type Stage } from '../support/suite.ts';
import { BRIEF, BRIEF_TAIL_MS, says } from './heartbeats.ts';

async function grant(coordinator: Coordinator, member: string, words: Partial<Heartbeat> = {}): Promise<Grant> {
  const reply = await coordinator.heartbeat(says(member, words));
  expect(reply.kind).toBe('granted');
  return reply as Grant;
}

function poolFor(stage: Stage): () => pg.Pool {
  let pool: pg.Pool | undefined;
  afterAll(() => pool?.end());
  return () => {
    pool ??= new pg.Pool({ ...stage.options('fleet'), max: 6 }).on('error', () => undefined).setMaxListeners(100);
    return pool;
  };
}

onEachPostgres('a fleet\'s coordinator', (stage) => {
  const pool = poolFor(stage);
  const timed = (key: string, clock?: CoordinatorClock): Coordinator => new PostgresCoordinator(pool(), { key }, clock);
  defineCases(coordinatorContract({ name: 'told the time', coordinator: timed, timed: true }), test);

  const coordinator = (key: string): Coordinator => postgresCoordinator(pool(), { key });
  defineCases(coordinatorContract({
    name: 'in earnest', coordinator,
    forget: () => stage.observer.query('DROP SCHEMA millpond CASCADE'),
    renew: () => stage.server.restart(),
    cut: () => stage.server.kill('SIGKILL'),
    mend: () => stage.server.start(),
  }), test);

  test('after a crash it has forgotten, and learns', async () => {
    const one = coordinator('crash');
    await grant(one, 'nobody', { ...BRIEF, leaving: true });
    await sleep(BRIEF_TAIL_MS + 20);
    expect((await grant(one, 'a', { ...BRIEF, base: 20 })).permit).toBe(20);
    await stage.server.restart('SIGKILL');
    await failureOf(one.heartbeat(says('b', BRIEF)));
    expect(await grant(one, 'b', { ...BRIEF, base: 20 })).toMatchObject({ learning: true, permit: 0, members: 1 });
  });
});

onEachPostgres('what a fleet\'s coordinator makes there', (stage) => {
  const pool = poolFor(stage);
  const coordinator = (key: string): Coordinator => postgresCoordinator(pool(), { key });
  afterEach(() => stage.observer.query('DROP SCHEMA IF EXISTS millpond CASCADE'));

  test('many may come first at once', async () => {
    const all = Array.from({ length: 12 }, (_, i) => coordinator(`first ${i % 3}`));
    await Promise.all(all.map((each, i) => grant(each, `m${i}`)));
  });

  test('a table or the function that is dropped while it works comes back', async () => {
    const one = coordinator('dropped');
    await grant(one, 'a');
    for (const what of ['TABLE millpond.fleet_seat CASCADE', 'TABLE millpond.fleet_state CASCADE', 'FUNCTION millpond.fleet_heartbeat']) {
      await stage.observer.query(`DROP ${what}`);
      await grant(one, 'a');
    }
  });

  test('a function of an older version is replaced, and one of a newer version is used', async () => {
    await grant(coordinator('version'), 'a');
    const comment = (version: number): Promise<unknown> => (
      stage.observer.query(`COMMENT ON FUNCTION millpond.fleet_heartbeat IS 'millpond fleet ${version}'`));
    const found = async (): Promise<string | undefined> => (await stage.observer.query<{ c: string }>(
      `SELECT obj_description(oid, 'pg_proc') AS c FROM pg_proc WHERE proname = 'fleet_heartbeat'`))[0]?.c;
    await comment(0);
    expect((await grant(coordinator('version'), 'a')).members).toBe(1);
    expect(await found()).toBe('millpond fleet 1');
    await comment(7);
    await grant(coordinator('version'), 'a');
    expect(await found()).toBe('millpond fleet 7');
  });

  test('a role that may not create is told what to do, and then needs no more than it says', async () => {
    await stage.observer.query(`CREATE ROLE humble LOGIN PASSWORD 'humble'`);
    const { host, port, database } = stage.server;
    const humble = new pg.Pool({ host, port, database, user: 'humble', password: 'humble', max: 1 });
    try {
      const one = postgresCoordinator(humble, { key: 'humble' });
      expect((await failureOf(one.heartbeat(says('a'))))?.message).toMatch(/postgresFleetSchema\(\)/);
      await stage.observer.query(postgresFleetSchema());
      await stage.observer.query('GRANT USAGE ON SCHEMA millpond TO humble');
      await stage.observer.query('GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA millpond TO humble');
      await grant(one, 'a');
    } finally {
      await humble.end();
    }
  });

  test('people can look: who holds and wants what, and how much is free', async () => {
    const one = coordinator('people');
    await grant(one, 'a', { name: 'orders@one', held: 3, base: 5, demand: 7, shortMs: 1_200 });
    expect(await stage.observer.query('SELECT * FROM millpond.fleets')).toMatchObject([
      { fleet: 'people', limit: '22', guard: '2', reserved: '3', free: '17', members: '1' },
    ]);
    expect(await stage.observer.query('SELECT * FROM millpond.fleet_members')).toMatchObject([
      { fleet: 'people', name: 'orders@one', held: '3', permit: '3', needs: '5', wants: '7', short_ms: '1200' },
    ]);
  });

  test('a session that would read what is old is refused, and does no harm', async () => {
    const serial = new pg.Pool({ ...stage.options('serial'), max: 1, options: '-c default_transaction_isolation=serializable' });
    try {
      await grant(coordinator('serial'), 'a');
      const failure = await failureOf(postgresCoordinator(serial, { key: 'serial' }).heartbeat(says('b')));
      expect(failure?.message).toMatch(/needs READ COMMITTED, not serializable/);
    } finally {
      await serial.end();
    }
  });

  test('a member in front of which somebody holds the lock gives way, and is not done later', async () => {
    const one = coordinator('locked');
    await grant(one, 'a');
    await stage.observer.query(`BEGIN; SELECT pg_advisory_xact_lock(1835625588, hashtext('locked'))`);
    try {
      expect(await failureOf(one.heartbeat(says('b')))).toMatchObject({ code: '55P03' });
    } finally {
      await stage.observer.query('ROLLBACK');
    }
    expect((await grant(one, 'a')).members).toBe(1);
  });

  describe('the client may be', () => {
    test('a pool of millpond/pg', async () => {
      await using millpond = createPgPool({ ...stage.options('millpond'), max: 1 });
      const one = postgresCoordinator(millpond, { key: 'pools' });
      await grant(one, 'a');
      expect((await one.view(AbortSignal.timeout(10_000))).members).toHaveLength(1);
    });

    test('a client', async () => {
      const client = new pg.Client(stage.options('client'));
      await client.connect();
      await grant(postgresCoordinator(client, { key: 'pools' }), 'a');
      await client.end();
    });

    test('a pool whose connections are all lent: what nobody waits for any more is not sent', async () => {
      const busy = new pg.Pool({ ...stage.options('busy'), max: 1 });
      const one = postgresCoordinator(busy, { key: 'busy' });
      await grant(one, 'a');
      const lent = await busy.connect();
      const late = failureOf(one.heartbeat(says('b'), AbortSignal.timeout(20)));
      await sleep(50);
      lent.release();
      expect(await late).toBeInstanceOf(Error);
      expect((await one.view()).members.map(({ member }) => member)).toEqual(['a']);
      await busy.end();
    });

    test('a pool whose connections break in the middle of a heartbeat: that fails, and nothing else does', async () => {
      await using proxy = await TcpProxy.start({ host: stage.server.host, port: stage.server.port });
      const broken = new pg.Pool({ ...stage.through(proxy, 'broken'), max: 1 }).on('error', () => undefined);
      const uncaught: unknown[] = [];
      const note = (error: unknown): void => void uncaught.push(error);
      process.on('uncaughtException', note);
      const one = postgresCoordinator(broken, { key: 'broken' });
      await grant(one, 'a');
      await stage.observer.query(`SELECT pg_advisory_lock(1835625588, hashtext('broken'))`);
      try {
        const heartbeat = failureOf(one.heartbeat(says('a')));
        await stage.observer.running('broken', 'fleet_heartbeat');
        proxy.cut();
        expect(await heartbeat).toBeInstanceOf(Error);
        await sleep(50);
        expect(uncaught).toEqual([]);
      } finally {
        process.off('uncaughtException', note);
        await stage.observer.query(`SELECT pg_advisory_unlock(1835625588, hashtext('broken'))`);
      }
      expect((await grant(one, 'a')).members).toBe(1);
      await broken.end();
    });

    test('a pool whose only connection is open at this end alone: another one takes its place', async () => {
      await using proxy = await TcpProxy.start({ host: stage.server.host, port: stage.server.port });
      const half = new pg.Pool({ ...stage.through(proxy, 'half'), max: 1 }).on('error', () => undefined);
      const one = postgresCoordinator(half, { key: 'half' });
      await grant(one, 'a');
      proxy.deaf = true;
      expect(await failureOf(one.heartbeat(says('a'), AbortSignal.timeout(100)))).toBeInstanceOf(Error);
      proxy.deaf = false;
      expect((await grant(one, 'a')).members).toBe(1);
      expect(proxy.passages).toHaveLength(2);
      await half.end();
    });

    test('nothing else', () => {
      expect(() => postgresCoordinator({} as never, { key: 'a' })).toThrow(TypeError);
      expect(() => postgresCoordinator(pool(), { key: 'a', schema: 'a b' })).toThrow(/schema/);
    });
  });
});
