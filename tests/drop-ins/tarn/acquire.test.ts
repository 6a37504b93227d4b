// What tarn's users know of acquire and release.

import tarn, { Pool, TimeoutError } from '@millpond/tarn';
import { AcquireTimeoutError } from 'millpond';
import { expect, test } from 'vitest';
import { live, play, watch, type Thing } from './stage.ts';

test('the package is what tarn is: an object with Pool and TimeoutError', () => {
  expect(Object.keys(tarn)).toEqual(['Pool', 'TimeoutError']);
  expect(tarn.Pool).toBe(Pool);
  expect(new TimeoutError('late')).toBeInstanceOf(Error);
});

test('options are checked in the words of tarn, and the engine says what is wrong with its own', () => {
  const hooks = { create: () => ({}), destroy: () => undefined };
  expect(() => new Pool({ ...hooks, min: 2, max: 1 })).toThrow('Tarn: opt.max is smaller than opt.min');
  expect(() => new Pool({ ...hooks, min: 0, max: 1, acquireTimeoutMillis: 0 })).toThrow('Tarn: invalid opt.acquireTimeoutMillis 0');
  expect(() => new Pool({ ...hooks, min: 0, max: 1, idleTimeout: 1 } as never)).toThrow('Tarn: unsupported option opt.idleTimeout');
  expect(() => new Pool({ ...hooks, min: 0, max: 1, millpond: { maxUsers: 3 } as never })).toThrow(/maxUsers; did you mean maxUses/);
});

test('a resource is made on demand, by promise or by callback, and lent again after its release', async () => {
  const promised = async (): Promise<Thing> => ({ id: 1, destroyed: 0 });
  const calledBack = (done: (error: null, thing: Thing) => void): void => done(null, { id: 1, destroyed: 0 });
  for (const create of [promised, calledBack]) {
    const { pool } = play({ create });
    const thing = await pool.acquire().promise;
    expect([pool.numUsed(), pool.numFree(), pool.numPendingCreates()]).toEqual([1, 0, 0]);
    expect(pool.release(thing)).toBe(true);
    expect([pool.numUsed(), pool.numFree()]).toEqual([0, 1]);
    expect(await pool.acquire().promise).toBe(thing);
  }
});

test('two resources that are the same number are two resources', async () => {
  const pool = new Pool<number>({ create: () => 7, destroy: () => undefined, min: 0, max: 2 });
  expect(await Promise.all([pool.acquire().promise, pool.acquire().promise])).toEqual([7, 7]);
  expect([pool.release(7), pool.release(7), pool.release(7)]).toEqual([true, true, false]);
  expect(pool.numFree()).toBe(2);
});

test('of two resources that are the same number one goes, and the other is validated as before', async () => {
  let created = 0;
  let asked = 0;
  const pool = new Pool<number>({
    create: () => { created++; return 7; },
    destroy: () => undefined,
    validate: async () => ++asked !== 3,
    min: 0, max: 2,
  });
  const things = await Promise.all([pool.acquire().promise, pool.acquire().promise]);
  for (const thing of things) pool.release(thing);
  expect(await pool.acquire().promise).toBe(7);
  expect([asked, created, pool.numUsed()]).toEqual([4, 2, 1]);
  expect([pool.release(7), pool.release(7)]).toEqual([true, false]);
});

test('whoever waits is served in the order of asking', async () => {
  const { pool, clock } = play({ max: 1 });
  const thing = await pool.acquire().promise;
  const served: string[] = [];
  for (const name of ['first', 'second']) void pool.acquire().promise.then((next) => { served.push(name); pool.release(next); });
  expect(pool.numPendingAcquires()).toBe(2);
  pool.release(thing);
  await clock.advance(0);
  expect(served).toEqual(['first', 'second']);
});

test('an aborted acquire rejects with "aborted" and takes nothing', async () => {
  const { pool, clock } = play({ max: 1 });
  const thing = await pool.acquire().promise;
  const pending = pool.acquire();
  const next = watch(pool.acquire().promise);
  pending.abort();
  expect(pending.isRejected).toBe(true);
  await expect(pending.promise).rejects.toThrow('aborted');
  expect(pool.numPendingAcquires()).toBe(1);
  pool.release(thing);
  await clock.advance(0);
  expect(next.value).toBe(thing);
  pending.abort();
});

test('an acquire that is aborted when its resource is on the way gives it back', async () => {
  const { pool, clock } = play({ max: 1 });
  const thing = await pool.acquire().promise;
  const pending = pool.acquire();
  pool.release(thing); // served, and nobody has heard of it yet
  pending.abort();
  await expect(pending.promise).rejects.toThrow('aborted');
  await clock.advance(0);
  expect([pool.numUsed(), pool.numFree()]).toEqual([0, 1]);
});

test('an acquire that was served cannot be aborted', async () => {
  const { pool } = play();
  const pending = pool.acquire();
  const thing = await pending.promise;
  pending.abort();
  expect(pending.isRejected).toBe(false);
  expect(pool.release(thing)).toBe(true);
  const atOnce = pool.acquire();
  atOnce.abort();
  expect(await atOnce.promise).toBe(thing);
});

test('a time-out is a TimeoutError with the message of the last create, and what the engine has to say as its cause', async () => {
  const failing = play({ create: () => Promise.reject(new Error('connection refused')), acquireTimeoutMillis: 1000 });
  const pending = failing.pool.acquire();
  const outcome = watch(pending.promise);
  await failing.clock.advance(1000);
  expect(outcome.value).toBeInstanceOf(TimeoutError);
  expect(outcome.value).toMatchObject({ message: 'connection refused' });
  expect((outcome.value as Error).cause).toBeInstanceOf(AcquireTimeoutError);
  expect(pending.possibleTimeoutCause?.message).toBe('connection refused');

  const full = play({ max: 1, acquireTimeoutMillis: 1000 });
  await full.pool.acquire().promise;
  const late = watch(full.pool.acquire().promise);
  await full.clock.advance(1000);
  expect(late.value).toMatchObject({ message: 'operation timed out for an unknown reason' });
  expect(((late.value as Error).cause as Error).message).toContain('1 borrowed');
});

test('creates are retried every createRetryIntervalMillis; with propagateCreateError the first in line is told instead', async () => {
  let attempts = 0;
  const create = async (): Promise<Thing> => {
    if (++attempts < 3) throw new Error('starting up');
    return { id: attempts, destroyed: 0 };
  };
  const patient = play({ create, createRetryIntervalMillis: 50 });
  const pending = watch(patient.pool.acquire().promise);
  await patient.clock.advance(99);
  expect([attempts, pending.state]).toEqual([2, 'pending']);
  await patient.clock.advance(1);
  expect([attempts, pending.state]).toEqual([3, 'resolved']);

  attempts = 0;
  const plain = play({ create, max: 1, propagateCreateError: true });
  const first = watch(plain.pool.acquire().promise);
  const second = watch(plain.pool.acquire().promise);
  await plain.clock.advance(0);
  expect([first, second].map(({ value }) => (value as Error).message)).toEqual(['starting up', 'starting up']);
  expect((await plain.pool.acquire().promise).id).toBe(3);
});

test('with propagateCreateError a create that takes too long is told as a TimeoutError', async () => {
  const { pool, clock } = play({ create: () => new Promise(() => undefined), propagateCreateError: true, createTimeoutMillis: 500 });
  const outcome = watch(pool.acquire().promise);
  await clock.advance(500);
  expect(outcome.value).toBeInstanceOf(TimeoutError);
});

test('validate is asked before every acquire, and what fails is replaced for the same acquire', async () => {
  const asked: number[] = [];
  const validate = async ({ id }: Thing): Promise<boolean> => { asked.push(id); return id !== 1 || asked.length === 1; };
  const stage = play({ max: 1, validate });
  const thing = await stage.pool.acquire().promise;
  const next = stage.pool.acquire().promise;
  stage.pool.release(thing);
  expect((await next).id).toBe(2);
  expect(asked).toEqual([1, 1, 2]);
  expect(stage.made.map(({ destroyed }) => destroyed)).toEqual([1, 0]);
});

test.each([['throws', () => { throw new Error('no answer'); }], ['rejects', () => Promise.reject(new Error('no answer'))]])(
  'a validate that %s says no, and is logged', async (_, refuse) => {
    let calls = 0;
    const stage = play({ validate: () => (++calls === 1 ? refuse() : true) });
    expect((await stage.pool.acquire().promise).id).toBe(2);
    expect(stage.log[0]).toContain('Tarn: resource validator threw an exception Error: no answer');
  },
);

test.each(['abort', 'time-out'])('a validation that nobody waits for after an %s ends, and its resource with it', async (how) => {
  const stage = play({ validate: () => new Promise(() => undefined), acquireTimeoutMillis: 1000 });
  const pending = stage.pool.acquire();
  const outcome = watch(pending.promise);
  await stage.clock.advance(0);
  expect([stage.pool.numPendingValidations(), stage.pool.numUsed(), stage.pool.numPendingAcquires()]).toEqual([1, 1, 0]);
  if (how === 'abort') pending.abort();
  await stage.clock.advance(how === 'abort' ? 0 : 1000);
  expect(outcome.state).toBe('rejected');
  expect(live(stage)).toBe(0);
  expect(stage.pool.isEmpty()).toBe(true);
});

test('an application may subclass it and wrap acquire on the prototype', async () => {
  class KnexPool<T> extends Pool<T> {}
  const seen: unknown[] = [];
  const original = Reflect.get(Pool.prototype, 'acquire');
  Pool.prototype.acquire = function traced(this: Pool<unknown>): ReturnType<typeof original> {
    seen.push(this);
    return original.call(this);
  };
  try {
    const pool = new KnexPool({ create: () => ({ id: 1 }), destroy: () => undefined, min: 0, max: 1 });
    expect(await pool.acquire().promise).toEqual({ id: 1 });
    expect(seen).toEqual([pool]);
  } finally {
    Pool.prototype.acquire = original;
  }
});
