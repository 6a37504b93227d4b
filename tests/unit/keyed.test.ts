// Rule 22: a pool per key.

import { KeyedPool, type Factory, type KeyedPoolOptions, type Lease } from 'millpond';
import { probeCapacity, ScriptedFactory, VirtualClock, type ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';

interface World {
  readonly clock: VirtualClock;
  readonly pool: KeyedPool<string, ScriptedResource>;
  readonly factories: Map<string, ScriptedFactory>;
  readonly made: string[];
  acquire(key: string, options?: { readonly timeoutMs?: number }): { lease: Lease<ScriptedResource> | undefined; error: unknown };
  live(): number;
}

function world(options: Partial<KeyedPoolOptions<string, ScriptedResource>> = {}): World {
  const clock = new VirtualClock();
  const factories = new Map<string, ScriptedFactory>();
  const made: string[] = [];
  const pool = new KeyedPool<string, ScriptedResource>({
    factory: (key): Factory<ScriptedResource> => {
      made.push(key);
      const factory = factories.get(key) ?? new ScriptedFactory({ clock });
      factories.set(key, factory);
      return factory;
    },
    clock,
    max: 2,
    acquireTimeoutMs: 1000,
    createRetry: false,
    validateAfterIdleMs: Infinity,
    idleTimeoutMs: Infinity,
    maxLifetimeMs: Infinity,
    ...options,
  });
  return {
    clock, pool, factories, made,
    acquire: (key, acquireOptions) => {
      const request: { lease: Lease<ScriptedResource> | undefined; error: unknown } = { lease: undefined, error: undefined };
      pool.acquire(key, acquireOptions).then(
        (lease) => (request.lease = lease),
        (error: unknown) => (request.error = error),
      );
      return request;
    },
    live: () => [...factories.values()].reduce((sum, factory) => sum + factory.live, 0),
  };
}

test('each key has resources of its own and a limit of its own', async () => {
  const { acquire, clock, factories, pool } = world();
  const requests = ['a', 'a', 'a', 'b', 'b', 'b'].map((key) => acquire(key));
  await clock.flush();
  expect(requests.map((request) => request.lease !== undefined)).toEqual([true, true, false, true, true, false]);
  expect(factories.get('a')!.creates).toBe(2);
  expect(pool.stats()).toMatchObject({ keys: 2, size: 4, borrowed: 4, idle: 0, waiting: 2 });
  expect(pool.stats().perKey.get('a')).toMatchObject({ borrowed: 2, waiting: 1 });
  requests[0]!.lease!.release();
  await clock.flush();
  expect(requests[2]!.lease).toBeDefined();
  expect(requests[5]!.lease).toBeUndefined();
});

test('keyOf says which keys are the same', async () => {
  const { pool, clock, made } = world({ keyOf: (key) => key.toLowerCase() });
  (await pool.acquire('Host')).release();
  (await pool.acquire('HOST')).release();
  await clock.flush();
  expect(made).toEqual(['Host']);
  expect(pool.tryAcquire('host')?.resource.name).toBe('r1');
});

test('the limit over all keys holds, as the factories see it', async () => {
  const { acquire, clock, live, pool } = world({ max: 5, maxTotal: 4 });
  const requests = Array.from({ length: 12 }, (_, index) => acquire(`key${index % 3}`));
  await clock.flush();
  expect(live()).toBe(4);
  expect(pool.stats()).toMatchObject({ size: 4, waiting: 8 });
  expect(requests.filter((request) => request.lease !== undefined)).toHaveLength(4);
});

test('idle resources of a quiet key make room for a busy one', async () => {
  const { acquire, clock, live, pool } = world({ max: 4, maxTotal: 4 });
  const quiet = Array.from({ length: 4 }, () => acquire('quiet'));
  await clock.flush();
  for (const request of quiet) request.lease!.release();
  await clock.flush();
  const busy = Array.from({ length: 4 }, () => acquire('busy'));
  await clock.flush();
  expect(busy.filter((request) => request.lease !== undefined)).toHaveLength(4);
  expect(live()).toBe(4);
  expect(pool.stats().perKey.get('quiet')!.totals.destroyed.recalled).toBe(4);
});

test('a key that waits gets its part of what others hold, as it comes back', async () => {
  const { acquire, clock, live } = world({ max: 4, maxTotal: 4 });
  const first = Array.from({ length: 6 }, () => acquire('first'));
  await clock.flush();
  const late = Array.from({ length: 2 }, () => acquire('late'));
  await clock.flush();
  expect(late.filter((request) => request.lease !== undefined)).toHaveLength(0);
  for (const request of first) {
    request.lease?.release();
    await clock.flush();
    expect(live()).toBeLessThanOrEqual(4);
  }
  expect(late.filter((request) => request.lease !== undefined)).toHaveLength(2);
});

test('a key without resources is forgotten after a while, and starts anew', async () => {
  const { acquire, clock, pool, made } = world({ idleTimeoutMs: 1000, forgetAfterMs: 5000 });
  const request = acquire('a');
  await clock.flush();
  request.lease!.release();
  await clock.advance(1000);
  expect(pool.stats()).toMatchObject({ keys: 1, size: 0 });
  await clock.advance(10_000);
  expect(pool.stats().keys).toBe(0);
  expect(pool.get('a')).toBeUndefined();
  expect(clock.pending).toBe(0);
  const again = acquire('a');
  await clock.flush();
  expect(again.lease).toBeDefined();
  expect(made).toEqual(['a', 'a']);
});

test('a key that is in use, or waited for, is not forgotten', async () => {
  const { acquire, clock, factories, pool } = world({ forgetAfterMs: 1000, max: 1 });
  const held = acquire('held');
  await clock.flush();
  const stuck = acquire('stuck', { timeoutMs: Infinity });
  factories.get('stuck')!.script.create.does('manual');
  await clock.advance(60_000);
  expect(pool.stats().keys).toBe(2);
  expect(held.lease!.ended).toBe(false);
  expect(stuck.lease === undefined || !stuck.lease.ended).toBe(true);
});

test('ten thousand keys that fell silent leave nothing behind', async () => {
  const { acquire, clock, pool, live } = world({ idleTimeoutMs: 100, forgetAfterMs: 1000 });
  for (let i = 0; i < 10_000; i++) {
    const request = acquire(`tenant${i}`);
    if (i % 100 === 99) await clock.flush();
    void Promise.resolve().then(() => request);
  }
  await clock.flush();
  for (const key of pool.stats().perKey.keys()) for (const holder of pool.get(key)!.holders()) expect(holder.id).toBe(1);
  expect(pool.stats()).toMatchObject({ keys: 10_000, borrowed: 10_000 });
  const closing = pool.close({ deadlineMs: 0 });
  await clock.advance(1000);
  expect((await closing).abandoned).toHaveLength(10_000);
  expect(live()).toBe(0);
  expect(clock.pending).toBe(0);
});

test('evict concerns one key or all', async () => {
  const { acquire, clock, pool, factories } = world();
  const requests = ['a', 'b'].map((key) => acquire(key));
  await clock.flush();
  for (const request of requests) request.lease!.release();
  expect(pool.evict('a')).toBe(1);
  await clock.flush();
  expect([...factories.values()].map((factory) => factory.live)).toEqual([0, 1]);
  expect(pool.evict('unknown')).toBe(0);
  expect(pool.evict()).toBe(1);
});

test('close ends all keys, refuses new ones, and is one promise', async () => {
  const { acquire, clock, pool, live } = world();
  const [a] = [acquire('a'), acquire('b')];
  const waiter = [acquire('a'), acquire('a')][1]!;
  await clock.flush();
  const closing = pool.close({ deadlineMs: 500 });
  expect(pool.close()).toBe(closing);
  expect(pool.state).toBe('draining');
  a.lease!.release();
  await clock.flush();
  expect(waiter.error).toMatchObject({ code: 'ERR_POOL_CLOSED' });
  await expect(pool.acquire('new')).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  await expect(pool.use('a', () => 1)).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  await clock.advance(500);
  expect((await closing).abandoned).toHaveLength(2);
  expect(live()).toBe(0);
  expect(pool.state).toBe('closed');
  expect(clock.pending).toBe(0);
});

test('a factory that cannot be made for a key fails that acquire and nothing else', async () => {
  const bug = new Error('no such tenant');
  const inner = new ScriptedFactory();
  const pool = new KeyedPool<string, ScriptedResource>({
    factory: (key) => {
      if (key === 'bad') throw bug;
      return inner;
    },
  });
  await expect((async () => pool.acquire('bad'))()).rejects.toBe(bug);
  await expect(pool.use('good', (resource) => resource.name)).resolves.toBe('r1');
  await pool.close();
});

test('acquire and use never throw synchronously, whatever the key', () => {
  const pool = new KeyedPool<string, ScriptedResource>({
    factory: () => {
      throw new Error('no such tenant');
    },
  });
  for (const call of [() => pool.acquire('bad'), () => pool.use('bad', () => 1)]) {
    const promise = call();
    expect(promise).toBeInstanceOf(Promise);
    promise.catch(() => undefined);
  }
});

test('after a storm over many keys every key still has its full capacity', async () => {
  const { acquire, clock, pool } = world({ max: 3, maxTotal: 5, acquireTimeoutMs: 50 });
  for (let i = 0; i < 300; i++) {
    const request = acquire(`key${i % 4}`);
    await clock.advance(i % 7);
    if (i % 3 === 0) request.lease?.destroy();
    else request.lease?.release();
    const done = request;
    clock.schedule(clock.now() + 20, () => done.lease?.release());
  }
  await clock.advance(1000);
  expect(pool.stats().borrowed).toBe(0);
  for (const key of ['key0', 'key1', 'key2', 'key3']) await probeCapacity(pool.get(key)!, clock);
});

test('bad options are named', () => {
  const factory = (): ScriptedFactory => new ScriptedFactory();
  for (const [options, option] of [
    [{ factory, maxTotal: 0 }, 'maxTotal'],
    [{ factory, forgetAfterMs: -1 }, 'forgetAfterMs'],
    [{ factory, maxTotl: 3 }, 'maxTotl'],
    [{ factory: 7 }, 'factory'],
    [{ factory, keyOf: 'x' }, 'keyOf'],
    [{ factory, max: -1 }, 'max'],
  ] as const) {
    expect(() => new KeyedPool(options as never), option).toThrow(expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION', option }));
  }
});

test('the pool of a key can be opened before anybody asks, and is kept while it has a min though its server is down', async () => {
  const { clock, pool, factories, made } = world({ forgetAfterMs: 1_000 });
  const opened = pool.open('a');
  expect(pool.open('a')).toBe(opened);
  expect(pool.get('a')).toBe(opened);
  expect(made).toEqual(['a']);
  factories.get('a')!.failCreates(new Error('down'));
  opened.resize({ min: 1 });
  await clock.advance(10_000);
  expect(pool.get('a')).toBe(opened);
  opened.resize({ min: 0 });
  await clock.advance(30_000);
  expect(pool.get('a')).toBeUndefined();
});
