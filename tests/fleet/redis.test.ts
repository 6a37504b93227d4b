import { redisCoordinator, type Coordinator, type CoordinatorClock, type Grant, type Heartbeat } from 'millpond/fleet';
import { coordinatorContract, defineCases } from 'millpond/testing';
import { createRedisPool } from 'millpond/redis';
import { afterAll, expect, test } from 'vitest';
import { RedisCoordinator } from '../../packages/millpond/src/fleet/coordinators/redis.ts';
import { failureOf, sleep, until } from '../support/postgres.ts';
import { DRIVERS, onRedis, onRedisWithEach, startRedis, type Driver } from '../support/redis.ts';
import { BRIEF, BRIEF_TAIL_MS, says } from './heartbeats.ts';

const open: { destroy?(): void; disconnect?(): void }[] = [];

/** Connected, and mended by itself, as an application has it. */
async function connected(driver: Driver, port: number): Promise<never> {
  const client = driver.client({ port });
  client.on('error', () => undefined);
  await (client as unknown as { connect(): Promise<unknown> }).connect();
  open.push(client as never);
  return client as never;
}

function end(client: (typeof open)[number]): void {
  try {
    if (client.destroy === undefined) client.disconnect?.();
    else client.destroy();
  } catch {
    // it is closed
  }
}

afterAll(() => open.forEach(end));

async function grant(coordinator: Coordinator, member: string, words: Partial<Heartbeat> = {}): Promise<Grant> {
  const reply = await coordinator.heartbeat(says(member, words));
  expect(reply.kind).toBe('granted');
  return reply as Grant;
}

/** Past its time of learning, which is a brief one. */
async function learnt(coordinator: Coordinator): Promise<void> {
  await grant(coordinator, 'nobody', { ...BRIEF, leaving: true });
  await sleep(BRIEF_TAIL_MS + 20);
}

onRedisWithEach('a fleet\'s coordinator', (stage, driver) => {
  const timed = async (key: string, clock?: CoordinatorClock): Promise<Coordinator> => (
    new RedisCoordinator(await connected(driver, stage.server.port), { key }, clock));
  defineCases(coordinatorContract({ name: 'told the time', coordinator: timed, timed: true }), test);

  const coordinator = async (key: string): Promise<Coordinator> => redisCoordinator(await connected(driver, stage.server.port), { key });
  defineCases(coordinatorContract({
    name: 'in earnest', coordinator,
    forget: () => stage.observer.ask('FLUSHALL'),
    renew: () => stage.server.restart(),
    cut: () => stage.server.kill(),
    mend: () => stage.server.start(),
  }), test);

  test('a server that has lost its scripts is sent the script again', async () => {
    const one = await coordinator('scripts');
    await grant(one, 'a');
    await stage.observer.ask('SCRIPT', 'FLUSH');
    expect((await grant(one, 'a')).members).toBe(1);
  });

  test('what was not sent because nobody was there is not sent later', async () => {
    const one = await coordinator('queue');
    await grant(one, 'nobody', { leaving: true });
    await stage.server.kill();
    const failures = await Promise.all(['a', 'b', 'c'].map((each) => failureOf(one.heartbeat(says(each), AbortSignal.timeout(300)))));
    expect(failures.map((each) => each instanceof Error)).toEqual([true, true, true]);
    await stage.server.start();
    await until('the client to be back', () => failureOf(one.heartbeat(says('d'))), (failure) => failure === undefined);
    expect((await one.view()).members.map(({ member }) => member)).toEqual(['d']);
  });

  test('a server that does not answer for a while is waited for no longer than the signal says', async () => {
    const one = await coordinator('paused');
    await grant(one, 'a');
    await stage.observer.ask('CLIENT', 'PAUSE', '400', 'ALL');
    const heartbeat = one.heartbeat(says('a', { held: 3 }));
    expect((await grant(one, 'b')).members).toBe(2);
    await expect(heartbeat).resolves.toMatchObject({ kind: 'granted' });
  });
});

onRedis('what a fleet leaves in it', (stage) => {
  const [driver] = DRIVERS;

  test('both keys have an end, and lie in one slot', async () => {
    const one = redisCoordinator(await connected(driver!, stage.server.port), { key: 'orders db' });
    await grant(one, 'a', { leaving: true });
    await grant(one, 'a');
    const keys = await stage.observer.ask('KEYS', '*') as string[];
    expect(keys.sort()).toEqual(['millpond:{orders db}:fleet', 'millpond:{orders db}:heard']);
    for (const key of keys) expect(Number(await stage.observer.ask('PTTL', key))).toBeGreaterThan(40_000_000);
  });

  test('a set that was evicted costs the fleet a time of learning, and not its members for ever', async () => {
    const one = redisCoordinator(await connected(driver!, stage.server.port), { key: 'evicted' });
    await learnt(one);
    await grant(one, 'a', { ...BRIEF, base: 20 });
    await stage.observer.ask('DEL', 'millpond:{evicted}:heard');
    await sleep(BRIEF_TAIL_MS + 20);
    expect(await grant(one, 'b', BRIEF)).toMatchObject({ learning: true, members: 1 });
  });

  test('a client that is neither, or a key with braces, is refused', async () => {
    expect(() => redisCoordinator({ on: () => undefined }, { key: 'a' })).toThrow(/node-redis.*ioredis/);
    const client = await connected(driver!, stage.server.port);
    expect(() => redisCoordinator(client, { key: '{a}' })).toThrow(/braces/);
  });

  test('the shared client of a pool of millpond will do', async () => {
    for (const each of DRIVERS) {
      await using pool = createRedisPool({ client: () => each.client({ port: stage.server.port }) });
      const one = redisCoordinator(pool.shared, { key: `pool ${each.name}` });
      expect((await grant(one, 'a')).members).toBe(1);
    }
  });
});

onRedis('failed over to a replica', (stage) => {
  test('it learns, whether or not the replica knows of the last grants', async () => {
    await using replica = await startRedis({ settings: { replicaof: `127.0.0.1 ${stage.server.port}` } });
    const [driver] = DRIVERS;
    const [one, other] = await Promise.all([stage.server.port, replica.port].map(async (port) => (
      redisCoordinator(await connected(driver!, port), { key: 'failover' }))));
    await learnt(one!);
    const before = await grant(one!, 'a', { ...BRIEF, base: 12 });
    await until('the replica to know the fleet', async () => {
      await grant(one!, 'a', { ...BRIEF, base: 12 });
      return (await other!.view()).members.length;
    }, (members) => members === 1);
    expect(await failureOf(other!.heartbeat(says('b')))).toMatchObject({ message: expect.stringMatching(/READONLY/) });
    // What follows does not reach it any more.
    replica.pause();
    expect((await grant(one!, 'b', { ...BRIEF, base: 8 })).permit).toBe(8);
    await stage.server.kill();
    replica.resume();
    const driverCall = await connected(driver!, replica.port);
    await driver!.call(driverCall, 'REPLICAOF', 'NO', 'ONE');
    const after = await grant(other!, 'c', { ...BRIEF, base: 20 });
    expect(after).toMatchObject({ learning: true, permit: 0, members: 1 });
    expect(after.identity).not.toBe(before.identity);
    await stage.server.start();
  });
});

