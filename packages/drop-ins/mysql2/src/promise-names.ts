/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/mysql2/promise: mysql2/promise, with another pool.

import { makePromisePool, type WithMillpond } from './create-pool.ts';
import { allOfPromise } from './driver.ts';
import { PromisePool as PromisePoolClass } from './promise-pool.ts';

export type * from 'mysql2/promise'; // oxlint-disable-line no-restricted-imports -- types only: what is handed out is mysql2's
export type { MillpondOptions } from './options.ts';

type Mysql2 = typeof import('mysql2/promise');
type AnyPool = import('mysql2/promise').Pool;
type PoolOptions = import('mysql2/promise').PoolOptions;

/** A pool of mysql2's connections, by an URI or by mysql2's options and `millpond`. Throws {@link InvalidOptionError}. */
export const createPool: (options: string | (PoolOptions & WithMillpond)) => AnyPool =
  makePromisePool as (options: string | object) => unknown as (options: string | object) => AnyPool;

export const PromisePool: typeof PromisePoolClass = PromisePoolClass;

/** What mysql2 has that its types do not show. */
interface Untyped {
  readonly PromiseConnection: Mysql2['Connection'];
  readonly PromisePoolConnection: Mysql2['PoolConnection'];
  readonly CharsetToEncoding: unknown;
  setMaxParserCache(max: number): void;
  clearParserCache(): void;
}

const mysql2: Mysql2 & Untyped = allOfPromise as Mysql2 & Untyped;

export const createConnection: Mysql2['createConnection'] = mysql2.createConnection;
export const createPoolCluster: Mysql2['createPoolCluster'] = mysql2.createPoolCluster;
export const Connection: Mysql2['Connection'] = mysql2.Connection;
export type Connection = import('mysql2/promise').Connection;
export const PoolConnection: Mysql2['PoolConnection'] = mysql2.PoolConnection;
export type PoolConnection = import('mysql2/promise').PoolConnection;
export const PromiseConnection: Untyped['PromiseConnection'] = mysql2.PromiseConnection;
export const PromisePoolConnection: Untyped['PromisePoolConnection'] = mysql2.PromisePoolConnection;
export const escape: Mysql2['escape'] = mysql2.escape;
export const escapeId: Mysql2['escapeId'] = mysql2.escapeId;
export const format: Mysql2['format'] = mysql2.format;
export const raw: Mysql2['raw'] = mysql2.raw;
export const Types: Mysql2['Types'] = mysql2.Types;
export const Charsets: Mysql2['Charsets'] = mysql2.Charsets;
export const CharsetToEncoding: unknown = mysql2.CharsetToEncoding;
export const setMaxParserCache: Untyped['setMaxParserCache'] = mysql2.setMaxParserCache;
export const clearParserCache: Untyped['clearParserCache'] = mysql2.clearParserCache;

interface Replaced {
  readonly createPool: typeof createPool;
  readonly PromisePool: typeof PromisePoolClass;
}

const whole: Omit<Mysql2, keyof Replaced> & Replaced = Object.defineProperties({}, {
  ...Object.getOwnPropertyDescriptors(allOfPromise),
  ...Object.getOwnPropertyDescriptors({ createPool, PromisePool }),
}) as Omit<Mysql2, keyof Replaced> & Replaced;

export { whole as default };
