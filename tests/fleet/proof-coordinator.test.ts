// What happens to the engine that has the budget, and to the way there: processes are cut off, it is killed and comes back with nothing in
// it, is emptied, fails over to a replica that has not heard the last. Whatever happens, the server never has more sessions of the fleet
// than the limit, and when the engine answers again all are served.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Process } from '../../lab/src/fleet/processes.ts';
import { until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { Observer, startRedis, type RedisServer } from '../support/redis.ts';
import { Proof, withRedis } from './proof.ts';

const LIMIT = 12;

/** Until each has this many permits, as it knows. */
const have = (processes: readonly Process[], permits: number): Promise<unknown> => (
  until(`each to have ${permits}`, () => processes.map(({ may }) => may), (all) => all.every((each) => each === permits)));

withRedis('a fleet whose coordinator is in trouble', () => {
  let redis: RedisServer;
  let proof: Proof;
  let observer: Observer;
  /** Where the processes look for it. */
  const way = { port: 0, record: false };
  let proxy: TcpProxy;

  beforeAll(async () => {
    redis = await startRedis();
    observer = new Observer(redis.port);
  });
  afterAll(async () => {
    observer.close();
    await redis.stop();
  });
  beforeEach(async () => {
    way.port = redis.port;
    proxy = await TcpProxy.start(way);
  });
  afterEach(async () => {
    await proof[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  test('what those held that are cut off from it, others have; when they are back, all are served', async () => {
    proof = await Proof.start(redis.port, LIMIT, { key: 'partition' });
    const near = await proof.start(2);
    const far = await proof.start(2, { redisPort: proxy.port });
    await proof.full([...near, ...far]);
    proxy.silence();
    await Promise.all(far.map((each) => proof.gone(each)));
    await proof.full(near);
    proxy.resume();
    proxy.cut();
    await proof.full([...near, ...far]);
    await proof.served(far);
    expect(proof.most).toBe(LIMIT);
  });

  test('without it, each lives on its floor; when it is back, and has forgotten everything, on all of it', async () => {
    proof = await Proof.start(redis.port, LIMIT, { key: 'killed', floor: 1, members: 4 });
    const all = await proof.start(4);
    await proof.full(all);
    await redis.kill();
    observer.close();
    await have(all, 1);
    await proof.served(all);
    await redis.start();
    await proof.full(all);
    expect(proof.most).toBe(LIMIT);
  });

  test('started again at once, it has forgotten everything, and grants nothing twice to those who come then', async () => {
    proof = await Proof.start(redis.port, LIMIT, { key: 'restarted' });
    const old = await proof.start(3);
    await proof.full(old);
    await redis.restart();
    observer.close();
    await proof.served(await proof.start(2));
    await proof.full(proof.fleet.alive);
    expect(proof.most).toBe(LIMIT);
  });

  test('emptied by FLUSHALL while processes are killed and others come', async () => {
    proof = await Proof.start(redis.port, LIMIT, { key: 'flushed' });
    const [one, ...old] = await proof.start(3);
    await proof.full([one!, ...old]);
    await observer.ask('FLUSHALL');
    one!.freeze();
    const added = await proof.start(2);
    await proof.served(added);
    await proof.gone(one!);
    await proof.full([...old, ...added]);
    one!.wake();
    await proof.served(proof.fleet.alive);
    expect(proof.most).toBe(LIMIT);
  });

  test('failed over to a replica that has not heard of those who have everything', async () => {
    await using replica = await startRedis({ settings: { replicaof: `127.0.0.1 ${redis.port}` } });
    const other = new Observer(replica.port);
    const heard = (members: number): Promise<unknown> => (
      until(`the replica to know of ${members}`, () => other.ask('ZCARD', 'millpond:{failover}:heard'), (known) => known === members));
    proof = await Proof.start(redis.port, LIMIT, { key: 'failover', redisPort: proxy.port });
    const [before] = await proof.start(1);
    await proof.full([before!]);
    await heard(1);
    await proof.leave(before!);
    await heard(0);
    // What follows does not reach it any more.
    await other.ask('REPLICAOF', 'NO', 'ONE');
    const holders = await proof.start(2);
    await proof.full(holders);
    await redis.kill();
    // Somebody new is the first to find the new primary.
    const [added] = await proof.start(1, { redisPort: replica.port });
    await heard(1);
    way.port = replica.port;
    proxy.cut();
    await proof.served([added!, ...holders]);
    await proof.full(proof.fleet.alive);
    expect(proof.most).toBe(LIMIT);
    other.close();
    observer.close();
    await redis.start();
  });
});
