// The options: their defaults, and what is said of wrong ones.

import { InvalidOptionError, Pool, PoolError } from 'millpond';
import { ScriptedFactory, VirtualClock } from 'millpond/testing';
import { expect, test } from 'vitest';
import { expectStats, play } from './scenarios/play.ts';

const factory = new ScriptedFactory();
const nothing = (): void => undefined;

function refusal(options: object): InvalidOptionError {
  try {
    void new Pool({ factory, ...options });
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionError);
    return error as InvalidOptionError;
  }
  throw new Error(`accepted ${JSON.stringify(options)}`);
}

const COUNTS = ['min', 'max', 'maxWaiting', 'maxCreating', 'maxUses', 'sharing'];
const DURATIONS = [
  'acquireTimeoutMs',
  'createTimeoutMs',
  'validateTimeoutMs',
  'resetTimeoutMs',
  'destroyTimeoutMs',
  'idleTimeoutMs',
  'maxLifetimeMs',
  'validateAfterIdleMs',
  'keepaliveIntervalMs',
  'leakThresholdMs',
];
const PARTS = ['lifetimeJitter', 'headroom', 'captureStacks'];
const FLAGS = ['fill', 'validateOnAcquire', 'flushOnStale', 'strictMax', 'reclaim'];

test.each([...COUNTS, ...DURATIONS, ...PARTS])('%s must be a number that makes sense', (option) => {
  for (const value of [Number.NaN, -1, '5', {}, [], -Infinity]) {
    const error = refusal({ [option]: value });
    expect(error.option).toBe(option);
    expect(error.code).toBe('ERR_POOL_INVALID_OPTION');
    expect(error.message).toContain(option);
  }
  expect(refusal({ [option]: -1 }).message).toContain('-1');
});

test.each(COUNTS)('%s must be whole', (option) => {
  expect(refusal({ [option]: 1.5 }).option).toBe(option);
});

test.each(PARTS)('%s is a part: at most 1', (option) => {
  expect(refusal({ [option]: 1.01 }).option).toBe(option);
});

test.each(FLAGS)('%s is true or false', (option) => {
  for (const value of ['false', 0, 1]) expect(refusal({ [option]: value }).option).toBe(option);
});

test.each([
  [{ max: 0 }, 'max'],
  [{ min: 3, max: 2 }, 'min'],
  [{ min: 11 }, 'min'],
  [{ maxCreating: 0 }, 'maxCreating'],
  [{ maxUses: 0 }, 'maxUses'],
  [{ sharing: 0 }, 'sharing'],
  [{ min: Infinity, max: Infinity }, 'min'],
  [{ idleOrder: 'LIFO' }, 'idleOrder'],
  [{ nested: true }, 'nested'],
  [{ createRetry: true }, 'createRetry'],
  [{ createRetry: { initialDelayMs: -1 } }, 'createRetry.initialDelayMs'],
  [{ createRetry: { factor: 0.5 } }, 'createRetry.factor'],
  [{ createRetry: { initialDelayMs: 500, maxDelayMs: 100 } }, 'createRetry.maxDelayMs'],
  [{ createRetry: { jitter: 2 } }, 'createRetry.jitter'],
  [{ createRetry: { delayMs: 5 } }, 'createRetry.delayMs'],
  [{ breaker: {} }, 'breaker.failures'],
  [{ breaker: { failures: 3 } }, 'breaker.probeIntervalMs'],
  [{ breaker: { failures: 0, probeIntervalMs: 100 } }, 'breaker.failures'],
  [{ shedding: { targetMs: 0 } }, 'shedding.targetMs'],
  [{ shedding: { target: 5 } }, 'shedding.target'],
  [{ shedding: 'on' }, 'shedding'],
  [{ lanes: {} }, 'lanes'],
  [{ lanes: { a: {} } }, 'lanes.a.share'],
  [{ lanes: { a: { share: 0 } } }, 'lanes.a.share'],
  [{ lanes: { a: { share: 1, borrowLimit: -1 } } }, 'lanes.a.borrowLimit'],
  [{ lanes: { a: { share: 1, lend: true } } }, 'lanes.a.lend'],
  [{ lanes: [] }, 'lanes'],
  [{ factory: undefined }, 'factory'],
  [{ factory: {} }, 'factory.create'],
  [{ factory: { create: nothing } }, 'factory.destroy'],
  [{ factory: { create: nothing, destroy: nothing, validate: 7 } }, 'factory.validate'],
  [{ name: 7 }, 'name'],
  [{ name: '' }, 'name'],
] as const)('%j is refused, by the name of %s', (options, option) => {
  expect(refusal(options).option).toBe(option);
});

test.each([
  ['maxConnections', undefined],
  ['acquireTimeout', 'acquireTimeoutMs'],
  ['acquireTimeoutMillis', 'acquireTimeoutMs'],
  ['idleTimeoutMillis', 'idleTimeoutMs'],
  ['idleTimeout', 'idleTimeoutMs'],
  ['Max', 'max'],
  ['maxwaiting', 'maxWaiting'],
  ['maxLifetimeSeconds', 'maxLifetimeMs'],
  ['validateAfterIdle', 'validateAfterIdleMs'],
])('the unknown key %s is named, with the nearest known one', (key, nearest) => {
  const error = refusal({ [key]: 5 });
  expect(error.option).toBe(key);
  expect(error.message).toContain(key);
  if (nearest !== undefined) expect(error.message).toContain(nearest);
});

test('no options at all are a mistake too, not a crash', () => {
  for (const options of [undefined, null, 7, 'x']) {
    expect(() => new Pool(options as never)).toThrow(InvalidOptionError);
  }
});

test('undefined means the default, for every option', () => {
  const none = Object.fromEntries(
    [
      ...COUNTS,
      ...DURATIONS,
      ...PARTS,
      ...FLAGS,
      'name',
      'idleOrder',
      'createRetry',
      'breaker',
      'shedding',
      'lanes',
      'nested',
      'budget',
      'clock',
      'random',
    ].map((key) => [key, undefined]),
  );
  const pool = new Pool({ factory, ...none });
  expect(pool.stats()).toMatchObject({ min: 0, max: 10 });
});

test('the defaults are those of the documentation', async () => {
  const clock = new VirtualClock();
  const own = new ScriptedFactory({ clock });
  const pool = new Pool({ factory: own, clock, random: () => 0.5 });
  const outcome: unknown[] = [];
  own.auto = false;
  for (let i = 0; i < 12; i++)
    pool.acquire().then(
      () => outcome.push('served'),
      (error: unknown) => outcome.push(error),
    );
  await clock.flush();
  expect(own.maxConcurrentCreates).toBe(2);
  own.auto = true;
  for (const call of own.pending) call.ok();
  await clock.flush();
  expect(pool.stats()).toMatchObject({ borrowed: 10, waiting: 2, max: 10, min: 0 });
  await clock.advance(4999);
  expect(outcome).toHaveLength(10);
  await clock.advance(1);
  expect(outcome.slice(10)).toEqual([
    expect.objectContaining({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' }),
    expect.objectContaining({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' }),
  ]);
});

test('idle resources live ten minutes, any resource half an hour less up to a quarter', async () => {
  const clock = new VirtualClock();
  const own = new ScriptedFactory({ clock });
  const pool = new Pool({ factory: own, clock, random: () => 0.5 });
  (await pool.acquire()).release();
  await clock.advance(599_999);
  expect(pool.stats().idle).toBe(1);
  await clock.advance(1);
  expect(pool.stats().totals.destroyed.idleTimeout).toBe(1);
  for (let i = 0; i < 20; i++) {
    (await pool.acquire()).release();
    await clock.advance(90_000);
  }
  expect(pool.stats().totals.destroyed.maxLifetime).toBe(1);
  expect(own.validates).toBeGreaterThan(10); // idle for longer than 500 ms each time
});

test.each([0, Infinity])('limits are off at %s', async (off) => {
  const scene = play({
    max: 1,
    createTimeoutMs: off,
    validateTimeoutMs: off,
    resetTimeoutMs: off,
    destroyTimeoutMs: off,
    idleTimeoutMs: off,
    maxLifetimeMs: off,
    keepaliveIntervalMs: off,
    leakThresholdMs: off,
  });
  const seen: unknown[] = [];
  scene.pool.on('leak', (event) => seen.push(event));
  const [held] = await scene.borrow(1);
  await scene.adv(100_000_000);
  held!.release();
  await scene.adv(100_000_000);
  expectStats(scene, { idle: 1, size: 1 });
  expect(seen).toEqual([]);
  expect(scene.factory.validates).toBe(0);
  scene.factory.script.destroy.does('manual');
  scene.pool.evict();
  await scene.adv(100_000_000);
  expectStats(scene, { destroying: 1 });
});

test('options of an acquire are checked by rejecting, not by throwing', async () => {
  const scene = play();
  for (const timeoutMs of [-1, Number.NaN, '5' as never]) {
    const promise = scene.pool.acquire({ timeoutMs });
    expect(promise).toBeInstanceOf(Promise);
    await expect(promise).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', option: 'timeoutMs' });
  }
  expectStats(scene, { waiting: 0, borrowed: 0, size: 0 });
  await scene.step();
});

test('a refused pool has touched nothing: no create, no timer', () => {
  const clock = new VirtualClock();
  const own = new ScriptedFactory({ clock });
  expect(() => new Pool({ factory: own, clock, min: 2, max: 1 })).toThrow(PoolError);
  expect(own.creates).toBe(0);
  expect(clock.pending).toBe(0);
});
