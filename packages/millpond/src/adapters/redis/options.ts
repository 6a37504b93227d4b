// Tells the pool's options and this adapter's own apart, which arrive in one object, and refuses what is neither.

import type { PoolOptions } from '../../index.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { presetOf } from '../common/runtime.ts';
import type { RedisClient, RedisFactoryOptions, RedisPoolOptions } from './types.ts';

const FACTORY_KEYS: readonly (keyof RedisFactoryOptions)[] = ['client', 'onFailover'];

/** Options of {@link createRedisPool} alone. */
const OWN_KEYS = ['sharedConnections', 'sharedDepth', 'stallMs', 'silenceTimeoutMs', 'cancelTimeoutMs', 'runtime'] as const;

const POOL_KEYS = poolKeys('sharing');

const MOST = 1_000_000;

const IN_CLIENT = 'an option of the client: client: () => createClient({ … }) or new Redis({ …, lazyConnect: true })';

/** What those who come from elsewhere will write. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  url: IN_CLIENT, socket: IN_CLIENT, host: IN_CLIENT, port: IN_CLIENT, password: IN_CLIENT, username: IN_CLIENT, database: IN_CLIENT,
  db: IN_CLIENT, tls: IN_CLIENT, path: IN_CLIENT,
  minimum: 'min',
  maximum: 'max',
  acquireTimeout: 'acquireTimeoutMs',
  cleanupDelay: 'idleTimeoutMs',
  sharing: 'sharedDepth and sharedConnections',
  factory: 'a plain Pool with redisFactory',
};

export interface SharedSettings {
  readonly connections: number;
  readonly depth: number;
  readonly stallMs: number;
  readonly silenceTimeoutMs: number;
}

export interface PoolSettings<C extends RedisClient> {
  readonly pool: Omit<PoolOptions<C>, 'factory'>;
  readonly factory: RedisFactoryOptions<C>;
  readonly shared: SharedSettings;
  readonly cancelTimeoutMs: number;
}

/** The options of {@link createRedisPool}, sorted and checked. */
export function splitPoolOptions<C extends RedisClient>(options: RedisPoolOptions<C>): PoolSettings<C> {
  const name = nameIn(options, 'redis');
  checkKeys('', options, [...POOL_KEYS, ...FACTORY_KEYS, ...OWN_KEYS], name, ELSEWHERE);
  const { pool, factory } = sortOptions(options, POOL_KEYS, FACTORY_KEYS);
  const { sharedConnections = 4, sharedDepth = 2_000, stallMs = 50, silenceTimeoutMs = 30_000, cancelTimeoutMs = 2_000 } = options;
  for (const [key, value] of Object.entries({ sharedConnections, sharedDepth })) {
    if (!Number.isInteger(value) || value < 1 || value > MOST) throw invalid(key, `must be a whole number from 1 to ${MOST}`, name);
  }
  for (const [key, value] of Object.entries({ stallMs, silenceTimeoutMs })) {
    if (typeof value !== 'number' || !(value > 0)) throw invalid(key, 'must be a number of milliseconds above 0, or Infinity', name);
  }
  if (typeof cancelTimeoutMs !== 'number' || !(cancelTimeoutMs > 0) || cancelTimeoutMs >= 2 ** 31) {
    throw invalid('cancelTimeoutMs', 'must be a number of milliseconds above 0', name);
  }
  return {
    pool: { keepaliveIntervalMs: 120_000, ...presetOf(options, name), ...pool },
    factory: factorySettings(factory as unknown as RedisFactoryOptions<C>, name),
    shared: { connections: sharedConnections, depth: sharedDepth, stallMs, silenceTimeoutMs },
    cancelTimeoutMs,
  };
}

/** The options of {@link redisFactory}, checked. */
export function factorySettings<C extends RedisClient>(options: RedisFactoryOptions<C>, name: string): RedisFactoryOptions<C> {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be an object', name);
  checkKeys('', options, FACTORY_KEYS, name, ELSEWHERE);
  const { client, onFailover } = options;
  if (typeof client !== 'function') throw invalid('client', 'must be a function that makes a client', name);
  if (onFailover !== undefined && typeof onFailover !== 'function') throw invalid('onFailover', 'must be a function', name);
  return options;
}
