// What happens to the processes of a fleet: they crash, freeze and wake, are replaced, become many and few. Whatever happens, the server
// never has more of their sessions than the limit, and those who are left are served.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRedis, type RedisServer } from '../support/redis.ts';
import { Proof, withRedis } from './proof.ts';

withRedis('a fleet of processes', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  test('what processes held that are killed, others have', async () => {
    await using proof = await Proof.start(redis.port, 12, { key: 'killed' });
    const [one, two, ...others] = await proof.start(4);
    await proof.full(proof.fleet.alive);
    await Promise.all([one!.kill(), two!.kill()]);
    await proof.full(others);
    await proof.served(others);
    expect(proof.most).toBe(12);
  });

  test('a frozen process has lost its connections at the server before others get its permits, and is served when it wakes', async () => {
    await using proof = await Proof.start(redis.port, 12, { key: 'frozen' });
    const [frozen, ...others] = await proof.start(4);
    await proof.full(proof.fleet.alive);
    await proof.served([frozen!]);
    frozen!.freeze();
    await proof.gone(frozen!);
    await proof.full(others);
    frozen!.wake();
    await proof.served(proof.fleet.alive);
    expect(proof.most).toBe(12);
  });

  test('clocks that run one per cent fast or slow: leases end in time at the server all the same', async () => {
    await using proof = await Proof.start(redis.port, 12, { key: 'clocks' });
    const slow = await proof.start(2, { clockRate: 0.99 });
    const fast = await proof.start(2, { clockRate: 1.01 });
    await proof.full(proof.fleet.alive);
    for (const each of [slow[0]!, fast[0]!]) {
      const others = proof.fleet.alive.filter((other) => other !== each);
      each.freeze();
      await proof.gone(each);
      await proof.full(others);
      each.wake();
      await proof.served(proof.fleet.alive, 1);
    }
    expect(proof.most).toBe(12);
  });

  test('old and new processes side by side, 10, 20 and 10 again', async () => {
    await using proof = await Proof.start(redis.port, 20, { key: 'rollout' });
    const old = await proof.start(10);
    await proof.full(old);
    const fresh = await proof.start(10);
    await proof.served(fresh, 1);
    await Promise.all(old.map((each) => proof.leave(each)));
    await proof.full(fresh);
    await proof.served(fresh);
    expect(proof.most).toBe(20);
  });

  test('from 2 processes to 40, twice as many as there are connections, and back', async () => {
    await using proof = await Proof.start(redis.port, 20, { key: 'scaled' });
    const first = await proof.start(2);
    await proof.full(first);
    const more = await proof.start(38);
    await proof.served(proof.fleet.alive, 1);
    await Promise.all(more.map((each) => proof.leave(each)));
    await proof.full(first);
    await proof.served(first);
    expect(proof.most).toBe(20);
  });
});
