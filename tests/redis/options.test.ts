// The options of two kinds in one object, and the clients that a function makes. Nothing here connects.

import { createClient, createClientPool } from '@redis/client';
import { Cluster, Redis } from 'ioredis';
import { InvalidOptionError } from 'millpond';
import { classify, createRedisPool, redisFactory, type RedisFactoryOptions, type RedisPoolOptions } from 'millpond/redis';
import { describe, expect, it } from 'vitest';

const client = (): ReturnType<typeof createClient> => createClient();

function refusal(options: unknown, make: (options: never) => unknown = createRedisPool): InvalidOptionError {
  try {
    make(options as never);
  } catch (error) {
    if (error instanceof InvalidOptionError) return error;
    throw error;
  }
  throw new Error('these options were taken');
}

describe('options of a pool of Redis connections', () => {
  it('are the pool\'s and the adapter\'s', () => {
    const pool = createRedisPool({
      client, name: 'cache', min: 0, max: 5, acquireTimeoutMs: 100, lanes: { high: { share: 2 }, low: { share: 1 } }, sharedConnections: 1,
      sharedDepth: 10, stallMs: Infinity, silenceTimeoutMs: Infinity, cancelTimeoutMs: 1, onFailover: () => undefined,
    });
    expect(pool.name).toBe('cache');
    expect(pool.stats()).toMatchObject({ max: 5, size: 0 });
    expect(pool.sharedStats()).toMatchObject({ name: 'cache/shared', max: 1 });
    expect(createRedisPool({ client, max: 2 }).sharedStats().max).toBe(2);
  });

  it('that nobody knows are refused, with the nearest that somebody knows', () => {
    expect(refusal({ client, sharedConnection: 1 }).message).toContain('sharedConnections');
    expect(refusal({ client, sharing: 5 }).message).toContain('sharedDepth');
    expect(refusal({ client, maximum: 5 }).message).toContain('here it is max');
    const secret = refusal({ client, url: 'redis://:SECRET@host' });
    expect(secret.message).toContain('an option of the client');
    expect(secret.message).not.toContain('SECRET');
    expect(refusal({ client, max: 5 }, redisFactory).message).toContain('is an option of the pool');
    expect(refusal(undefined)).toMatchObject({ option: 'options' });
  });

  it('are of the right kind', () => {
    const wrong: Partial<Record<keyof RedisPoolOptions, unknown[]>> = {
      client: [undefined, 'redis://host', createClient()], onFailover: ['x'], sharedConnections: [0, 1.5, '4', NaN],
      sharedDepth: [0, Infinity], stallMs: [0, -1, NaN, '50'], silenceTimeoutMs: [0, NaN], cancelTimeoutMs: [0, Infinity, '1'],
    };
    for (const [option, values] of Object.entries(wrong)) {
      for (const value of values) expect(refusal({ client, [option]: value }).option).toBe(option);
    }
  });

  it('a timeout of a run that makes no sense is refused', async () => {
    const pool = createRedisPool({ client });
    for (const timeoutMs of [0, -1, NaN]) {
      await expect(pool.run(() => undefined, { timeoutMs })).rejects.toMatchObject({ option: 'timeoutMs' });
      await expect(pool.blocking(() => undefined, { timeoutMs })).rejects.toMatchObject({ option: 'timeoutMs' });
    }
  });
});

describe('the client', () => {
  it('is of a driver that is known, not connected, and no cluster', () => {
    const eager = (): Redis => new Redis({ lazyConnect: false, port: 1, retryStrategy: () => null });
    expect(refusal({ client: eager }).message).toContain('lazyConnect: true');
    expect(refusal({ client: () => createClient({ clientSideCache: {} }) }).message).toContain('caches');
    for (const other of [() => ({}), () => undefined, () => createClientPool(), () => new Cluster([], { lazyConnect: true })]) {
      expect(refusal({ client: other }).message).toContain('createClient()');
    }
  });

  it('that turns out to be something else later fails its connect for good', async () => {
    let made = 0;
    const pool = createRedisPool({ client: () => made++ === 0 ? createClient() : {} as ReturnType<typeof createClient> });
    await expect(pool.shared.ping()).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false });
    const factory = redisFactory({ client: () => ({}) } as unknown as RedisFactoryOptions);
    const created = Promise.resolve(factory.create({ signal: new AbortController().signal, attempt: 1 }));
    const failed: unknown = await created.catch((error: unknown) => error);
    expect(classify(failed)).toBe('permanent');
  });
});

describe('classify', () => {
  it('tells what waiting mends from what it does not', () => {
    const permanent = [
      'NOAUTH Authentication required.', 'WRONGPASS invalid username-password pair or user is disabled.', 'ERR DB index is out of range',
      'NOPERM this user has no permissions to run the \'ping\' command', 'NOPROTO x',
      'ERR AUTH <password> called without any password configured',
    ];
    const transient = [
      'LOADING Redis is loading the dataset in memory', 'ERR max number of clients reached', 'MASTERDOWN Link with MASTER is down',
      'BUSY x', 'CLUSTERDOWN x', 'READONLY x', 'Socket closed unexpectedly', 'anything',
    ];
    for (const message of permanent) expect(classify(new Error(message)), message).toBe('permanent');
    for (const message of transient) expect(classify(new Error(message)), message).toBe('transient');
    const codes = { ECONNREFUSED: 'transient', ECONNRESET: 'transient', EPIPE: 'transient', ENOTFOUND: 'transient', ETIMEDOUT: 'transient',
      CERT_HAS_EXPIRED: 'permanent', ERR_TLS_CERT_ALTNAME_INVALID: 'permanent' };
    for (const [code, kind] of Object.entries(codes)) expect(classify(Object.assign(new Error('x'), { code })), code).toBe(kind);
    const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    expect(classify(new AggregateError([refused, new Error('WRONGPASS')]))).toBe('transient');
    expect(classify(new AggregateError([new Error('WRONGPASS'), new Error('WRONGPASS')]))).toBe('permanent');
  });
});
