// Idleness, events, and the end.

import { expect, test } from 'vitest';
import { live, play, watch, type Thing } from './stage.ts';

test('what is idle for idleTimeoutMillis goes, down to min', async () => {
  const stage = play({ min: 1, max: 3, idleTimeoutMillis: 1000 });
  const things = await Promise.all([1, 2, 3].map(() => stage.pool.acquire().promise));
  for (const thing of things) stage.pool.release(thing);
  await stage.clock.advance(999);
  expect(live(stage)).toBe(3);
  await stage.clock.advance(1);
  expect([live(stage), stage.pool.numFree()]).toEqual([1, 1]);
});

test('min counts what is used, and check() looks at once', async () => {
  const stage = play({ min: 2, max: 3, idleTimeoutMillis: 500 });
  const things = await Promise.all([1, 2, 3].map(() => stage.pool.acquire().promise));
  stage.pool.release(things[0]!);
  stage.pool.release(things[1]!);
  stage.pool.check();
  expect(live(stage)).toBe(3);
  await stage.clock.advance(500);
  stage.pool.check();
  expect([live(stage), stage.pool.numUsed(), stage.pool.numFree()]).toEqual([2, 1, 1]);
});

test('startReaping and stopReaping tell of the first resource and of the empty pool, again and again', async () => {
  const stage = play({ idleTimeoutMillis: 100 });
  const seen: string[] = [];
  for (const name of ['startReaping', 'stopReaping']) stage.pool.on(name, () => seen.push(name));
  expect(stage.pool.interval).toBe(null);
  for (let round = 0; round < 2; round++) {
    stage.pool.release(await stage.pool.acquire().promise);
    expect(stage.pool.interval).not.toBe(null);
    await stage.clock.advance(100);
    expect(stage.pool.interval).toBe(null);
  }
  expect(seen).toEqual(['startReaping', 'stopReaping', 'startReaping', 'stopReaping']);
});

test('every request has an event with a number, and its outcome has the same', async () => {
  let creates = 0;
  const stage = play({
    max: 1,
    propagateCreateError: true,
    create: async () => {
      if (++creates === 1) throw new Error('refused');
      return { id: creates, destroyed: 0 };
    },
  });
  const { pool } = stage;
  const seen: unknown[][] = [];
  for (const name of [
    'acquireRequest', 'acquireSuccess', 'acquireFail', 'release', 'createRequest', 'createSuccess', 'createFail', 'destroyRequest',
    'destroySuccess', 'poolDestroyRequest', 'poolDestroySuccess',
  ]) pool.on(name, (...values: unknown[]) => seen.push([name, ...values]));
  await pool.acquire().promise.catch(() => undefined);
  const thing = await pool.acquire().promise;
  pool.release(thing);
  await pool.destroy();
  const refused = expect.objectContaining({ message: 'refused' });
  expect(seen).toEqual([
    ['acquireRequest', 1], ['createRequest', 2], ['createFail', 2, refused], ['acquireFail', 1, refused],
    ['acquireRequest', 3], ['createRequest', 4], ['createSuccess', 4, thing], ['acquireSuccess', 3, thing],
    ['release', thing],
    ['poolDestroyRequest', 5], ['destroyRequest', 6, thing], ['destroySuccess', 6, thing], ['poolDestroySuccess', 5],
  ]);
  expect(pool.emitter.eventNames()).toEqual([]);
});

test('a listener that throws is logged, and the others hear', async () => {
  const { pool, log } = play();
  const heard: unknown[] = [];
  const broken = (): never => { throw new Error('broken listener'); };
  pool.on('acquireRequest', broken);
  pool.on('acquireRequest', (id: number) => heard.push(id));
  pool.release(await pool.acquire().promise);
  expect(heard).toEqual([1]);
  expect(log[0]).toContain('Tarn: event handler "acquireRequest" threw an exception Error: broken listener');
  pool.removeListener('acquireRequest', broken);
  pool.removeAllListeners('acquireRequest');
  await pool.acquire().promise;
  expect(heard).toEqual([1]);
});

test('a destroy that fails or takes too long is logged, told once, and does not hold up the end', async () => {
  for (const destroy of [() => { throw new Error('no'); }, () => Promise.reject(new Error('no')), () => new Promise(() => undefined)]) {
    const stage = play({ destroy, destroyTimeoutMillis: 1000 });
    const failures: unknown[] = [];
    stage.pool.on('destroyFail', (...values: unknown[]) => failures.push(values));
    stage.pool.release(await stage.pool.acquire().promise);
    const end = watch(stage.pool.destroy());
    await stage.clock.advance(1000);
    expect(end.state).toBe('resolved');
    expect(failures).toHaveLength(1);
    expect(stage.log[0]).toMatch(/resource destroyer threw an exception Error: (?:no|operation timed out)/);
  }
});

test('destroy waits for creates and for what is used, aborts who waits, and says how it went', async () => {
  let come: (thing: Thing) => void = () => undefined;
  const stage = play({ max: 3, create: () => new Promise<Thing>((resolve) => { come = resolve; }) });
  const first = stage.pool.acquire().promise;
  come({ id: 1, destroyed: 0 });
  const thing = await first;
  const waiting = watch(stage.pool.acquire().promise);
  const end = watch(stage.pool.destroy());
  await stage.clock.advance(100);
  expect(waiting.value).toMatchObject({ message: 'aborted' });
  expect(end.state).toBe('pending');
  const late: Thing = { id: 2, destroyed: 0 };
  come(late);
  await stage.clock.advance(0);
  expect([late.destroyed, end.state]).toEqual([1, 'pending']);
  stage.pool.release(thing);
  await stage.clock.advance(0);
  expect(thing.destroyed).toBe(1);
  expect(end.state).toBe('resolved');
  expect((end.value as { isRejected(): boolean }).isRejected()).toBe(false);
  expect(stage.pool.isEmpty()).toBe(true);
});

test('who waits for a validation at the destroy still gets its resource', async () => {
  const validations: ((valid: boolean) => void)[] = [];
  const stage = play({ max: 1, validate: () => new Promise((resolve) => { validations.push(resolve); }) });
  const served = watch(stage.pool.acquire().promise);
  const other = watch(stage.pool.acquire().promise);
  await stage.clock.advance(0);
  const end = watch(stage.pool.destroy());
  await stage.clock.advance(0);
  expect([served.state, other.state]).toEqual(['pending', 'rejected']);
  validations[0]!(true);
  await stage.clock.advance(0);
  expect(served.value).toBe(stage.made[0]);
  stage.pool.release(stage.made[0]!);
  await stage.clock.advance(0);
  expect(end.state).toBe('resolved');
});

test('after the destroy nobody waits in vain: an acquire is aborted at once, and a second destroy resolves', async () => {
  const stage = play();
  await stage.pool.destroy();
  await expect(stage.pool.acquire().promise).rejects.toThrow('aborted');
  expect((await stage.pool.destroy()).isRejected()).toBe(false);
});

test('a pool has its options as properties, with the defaults filled in', () => {
  expect(play({ min: 1, max: 3, idleTimeoutMillis: 500 }).pool).toMatchObject({
    min: 1, max: 3, acquireTimeoutMillis: 30_000, createTimeoutMillis: 30_000, destroyTimeoutMillis: 5_000, idleTimeoutMillis: 500,
    reapIntervalMillis: 1_000, createRetryIntervalMillis: 200, propagateCreateError: false,
  });
});
