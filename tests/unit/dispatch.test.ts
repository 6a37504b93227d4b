// Rules 1 to 4: one dispatch, guarded against re-entry; the fast path; order; and creates that belong to the pool.

import { Pool, type Lease } from 'millpond';
import type { ScriptedResource } from 'millpond/testing';
import { expect, test } from 'vitest';
import { createTimes, expectFailed, expectStats, manually, names, play } from './scenarios/play.ts';

const E = new Error('connect ECONNREFUSED');

test('a factory that answers at once makes a lease without the passing of a turn', async () => {
  const scene = play({ max: 2 });
  scene.factory.script.create.does('sync');
  const request = scene.acquire();
  expectStats(scene, { borrowed: 1, creating: 0, waiting: 0 });
  await scene.step();
  expect(names([request])).toEqual(['r1']);
});

test('a factory that fails at once fails each waiter once, without recursion, however many they are', async () => {
  const scene = play({ max: 2 });
  scene.factory.script.create.does({ throws: E });
  const requests = Array.from({ length: 5000 }, () => scene.acquire());
  await scene.step();
  expectFailed(requests, 'ERR_POOL_CREATE_FAILED');
  expectStats(scene, { size: 0, waiting: 0 });
});

test('ten thousand waiters behind a pause are served and refused without deep recursion', async () => {
  const scene = play({ max: 2, acquireTimeoutMs: 60_000 });
  scene.factory.script.create.does('sync');
  scene.factory.script.destroy.does('sync');
  scene.pool.pause();
  const requests = Array.from({ length: 10_000 }, () => scene.acquire());
  for (const request of requests) void request.promise.then((lease) => lease.destroy());
  scene.pool.resume();
  await scene.adv(0);
  expect(requests.every((request) => request.state === 'served')).toBe(true);
  expect(scene.factory.maxFootprint).toBe(2);
});

test('a listener may acquire, release, destroy and evict in the middle of it all', async () => {
  const scene = play({ max: 2, maxWaiting: 5 });
  scene.factory.script.create.does('sync');
  scene.factory.script.destroy.does('sync');
  const extra: Lease<ScriptedResource>[] = [];
  let turns = 0;
  const meddle = (): void => {
    if (++turns > 200) return;
    scene.acquire();
    const lease = scene.pool.tryAcquire();
    if (lease !== undefined) extra.push(lease);
    if (turns % 3 === 0) extra.pop()?.destroy();
    if (turns % 5 === 0) extra.pop()?.release();
    if (turns % 17 === 0) scene.pool.evict();
  };
  for (const event of ['create', 'acquire', 'release', 'destroy', 'acquireError', 'createError'] as const) scene.pool.on(event, meddle);
  for (let i = 0; i < 20; i++) {
    scene.acquire();
    await scene.step();
    for (const lease of scene.watch.leases.slice(0, 1)) lease.release();
    await scene.step();
  }
  await scene.adv(2000);
  expect(turns).toBeGreaterThan(100);
  expect(scene.requests.every((request) => request.state !== 'waiting')).toBe(true);
});

test('a create hook that acquires from its own pool waits in line like everybody', async () => {
  const scene = play({ max: 1 });
  let inner: ReturnType<typeof scene.acquire> | undefined;
  scene.factory.script.create.next(() => {
    inner = scene.acquire();
    return undefined;
  });
  const outer = scene.acquire();
  await scene.step();
  expect(names([outer])).toEqual(['r1']);
  expect(inner!.state).toBe('waiting');
  expect(scene.factory.creates).toBe(1);
  outer.release();
  await scene.step();
  expect(inner!.state).toBe('served');
});

test('nobody barges: what comes back belongs to the head of the queue before the release returns', async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  const head = scene.acquire();
  await scene.step();
  held!.release();
  expect(scene.pool.tryAcquire()).toBeUndefined();
  const later = scene.acquire();
  let used = false;
  const use = scene.pool.use(() => void (used = true));
  await scene.step();
  expect([head.state, later.state, used]).toEqual(['served', 'waiting', false]);
  head.release();
  await scene.step();
  expect([later.state, used]).toEqual(['served', false]);
  later.release();
  await use;
  await scene.step();
});

test('nor does a listener or a hook that asks in the very moment in which a resource becomes free', async () => {
  const scene = play({ max: 2 });
  let barged = 0;
  const barge = (): void => {
    const lease = scene.pool.tryAcquire();
    if (lease !== undefined) barged++;
    lease?.release();
  };
  scene.pool.on('create', barge);
  scene.pool.on('release', barge);
  scene.factory.observe((hook) => {
    if (hook === 'isBroken' && scene.pool.stats().waiting > 0) barge();
  });
  const requests = [scene.acquire(), scene.acquire(), scene.acquire(), scene.acquire()];
  await scene.step();
  requests[0]!.release();
  requests[1]!.release();
  await scene.step();
  expect(requests.map((request) => request.state)).toEqual(['served', 'served', 'served', 'served']);
  expect(barged).toBe(0);
});

test('a broken return is replaced in that call where closing resources do not count', async () => {
  const scene = play({ max: 1, strictMax: false });
  scene.factory.script.destroy.does('manual');
  const [held] = await scene.borrow(1);
  const waiter = scene.acquire();
  await scene.step();
  scene.factory.broken.add(held!.resource);
  held!.release();
  await scene.step();
  expect(names([waiter])).toEqual(['r2']);
});

test('first in, first out lends the one that was idle longest', async () => {
  const scene = play({ max: 3, idleOrder: 'fifo' });
  const [r1, r2, r3] = await scene.borrow(3);
  for (const request of [r2, r3, r1]) request!.release();
  expect(names(await scene.borrow(3))).toEqual(['r2', 'r3', 'r1']);
});

test('demand that vanished starts no further create', async () => {
  const scene = play({ max: 10, maxCreating: 1 }, { prepare: manually });
  const abort = new AbortController();
  for (let i = 0; i < 5; i++) scene.acquire({ signal: abort.signal });
  await scene.step();
  abort.abort(new Error('gone'));
  await scene.step();
  expect(scene.factory.creates).toBe(1);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expectStats(scene, { idle: 1, size: 1 });
  expect(scene.factory.creates).toBe(1);
});

test('demand that vanished during a backoff is not retried', async () => {
  const scene = play({ max: 2, createRetry: { initialDelayMs: 100, jitter: 0 }, acquireTimeoutMs: 250 });
  scene.factory.failCreates(E);
  const times = createTimes(scene);
  const request = scene.acquire();
  await scene.adv(250);
  expectFailed(request, 'ERR_POOL_ACQUIRE_TIMEOUT');
  expect(scene.clock.pending).toBe(0);
  await scene.adv(60_000);
  expect(times).toEqual([0, 100]);
});

test('a resource that arrives for nobody does not stop the next failure from being told', async () => {
  const scene = play({ max: 3 }, { prepare: manually });
  const requests = [scene.acquire(), scene.acquire(), scene.acquire()];
  await scene.step();
  const [one, two, three] = scene.factory.pending;
  two!.fail(E);
  one!.ok();
  await scene.step();
  expect(requests.map((request) => request.state).sort()).toEqual(['failed', 'served', 'waiting']);
  three!.fail(E);
  await scene.step();
  expect(requests.map((request) => request.state).sort()).toEqual(['failed', 'failed', 'served']);
});

test('a create that fails tells nobody for whom another one still runs', async () => {
  const scene = play({ max: 3 }, { prepare: manually });
  const abort = new AbortController();
  scene.acquire({ signal: abort.signal });
  const stays = scene.acquire();
  await scene.step();
  abort.abort(new Error('gone'));
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expect(stays.state).toBe('waiting');
  expect(scene.factory.creates).toBe(2);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(stays.state).toBe('served');
});

test('an error of one of several creates does not fail more waiters than have lost theirs', async () => {
  const scene = play({ max: 2 });
  const [held] = await scene.borrow(1);
  scene.factory.auto = false;
  const waiter = scene.acquire();
  await scene.step();
  held!.release(); // serves the waiter; its create runs on
  await scene.step();
  const next = scene.acquire();
  await scene.step();
  expect(scene.factory.creates).toBe(2);
  waiter.release(); // serves next
  await scene.step();
  scene.factory.pending[0]!.fail(E);
  await scene.step();
  expect([waiter.state, next.state]).toEqual(['served', 'served']);
});

test('a pool with one waiter and a hundred resources arms one timer', async () => {
  const scene = play({ max: 100, idleTimeoutMs: 1000, maxLifetimeMs: 5000, keepaliveIntervalMs: 300, leakThresholdMs: 700 });
  await scene.borrow(50);
  await scene.fill(50);
  await scene.adv(150);
  expect(scene.clock.pending).toBe(1);
});

test('a listener that gives everything back at once serves twenty thousand waiters without recursion', async () => {
  const pool = new Pool({ factory: { create: () => ({}), destroy: () => undefined }, max: 1 });
  const lease = await pool.acquire();
  const waiting = Array.from({ length: 20_000 }, () => pool.acquire());
  pool.on('acquire', (event) => void event.lease.release());
  lease.release();
  await Promise.all(waiting);
  expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 0, waiting: 0, totals: { served: 20_001 } });
  await pool.close();
});
