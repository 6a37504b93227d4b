// The errors: codes, classes, whether to try again, and what they tell the person on call.

import {
  AcquireError,
  AcquireTimeoutError,
  CreateError,
  InvalidOptionError,
  LeaseEndedError,
  NestedAcquireError,
  OverloadedError,
  PoolClosedError,
  PoolError,
  PoolPausedError,
  PoolUnavailableError,
  QueueFullError,
} from 'millpond';
import { expect, test } from 'vitest';
import { play, type Stage } from './scenarios/play.ts';

const E = new Error('connect ECONNREFUSED 10.0.0.7:5432');

async function failing(scene: Stage, options?: Parameters<Stage['acquire']>[0], waitMs = 0): Promise<AcquireError> {
  const request = scene.acquire({ label: 'GET /orders', ...options });
  await scene.adv(waitMs);
  expect(request.state).toBe('failed');
  return request.error as AcquireError;
}

interface Expected {
  readonly type: abstract new (...args: never[]) => PoolError;
  readonly code: string;
  readonly retryable: boolean;
  readonly cause?: unknown;
  make(): Promise<AcquireError>;
}

const named = { name: 'orders' } as const;

const ACQUIRE_ERRORS: Record<string, Expected> = {
  AcquireTimeoutError: {
    type: AcquireTimeoutError,
    code: 'ERR_POOL_ACQUIRE_TIMEOUT',
    retryable: true,
    make: async () => {
      const scene = play({ ...named, max: 1 });
      await scene.borrow(1);
      return failing(scene, {}, 1000);
    },
  },
  QueueFullError: {
    type: QueueFullError,
    code: 'ERR_POOL_QUEUE_FULL',
    retryable: true,
    make: async () => {
      const scene = play({ ...named, max: 1, maxWaiting: 0 });
      await scene.borrow(1);
      return failing(scene);
    },
  },
  OverloadedError: {
    type: OverloadedError,
    code: 'ERR_POOL_OVERLOADED',
    retryable: true,
    make: async () => {
      const scene = play({ ...named, max: 1, shedding: true });
      await scene.borrow(1);
      await scene.adv(5000);
      return failing(scene);
    },
  },
  PoolPausedError: {
    type: PoolPausedError,
    code: 'ERR_POOL_PAUSED',
    retryable: true,
    make: async () => {
      const scene = play(named);
      scene.pool.pause({ reject: true });
      return failing(scene);
    },
  },
  PoolUnavailableError: {
    type: PoolUnavailableError,
    code: 'ERR_POOL_UNAVAILABLE',
    retryable: true,
    cause: E,
    make: async () => {
      const scene = play({ ...named, breaker: { failures: 1, probeIntervalMs: 1000 } }, { prepare: (factory) => factory.failCreates(E) });
      await failing(scene);
      return failing(scene);
    },
  },
  PoolClosedError: {
    type: PoolClosedError,
    code: 'ERR_POOL_CLOSED',
    retryable: false,
    make: async () => {
      const scene = play(named);
      void scene.pool.close();
      return failing(scene);
    },
  },
  CreateError: {
    type: CreateError,
    code: 'ERR_POOL_CREATE_FAILED',
    retryable: true,
    cause: E,
    make: async () => failing(play(named, { prepare: (factory) => factory.failCreates(E) })),
  },
  'CreateError, permanent': {
    type: CreateError,
    code: 'ERR_POOL_CREATE_FAILED',
    retryable: false,
    cause: E,
    make: async () => failing(play(named, { factory: { classify: () => 'permanent' }, prepare: (factory) => factory.failCreates(E) })),
  },
  'CreateError, timeout': {
    type: CreateError,
    code: 'ERR_POOL_CREATE_TIMEOUT',
    retryable: true,
    make: async () => failing(play({ ...named, createTimeoutMs: 100 }, { prepare: (factory) => (factory.auto = false) }), {}, 100),
  },
  NestedAcquireError: {
    type: NestedAcquireError,
    code: 'ERR_POOL_NESTED_ACQUIRE',
    retryable: false,
    make: async () => {
      const scene = play({ ...named, nested: 'error' });
      return scene.pool.use(() => failing(scene));
    },
  },
};

test.each(Object.entries(ACQUIRE_ERRORS))('%s', async (_, { type, code, retryable, cause, make }) => {
  const error = await make();
  expect(error).toBeInstanceOf(type);
  expect(error).toBeInstanceOf(AcquireError);
  expect(error).toBeInstanceOf(PoolError);
  expect(error).toBeInstanceOf(Error);
  expect(PoolError.is(error)).toBe(true);
  expect(error.name).toBe(type.name);
  expect(error).toMatchObject({ code, retryable, pool: 'orders' });
  expect(error.stats).toMatchObject({ name: 'orders', max: 2 - Number(error.stats.max === 1) });
  expect(error.waitedMs).toBeGreaterThanOrEqual(0);
  if (cause !== undefined) expect(error.cause).toBe(cause);
  expect(error.message).toContain('orders');
  expect(String(error)).toContain(type.name);
});

test('the message of a timeout tells who waited how long, where the resources are, why creates fail, and what to do', async () => {
  const scene = play({ name: 'orders', max: 3, createRetry: { initialDelayMs: 100, jitter: 0 } });
  scene.acquire({ label: 'nightly report' });
  await scene.step();
  scene.factory.failCreates(E);
  const error = await failing(scene, {}, 1000);
  expect(error.message).toMatch(/GET \/orders/);
  expect(error.message).toMatch(/1[.,]?000 ms|1(\.0)? s/);
  expect(error.message).toMatch(/1 of 3 borrowed/);
  expect(error.message).toMatch(/creating/);
  expect(error.message).toMatch(/destroying/);
  expect(error.message).toContain('ECONNREFUSED');
  expect(error.cause).toBe(E);
});

test('no secret gets into a message', async () => {
  const leaky = [
    new Error('cannot connect to postgres://app:hunter2@db.internal/orders'),
    new Error('login failed: password=hunter2 user=app'),
    new Error('bad secret=hunter2&x=1'),
    new AggregateError([new Error('postgres://app:hunter2@db.internal refused')], ''),
    'redis://:hunter2@cache',
  ];
  for (const error of leaky) {
    const told = await failing(play({}, { prepare: (factory) => factory.failCreates(error) }));
    expect(told.message).not.toContain('hunter2');
    const scene = play({ max: 1, createRetry: {} }, { prepare: (factory) => factory.failCreates(error) });
    const late = await failing(scene, {}, 1000);
    expect(late.code).toBe('ERR_POOL_ACQUIRE_TIMEOUT');
    expect(late.message).not.toContain('hunter2');
  }
});

test('errors of overload are cheap: they carry no stack', async () => {
  const error = await ACQUIRE_ERRORS['OverloadedError']!.make();
  expect((error.stack ?? '').split('\n').filter((line) => line.trim().startsWith('at '))).toEqual([]);
  expect((error as OverloadedError).retryAfterMs).toBeGreaterThan(0);
});

test('making an error does not change how stacks are captured elsewhere', async () => {
  const limit = Error.stackTraceLimit;
  for (const { make } of Object.values(ACQUIRE_ERRORS)) await make();
  expect(Error.stackTraceLimit).toBe(limit);
});

test('PoolError.is knows errors of other copies of the package, and nothing else', async () => {
  const foreign = Object.create(
    Object.getPrototypeOf(Object.getPrototypeOf(await ACQUIRE_ERRORS['QueueFullError']!.make())) as object,
  ) as unknown;
  expect(PoolError.is(foreign)).toBe(true);
  for (const value of [undefined, null, 7, 'ERR_POOL_CLOSED', new Error('x'), Object.assign(new Error('x'), { code: 'ERR_POOL_CLOSED' })]) {
    expect(PoolError.is(value)).toBe(false);
  }
});

test('errors survive being logged and turned into JSON', async () => {
  for (const { make } of Object.values(ACQUIRE_ERRORS)) {
    const error = await make();
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: error.code, pool: 'orders' });
  }
});

test('an aborted acquire rejects with the reason untouched, and the default reason is that of the signal', async () => {
  const scene = play({ max: 1 });
  await scene.borrow(1);
  const abort = new AbortController();
  const request = scene.acquire({ signal: abort.signal });
  abort.abort();
  await scene.step();
  expect(request.error).toBe(abort.signal.reason);
  expect(request.error).toMatchObject({ name: 'AbortError' });
});

test('LeaseEndedError and InvalidOptionError are pool errors as well', async () => {
  const scene = play({ name: 'orders' });
  const [held] = await scene.borrow(1);
  held!.release();
  for (const [make, type] of [
    [() => held!.lease.resource, LeaseEndedError],
    [() => held!.lease.detach(), LeaseEndedError],
    [() => play({ name: 'orders', max: -1 }), InvalidOptionError],
  ] as const) {
    let caught: unknown;
    try {
      make();
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(type);
    expect(PoolError.is(caught)).toBe(true);
    expect(caught).toMatchObject({ pool: 'orders', retryable: false, name: type.name });
  }
});

test('those who are refused together are told of one and the same moment', async () => {
  const scene = play({ max: 1, ...named });
  await scene.borrow(1);
  const [a, b] = [scene.acquire(), scene.acquire()];
  await scene.adv(1000);
  const [first, second] = [a.error as AcquireError, b.error as AcquireError];
  expect(first.stats).toBe(second.stats);
  expect(first.message).toBe(second.message);
  expect(first).not.toBe(second);
});

test('whoever is refused after something has happened is told what is then', async () => {
  const scene = play({ max: 2, maxWaiting: 0, ...named });
  const [one] = await scene.borrow(2);
  const before = await failing(scene);
  one!.release();
  scene.pool.resize({ max: 1 });
  const after = await failing(scene);
  expect([before.stats.borrowed, after.stats.borrowed]).toEqual([2, 1]);
  expect(after.message).not.toBe(before.message);
});
