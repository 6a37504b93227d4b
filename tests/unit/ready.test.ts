// ready(): the pool is filled up to min, or says why not.

import { expect, test } from 'vitest';
import { manually, play } from './scenarios/play.ts';

const E = new Error('connect ECONNREFUSED');

test('it resolves when min resources are alive, at once when they are', async () => {
  const scene = play({ min: 2, max: 4 }, { prepare: manually });
  let ready = 0;
  void scene.pool.ready().then(() => ready++);
  await scene.step();
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(ready).toBe(0);
  scene.factory.pending[0]!.ok();
  await scene.step();
  expect(ready).toBe(1);
  await scene.pool.ready();
  await play().pool.ready();
});

test('without createRetry it rejects with the create error; with it, it waits for a later success', async () => {
  const hasty = play({ min: 1 }, { prepare: (factory) => factory.failCreates(E) });
  await expect(hasty.pool.ready()).rejects.toMatchObject({ cause: E });

  const patient = play({ min: 1, createRetry: { initialDelayMs: 100, jitter: 0 } }, { prepare: (factory) => factory.failCreates(E) });
  let ready = false;
  void patient.pool.ready().then(() => (ready = true));
  await patient.adv(250);
  patient.factory.auto = true;
  expect(ready).toBe(false);
  await patient.adv(100);
  expect(ready).toBe(true);
});

test('it rejects at its timeout with the last create error as the cause, and leaves no timer of its own', async () => {
  const scene = play({ min: 1, createRetry: { initialDelayMs: 100, jitter: 0 } }, { prepare: (factory) => factory.failCreates(E) });
  const failed = scene.pool.ready({ timeoutMs: 500 }).then(
    () => undefined,
    (error: unknown) => error,
  );
  await scene.adv(499);
  await scene.adv(1);
  expect(await failed).toMatchObject({ cause: E });
});

test('a permanent failure ends it at once', async () => {
  const scene = play(
    { min: 1, createRetry: {} },
    { factory: { classify: () => 'permanent' }, prepare: (factory) => factory.failCreates(E) },
  );
  await expect(scene.pool.ready()).rejects.toMatchObject({ cause: E });
});

test('an abort ends it with the reason of the signal, and close with a PoolClosedError', async () => {
  const scene = play({ min: 1 }, { prepare: manually });
  const abort = new AbortController();
  const aborted = scene.pool.ready({ signal: abort.signal });
  const closed = scene.pool.ready();
  abort.abort(E);
  await expect(aborted).rejects.toBe(E);
  await expect(scene.pool.ready({ signal: AbortSignal.abort(E) })).rejects.toBe(E);
  void scene.pool.close({ deadlineMs: 100 });
  await expect(closed).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  await scene.adv(100);
});

test('a lower min makes it ready', async () => {
  const scene = play({ min: 2, max: 2 }, { prepare: manually });
  let ready = false;
  void scene.pool.ready().then(() => (ready = true));
  await scene.step();
  scene.factory.pending[0]!.ok();
  await scene.step();
  scene.pool.resize({ min: 1 });
  await scene.step();
  expect(ready).toBe(true);
});
