// Tells the options of the pools, of undici's Clients and of the dispatcher apart, and refuses what is none of them.

import type { KeyedPoolOptions } from '../../index.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { presetPerKey } from '../common/runtime.ts';
import type { ConnectionSettings } from './client.ts';
import type { DispatcherOptions, HttpConnection, HttpOrigin } from './dispatcher-types.ts';
import type { Undici } from './driver.ts';

const POOL_KEYS = [...poolKeys('sharing', 'budget'), 'maxTotal', 'forgetAfterMs'];

const OWN_KEYS = [
  'undici', 'connect', 'keepAliveTimeoutMs', 'keepAliveMarginMs', 'headersTimeoutMs', 'bodyTimeoutMs', 'maxHeaderSize', 'maxResponseSize',
  'retry', 'runtime',
] as const;

/** What those who come from undici's Agent or Pool will write. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  connections: 'max',
  pipelining: 'nothing: a connection carries one request at a time',
  maxOrigins: 'maxTotal, which counts connections',
  clientTtl: 'maxLifetimeMs',
  maxRequestsPerClient: 'maxUses',
  keepAliveTimeout: 'keepAliveTimeoutMs',
  keepAliveMaxTimeout: 'idleTimeoutMs',
  keepAliveTimeoutThreshold: 'keepAliveMarginMs',
  headersTimeout: 'headersTimeoutMs',
  bodyTimeout: 'bodyTimeoutMs',
  connectTimeout: 'createTimeoutMs',
  tls: 'connect',
  socketPath: 'connect.socketPath',
  localAddress: 'connect.localAddress',
  allowH2: 'createH2Pool, for HTTP/2',
  factory: 'nothing: the dispatcher makes its connections itself',
  sharing: 'nothing: a connection carries one request at a time',
  budget: 'maxTotal',
};

/** Not for pacing, but against running away, as with the agents. */
const MAX = 100;

/** The longest that a timer of undici takes. */
const LONGEST_MS = 2 ** 31 - 1;

export interface DispatcherSettings {
  readonly name: string;
  readonly pools: Omit<KeyedPoolOptions<HttpOrigin, HttpConnection>, 'factory' | 'keyOf'>;
  readonly min: number;
  /** How many requests can be under way at once, per origin and over all. */
  readonly max: number;
  readonly maxTotal: number;
  readonly retry: boolean;
  readonly acquireTimeoutMs: number;
  /** Needs undici, which is loaded when everything else is known to be right. */
  connection(undici: Undici): Omit<ConnectionSettings, 'onOpen' | 'onLost' | 'onFailed' | 'onUnused' | 'farewell'>;
}

export function dispatcherSettings(options: DispatcherOptions<object>): DispatcherSettings {
  const name = nameIn(options, 'http');
  checkKeys('', options, [...POOL_KEYS, ...OWN_KEYS], name, ELSEWHERE);
  const { pool } = sortOptions(options, POOL_KEYS, []);
  const { connect = {}, retry = true, undici, keepAliveTimeoutMs = 4_000, keepAliveMarginMs = 1_000 } = options;
  if (typeof retry !== 'boolean') throw invalid('retry', 'must be true or false', name);
  if (typeof connect !== 'function' && (typeof connect !== 'object' || connect === null)) {
    throw invalid('connect', 'must be an object with options of net.connect and tls.connect, or a function', name);
  }
  if (undici !== undefined && typeof undici !== 'object') throw invalid('undici', 'must be the module undici', name);
  for (const [key, value] of Object.entries({ keepAliveTimeoutMs, keepAliveMarginMs })) {
    if (typeof value !== 'number' || !(value >= 0)) throw invalid(key, 'must be a number of milliseconds of at least 0', name);
  }
  if (keepAliveTimeoutMs === 0) throw invalid('keepAliveTimeoutMs', 'must be above 0', name);
  const clientOptions = {
    keepAliveTimeout: Math.min(keepAliveTimeoutMs, LONGEST_MS),
    keepAliveMaxTimeout: LONGEST_MS,
    // The margin is kept here; by its own timer a Client closes when the server does.
    keepAliveTimeoutThreshold: 0,
    ...limit('headersTimeout', options.headersTimeoutMs, name),
    ...limit('bodyTimeout', options.bodyTimeoutMs, name),
    ...count('maxHeaderSize', options.maxHeaderSize, name),
    ...count('maxResponseSize', options.maxResponseSize, name),
  };
  return {
    name, retry,
    pools: { max: MAX, maxCreating: Infinity, createRetry: false, ...presetPerKey(options, name), ...pool, name },
    min: options.min ?? 0,
    max: options.max ?? MAX,
    maxTotal: options.maxTotal ?? Infinity,
    acquireTimeoutMs: options.acquireTimeoutMs ?? 5_000,
    connection: (module) => ({
      undici: module, clientOptions, marginMs: keepAliveMarginMs, keepAliveTimeoutMs,
      connect: typeof connect === 'function' ? connect
        // createTimeoutMs is the limit.
        : module.buildConnector({ ...connect, timeout: 0, allowH2: false }),
    }),
  };
}

function limit(key: string, valueMs: number | undefined, name: string): Record<string, number> {
  if (valueMs === undefined) return {};
  if (typeof valueMs !== 'number' || !(valueMs >= 0)) throw invalid(`${key}Ms`, 'must be a number of milliseconds of at least 0', name);
  return { [key]: valueMs === Infinity ? 0 : Math.min(Math.ceil(valueMs), LONGEST_MS) };
}

function count(key: string, value: number | undefined, name: string): Record<string, number> {
  if (value === undefined) return {};
  if (!Number.isInteger(value) || value < 1) throw invalid(key, 'must be a whole number of bytes of at least 1', name);
  return { [key]: value };
}
