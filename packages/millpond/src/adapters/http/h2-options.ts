// The options of HTTP/2 pools, sorted and checked.

import type { ClientHttp2Session, SecureClientSessionOptions } from 'node:http2';
import type { PoolOptions } from '../../index.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { presetOf } from '../common/runtime.ts';
import type { H2FactoryOptions, H2PoolOptions } from './h2-types.ts';

const POOL_KEYS = poolKeys();
const FACTORY_KEYS: readonly (keyof H2FactoryOptions)[] = ['authority', 'connect', 'pingIntervalMs', 'pingTimeoutMs'];

const ELSEWHERE: Readonly<Record<string, string>> = {
  host: 'authority, as https://host:port',
  origin: 'authority',
  url: 'authority',
  maxConcurrentStreams: 'sharing',
  settings: 'connect.settings',
  factory: 'a plain Pool with h2Factory',
};

const STREAMS = 100;

export interface H2Settings {
  /** The pool's name, for errors. */
  readonly pool: string;
  readonly authority: string;
  readonly connect: SecureClientSessionOptions;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

export function h2PoolSettings(
  options: H2PoolOptions,
): { readonly pool: Omit<PoolOptions<ClientHttp2Session>, 'factory'>; readonly factory: H2FactoryOptions; readonly name: string } {
  const name = nameIn(options, 'h2');
  checkKeys('', options, [...POOL_KEYS, ...FACTORY_KEYS, 'runtime'], name, ELSEWHERE);
  const { pool, factory } = sortOptions(options, POOL_KEYS, FACTORY_KEYS);
  return { pool: { sharing: STREAMS, ...presetOf(options, name), ...pool }, factory: factory as unknown as H2FactoryOptions, name };
}

export function h2Settings(options: H2FactoryOptions, pool: string): H2Settings {
  nameIn(options, pool);
  checkKeys('', options, FACTORY_KEYS, pool, ELSEWHERE);
  const { authority, connect = {}, pingIntervalMs = Infinity, pingTimeoutMs = 5_000 } = options;
  if (typeof connect !== 'object' || connect === null) throw invalid('connect', 'must be an object with options of http2.connect', pool);
  for (const [key, value] of Object.entries({ pingIntervalMs, pingTimeoutMs })) {
    if (typeof value !== 'number' || !(value >= 0)) throw invalid(key, 'must be a number of milliseconds of at least 0', pool);
  }
  return {
    pool, authority: authorityOf(authority, pool), connect,
    pingIntervalMs: timer(pingIntervalMs), pingTimeoutMs: timer(pingTimeoutMs),
  };
}

/** 0 and what no timer can wait for: never. */
function timer(valueMs: number): number {
  return valueMs > 0 && valueMs < 2 ** 31 ? valueMs : Infinity;
}

function authorityOf(authority: unknown, pool: string): string {
  const text = authority instanceof URL ? authority.href : authority;
  let url: URL | undefined;
  try {
    if (typeof text === 'string') url = new URL(text);
  } catch {
    // Not quoted: it may hold a password.
  }
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw invalid('authority', 'must be an http or https URL, or its string', pool);
  }
  return url.origin;
}
