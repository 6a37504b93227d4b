/// <reference lib="esnext.disposable" preserve="true" />
// @millpond/mysql2: mysql2, with another pool. What is not about the pool is mysql2's own. PoolCluster is mysql2's as well, and makes pools
// of mysql2's.

import { makePool, makePromisePool, type WithMillpond } from './create-pool.ts';
import { all } from './driver.ts';
import { Pool as PoolClass } from './pool.ts';

export type * from 'mysql2'; // oxlint-disable-line no-restricted-imports -- types only: what is handed out is mysql2's
export type { MillpondOptions } from './options.ts';

type Mysql2 = typeof import('mysql2');
type AnyPool = import('mysql2').Pool;
type PoolOptions = import('mysql2').PoolOptions;

/** A pool of mysql2's connections, by an URI or by mysql2's options and `millpond`. Throws {@link InvalidOptionError}. */
export const createPool: (options: string | (PoolOptions & WithMillpond)) => AnyPool =
  makePool as (options: string | object) => unknown as (options: string | object) => AnyPool;

/** The same for those who await. */
export const createPoolPromise: (options: string | (PoolOptions & WithMillpond)) => import('mysql2/promise').Pool =
  makePromisePool as (options: string | object) => unknown as (options: string | object) => import('mysql2/promise').Pool;

export const Pool: typeof PoolClass = PoolClass;
export type Pool = AnyPool;

/** What mysql2 has that its types do not show. */
interface Untyped {
  readonly connect: Mysql2['createConnection'];
  readonly ConnectionConfig: unknown;
  readonly PoolCluster: unknown;
  readonly createQuery: unknown;
  readonly authPlugins: unknown;
  readonly createConnectionPromise: typeof import('mysql2/promise').createConnection;
  readonly createPoolClusterPromise: typeof import('mysql2/promise').createPoolCluster;
  readonly TypedParameter: unknown;
  readonly CharsetToEncoding: unknown;
  setMaxParserCache(max: number): void;
  clearParserCache(): void;
}

const mysql2: Mysql2 & Untyped = all as Mysql2 & Untyped;

export const Connection: Mysql2['Connection'] = mysql2.Connection;
export type Connection = import('mysql2').Connection;
export const PoolConnection: Mysql2['PoolConnection'] = mysql2.PoolConnection;
export type PoolConnection = import('mysql2').PoolConnection;
export const createConnection: Mysql2['createConnection'] = mysql2.createConnection;
export const createPoolCluster: Mysql2['createPoolCluster'] = mysql2.createPoolCluster;
export const createServer: Mysql2['createServer'] = mysql2.createServer;
export const escape: Mysql2['escape'] = mysql2.escape;
export const escapeId: Mysql2['escapeId'] = mysql2.escapeId;
export const format: Mysql2['format'] = mysql2.format;
export const raw: Mysql2['raw'] = mysql2.raw;
export const Types: Mysql2['Types'] = mysql2.Types;
export const Charsets: Mysql2['Charsets'] = mysql2.Charsets;
export const connect: Untyped['connect'] = mysql2.connect;
export const ConnectionConfig: unknown = mysql2.ConnectionConfig;
export type ConnectionConfig = import('mysql2').ConnectionConfig;
export const PoolCluster: unknown = mysql2.PoolCluster;
export type PoolCluster = import('mysql2').PoolCluster;
export const createQuery: unknown = mysql2.createQuery;
export const authPlugins: unknown = mysql2.authPlugins;
export const createConnectionPromise: Untyped['createConnectionPromise'] = mysql2.createConnectionPromise;
export const createPoolClusterPromise: Untyped['createPoolClusterPromise'] = mysql2.createPoolClusterPromise;
export const TypedParameter: unknown = mysql2.TypedParameter;
export const CharsetToEncoding: unknown = mysql2.CharsetToEncoding;
export const setMaxParserCache: Untyped['setMaxParserCache'] = mysql2.setMaxParserCache;
export const clearParserCache: Untyped['clearParserCache'] = mysql2.clearParserCache;

interface Replaced {
  readonly createPool: typeof createPool;
  readonly createPoolPromise: typeof createPoolPromise;
  readonly Pool: typeof PoolClass;
}

// What other versions of mysql2 have besides is there for require() and for the default import.
const whole: Omit<Mysql2, keyof Replaced> & Replaced = Object.defineProperties({}, {
  ...Object.getOwnPropertyDescriptors(all),
  ...Object.getOwnPropertyDescriptors({ createPool, createPoolPromise, Pool }),
}) as Omit<Mysql2, keyof Replaced> & Replaced;

export { whole as default };
