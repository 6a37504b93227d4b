// What the defaults of an adapter's pool are made for, and how the server's timeouts and the pool's own fit together.

import type { PoolOptions } from 'millpond';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  DEAD_MAN_KEYS, isFunction, settleRuntime, type DeadManOptions, type SettledRuntime,
} from '../../packages/millpond/src/adapters/common/runtime.ts';

type Given = DeadManOptions & Pick<PoolOptions<unknown>, 'min' | 'max' | 'idleTimeoutMs' | 'keepaliveIntervalMs'>;

/** As an adapter for SQL calls it. */
function settle(given: Given): SettledRuntime {
  const own: readonly string[] = DEAD_MAN_KEYS;
  const pool = Object.fromEntries(Object.entries(given).filter(([key]) => !own.includes(key)));
  return settleRuntime(given, pool, { keepaliveIntervalMs: 120_000 }, 'test');
}

describe('where it runs', () => {
  test('is told by the environment, where that is sure to mean a process that is frozen', () => {
    expect(isFunction({})).toBe(false);
    expect(isFunction({ AWS_LAMBDA_FUNCTION_NAME: 'f', AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand' })).toBe(true);
    expect(isFunction({ AWS_LAMBDA_FUNCTION_NAME: 'f', AWS_LAMBDA_INITIALIZATION_TYPE: 'provisioned-concurrency' })).toBe(true);
    expect(isFunction({ AWS_LAMBDA_FUNCTION_NAME: 'f', AWS_LAMBDA_INITIALIZATION_TYPE: 'lambda-managed-instances' })).toBe(false);
    expect(isFunction({ VERCEL: '1' })).toBe(true);
    expect(isFunction({ K_SERVICE: 'api' })).toBe(false);
    expect(isFunction({ K_SERVICE: 'api', FUNCTION_TARGET: 'handle' })).toBe(true);
    expect(isFunction({ FUNCTIONS_WORKER_RUNTIME: 'node' })).toBe(false);
  });

  describe('on a platform', () => {
    beforeEach(() => vi.stubEnv('VERCEL', '1'));
    afterEach(() => vi.unstubAllEnvs());

    test('counts unless somebody says otherwise', () => {
      expect(settle({}).runtime).toBe('function');
      expect(settle({ runtime: 'auto' }).runtime).toBe('function');
      expect(settle({ runtime: 'server' })).toEqual({
        runtime: 'server', pool: { keepaliveIntervalMs: 120_000 }, sessionIdleTimeoutMs: 0, transactionIdleTimeoutMs: 0,
      });
    });
  });

  test('must be one of three', () => {
    expect(() => settle({ runtime: 'lambda' as never })).toThrow("runtime must be one of 'auto', 'server', 'function'");
  });
});

describe('a function', () => {
  test('has a small pool that lets go soon, and a server that takes back the rest', () => {
    expect(settle({ runtime: 'function' })).toEqual({
      runtime: 'function', pool: { max: 4, idleTimeoutMs: 5_000, keepaliveIntervalMs: 0 },
      sessionIdleTimeoutMs: 30_000, transactionIdleTimeoutMs: 30_000,
    });
  });

  test('what is given wins over it', () => {
    const given = { max: 20, idleTimeoutMs: 2_000, sessionIdleTimeoutMs: 0, transactionIdleTimeoutMs: 9_000 };
    expect(settle({ runtime: 'function', ...given })).toMatchObject({
      pool: { max: 20, idleTimeoutMs: 2_000 }, sessionIdleTimeoutMs: 0, transactionIdleTimeoutMs: 9_000,
    });
    expect(settle({ runtime: 'function', min: 6 }).pool['max']).toBe(6);
  });

  test('a longer idleTimeoutMs has the server wait for longer; none at all, for ever', () => {
    expect(settle({ runtime: 'function', idleTimeoutMs: 60_000 })).toMatchObject({ sessionIdleTimeoutMs: 120_000 });
    expect(settle({ runtime: 'function', idleTimeoutMs: 0 })).toMatchObject({ pool: { idleTimeoutMs: 0 }, sessionIdleTimeoutMs: 0 });
  });

  test('what min keeps is pinged while the process lives', () => {
    expect(settle({ runtime: 'function', min: 1 })).toMatchObject({ pool: { keepaliveIntervalMs: 24_000 }, sessionIdleTimeoutMs: 30_000 });
    expect(settle({ runtime: 'function', min: 1, keepaliveIntervalMs: 0 }).sessionIdleTimeoutMs).toBe(0);
  });
});

describe('a server with a timeout for silent sessions', () => {
  test('has a pool that lets no connection be silent for as long', () => {
    expect(settle({ runtime: 'server', sessionIdleTimeoutMs: 60_000 }).pool).toMatchObject({ idleTimeoutMs: 48_000 });
    expect(settle({ runtime: 'server', sessionIdleTimeoutMs: 60_000, min: 2 }).pool).toMatchObject({ keepaliveIntervalMs: 48_000 });
    expect(settle({ runtime: 'server', sessionIdleTimeoutMs: 3_000 }).pool).toMatchObject({ idleTimeoutMs: 2_000 });
    expect(settle({ runtime: 'server', sessionIdleTimeoutMs: 1_000 }).pool).toMatchObject({ idleTimeoutMs: 500 });
    expect(settle({ runtime: 'server', sessionIdleTimeoutMs: 7_200_000 }).pool).toMatchObject({ idleTimeoutMs: 600_000 });
  });

  test('refuses a pool that would', () => {
    const both = { runtime: 'server', sessionIdleTimeoutMs: 10_000 } as const;
    expect(() => settle({ ...both, idleTimeoutMs: 9_000 })).toThrow(
      'idleTimeoutMs must be at most 8000: after sessionIdleTimeoutMs (10000) the server ends what is idle');
    expect(settle({ ...both, idleTimeoutMs: 8_000 }).sessionIdleTimeoutMs).toBe(10_000);
    expect(settle({ ...both, idleTimeoutMs: 60_000, keepaliveIntervalMs: 5_000 }).sessionIdleTimeoutMs).toBe(10_000);
    expect(() => settle({ ...both, min: 1, keepaliveIntervalMs: 0 })).toThrow('keepaliveIntervalMs must be at most 8000');
    expect(() => settle({ ...both, min: 1, keepaliveIntervalMs: 60_000 })).toThrow('keepaliveIntervalMs must be at most 8000');
  });

  test('a timeout within transactions stands alone', () => {
    expect(settle({ runtime: 'server', transactionIdleTimeoutMs: 1_500.5 })).toEqual({
      runtime: 'server', pool: { keepaliveIntervalMs: 120_000 }, sessionIdleTimeoutMs: 0, transactionIdleTimeoutMs: 1_501,
    });
  });

  test('Infinity is never; what is no number of milliseconds is refused', () => {
    expect(settle({ runtime: 'server', sessionIdleTimeoutMs: Infinity }).sessionIdleTimeoutMs).toBe(0);
    for (const wrong of [-1, Number.NaN, '5s']) {
      expect(() => settle({ sessionIdleTimeoutMs: wrong as never })).toThrow('sessionIdleTimeoutMs must be a number of milliseconds of');
      expect(() => settle({ transactionIdleTimeoutMs: wrong as never })).toThrow('transactionIdleTimeoutMs must be');
    }
  });
});
