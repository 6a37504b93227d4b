// Rules 19 and 20: whose async context runs what, and nothing takes the process down.

import { AsyncLocalStorage } from 'node:async_hooks';
import { Pool } from 'millpond';
import { ScriptedFactory } from 'millpond/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { expectFailed, expectStats, names, play } from './scenarios/play.ts';

const E = new Error('connection lost');
const storage = new AsyncLocalStorage<string>();
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
});

afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  process.off('uncaughtException', note);
  expect(unhandled).toEqual([]);
});

test("a waiter goes on in its own context, not in the releaser's", async () => {
  const scene = play({ max: 1 });
  const [held] = await scene.borrow(1);
  let seen: string | undefined;
  let inThen: string | undefined;
  const waiting = storage.run('waiter', async () => {
    const promise = scene.pool.acquire();
    void promise.then(() => (inThen = storage.getStore()));
    const lease = await promise;
    seen = storage.getStore();
    lease.release();
  });
  const used = storage.run('user', () => scene.pool.use(() => storage.getStore()));
  storage.run('releaser', () => held!.release());
  await waiting;
  expect([seen, inThen]).toEqual(['waiter', 'waiter']);
  await expect(used).resolves.toBe('user');
  await scene.step();
});

test('an aborted or timed-out waiter too', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const abort = new AbortController();
  const seen: (string | undefined)[] = [];
  for (const options of [{ signal: abort.signal }, { timeoutMs: 10 }]) {
    void storage.run('waiter', async () => {
      await scene.pool.acquire(options).catch(() => undefined);
      seen.push(storage.getStore());
    });
  }
  storage.run('somebody else', () => abort.abort(E));
  await storage.run('time', () => scene.adv(10));
  expect(seen).toEqual(['waiter', 'waiter']);
});

test('hooks run in the context in which the pool was built, whoever caused them', async () => {
  const scene = storage.run('builder', () => play({ max: 2, validateAfterIdleMs: 0 }, { factory: { reset: true } }));
  const seen = new Map<string, Set<string | undefined>>();
  scene.factory.observe((hook) => {
    if (hook === 'isBroken') return;
    seen.set(hook, (seen.get(hook) ?? new Set()).add(storage.getStore()));
  });
  await storage.run('caller', async () => {
    const [request] = await scene.borrow(1);
    request!.release();
    await scene.adv(10);
    const [again] = await scene.borrow(1);
    again!.lease.destroy();
    await scene.step();
  });
  for (const hook of ['create', 'reset', 'validate', 'destroy']) expect([hook, [...seen.get(hook)!]]).toEqual([hook, ['builder']]);
});

test('listeners may throw: nothing breaks, and somebody is told', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const scene = play({ max: 1, leakThresholdMs: 10 });
  for (const event of [
    'create',
    'createError',
    'acquire',
    'acquireError',
    'release',
    'staleRelease',
    'destroy',
    'leak',
    'unleak',
    'state',
  ] as const) {
    scene.pool.on(event, () => {
      throw new Error(`listener of ${event}`);
    });
  }
  scene.factory.script.create.next({ rejects: E });
  const failed = scene.acquire();
  await scene.step();
  expectFailed(failed, 'ERR_POOL_CREATE_FAILED');
  const [held] = await scene.borrow(1);
  const waiter = scene.acquire();
  await scene.adv(20);
  expect(held!.release()).toBe(true);
  held!.release();
  await scene.step();
  expect(names([waiter])).toEqual(['r1']);
  waiter.lease.destroy();
  await scene.step();
  const closing = scene.pool.close();
  await scene.adv(0);
  await closing;
  expect(warn).toHaveBeenCalled();
  warn.mockRestore();
});

test('a listener that unsubscribes itself or another in the middle does not disturb the rest', async () => {
  const scene = play({ max: 1 });
  const seen: string[] = [];
  const offA = scene.pool.on('release', () => {
    seen.push('a');
    offA();
    offB();
  });
  const offB = scene.pool.on('release', () => seen.push('b'));
  scene.pool.on('release', () => seen.push('c'));
  for (let i = 0; i < 2; i++) {
    const [held] = await scene.borrow(1);
    held!.release();
    await scene.step();
  }
  expect(seen.filter((name) => name === 'a')).toHaveLength(1);
  expect(seen.filter((name) => name === 'c')).toHaveLength(2);
  offB();
});

test('resources that die by the dozen with nobody listening are no crash', async () => {
  const scene = play({ max: 10 });
  await scene.fill(10);
  await scene.borrow(5);
  for (const resource of scene.factory.alive()) scene.factory.lost(resource, E);
  await scene.step();
  expectStats(scene, { idle: 0, borrowed: 5 });
});

test('an onLost that throws, that calls back at once, or that answers with nothing, is survived', async () => {
  const factories = {
    throws: () => {
      throw E;
    },
    atOnce: (_: unknown, listener: (cause?: unknown) => void) => {
      listener(E);
      return () => {};
    },
    nothing: () => undefined as unknown as () => void,
    unsubscribeThrows: () => () => {
      throw E;
    },
  };
  for (const [name, onLost] of Object.entries(factories)) {
    const inner = new ScriptedFactory({ onLost: false });
    const pool = new Pool({
      factory: { create: inner.create, destroy: inner.destroy, onLost },
      max: 1,
      acquireTimeoutMs: 50,
      createRetry: false,
    });
    const outcome = await pool.acquire().then(
      (lease) => lease.destroy(),
      (error: unknown) => (error as Error).name,
    );
    expect([true, 'AcquireTimeoutError', 'CreateError'], name).toContain(outcome);
    await pool.close();
    expect(inner.live, name).toBe(0);
  }
});

test("hooks whose promise rejects after they were given up are nobody's unhandled rejection", async () => {
  const scene = play(
    { max: 1, createTimeoutMs: 50, validateTimeoutMs: 50, resetTimeoutMs: 50, destroyTimeoutMs: 50, validateAfterIdleMs: 0 },
    { factory: { reset: true } },
  );
  const { create, validate, reset, destroy } = scene.factory.script;
  create.next('manual');
  scene.acquire();
  await scene.adv(50);
  await scene.fill(1);
  await scene.adv(1);
  validate.next('manual');
  const [held] = await scene.borrow(0).then(() => [scene.acquire()]);
  await scene.adv(50);
  reset.next('manual');
  destroy.next('manual', 'manual');
  held!.release();
  await scene.adv(100);
  for (const script of [create, validate, reset, destroy]) for (const call of script.pending) call.fail(E);
  await scene.step();
  await new Promise((resolve) => setImmediate(resolve));
});

test('rejections with odd values pass through', async () => {
  for (const odd of [undefined, null, 0, '', 'text', { plain: 'object' }]) {
    const scene = play({ max: 1 });
    scene.factory.script.create.next({ rejects: odd });
    const request = scene.acquire();
    await scene.step();
    expectFailed(request, 'ERR_POOL_CREATE_FAILED');
    expect((request.error as Error).cause).toBe(odd);
    expect((request.error as Error).message).not.toBe('');
  }
});

test('thenables that are no promises are waited for', async () => {
  const scene = play({ max: 1 });
  scene.factory.script.create.next(() => ({ then: (done: (value: unknown) => void) => done({ id: 7, name: 'odd' }) }) as never);
  const request = scene.acquire();
  await scene.step();
  expect(request.resource.name).toBe('odd');
});
