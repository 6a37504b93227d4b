// What this package takes from mysql2: all of it, but for the pool's book-keeping. The classes below are mysql2's own; of what is inside
// them, only what stands here is used.

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { Lease } from 'millpond';

export interface Stream extends Duplex {
  readonly closed: boolean;
}

/** Where a connection has the lease by which it is lent, or was the last time. */
export const LEASE: unique symbol = Symbol('lease');
/** And the way to tell the engine that it is lost. */
export const LOST: unique symbol = Symbol('lost');

/** mysql2's PoolConnection. */
export interface Connection extends EventEmitter {
  [LEASE]: Lease<Connection> | undefined;
  [LOST]: ((cause?: unknown) => void) | undefined;
  readonly stream: Stream;
  readonly config: { readonly gracefulEnd?: boolean };
  readonly _closing?: unknown;
  readonly _fatalError?: unknown;
  readonly _protocolError?: unknown;
  /** Null once it belongs to no pool any more. */
  _pool: unknown;
  _released: boolean;
  lastActiveTime: number;
  connect(callback: (error: Error | null) => void): void;
  ping(callback: (error: unknown) => void): void;
  reset?(callback: (error: unknown) => void): void;
  release(): void;
  destroy(): void;
  end(callback?: () => void): unknown;
  /** `end` of a connection without a pool. */
  _realEnd(callback?: () => void): unknown;
  promise(promise?: PromiseConstructor): PromiseConnection;
}

export interface PromiseConnection {
  release(): void;
  destroy(): void;
}

export interface ConnectionConfig {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
  readonly database?: string;
}

/** mysql2's PoolConfig. */
export interface PoolConfig {
  readonly connectionConfig: ConnectionConfig;
  readonly waitForConnections: boolean;
  readonly connectionLimit: number;
  readonly maxIdle: number;
  readonly idleTimeout: number;
  readonly queueLimit: number;
  readonly resetOnRelease?: boolean;
}

/** mysql2's Pool, of which ours is a kind. */
export interface BasePool extends EventEmitter {
  readonly config: PoolConfig;
  _closed: boolean;
  _createConnectionConfig?(): ConnectionConfig;
}

export interface BasePromisePool extends EventEmitter {
  readonly pool: BasePool;
  readonly Promise: PromiseConstructor;
}

interface PoolConnectionClass {
  readonly prototype: Connection;
  new (pool: BasePool, options: { readonly config: ConnectionConfig }): Connection;
}

interface Mysql2 {
  readonly Pool: new (options: { readonly config: PoolConfig }) => BasePool;
  readonly PoolConnection: PoolConnectionClass;
  createPool(options: object): BasePool & { end(): void };
}

interface Mysql2Promise {
  readonly PromisePool: new (pool: BasePool, promise?: PromiseConstructor) => BasePromisePool;
  readonly PromisePoolConnection: new (connection: Connection, promise?: PromiseConstructor) => PromiseConnection;
}

const require = createRequire(import.meta.url);

interface Packages {
  readonly main: typeof import('mysql2');
  readonly promise: typeof import('mysql2/promise');
}

/** mysql2 is beside this package, or, where this package has taken its name, there under another. */
function load(): Packages {
  try {
    const main: unknown = isMysql2(require('mysql2/package.json')) ? require('mysql2') : require('mysql2-original');
    const promise: unknown = isMysql2(require('mysql2/package.json')) ? require('mysql2/promise') : require('mysql2-original/promise');
    return { main, promise } as Packages;
  } catch (error) {
    const message = '@millpond/mysql2 makes its connections with mysql2, which is not there: npm install mysql2. Where @millpond/mysql2 '
      + 'has its name, install it under another: npm install mysql2-original@npm:mysql2';
    throw new Error(message, { cause: error });
  }
}

function isMysql2(manifest: unknown): boolean {
  return (manifest as { readonly name?: unknown }).name === 'mysql2';
}

const loaded: Packages = load();

/** Everything that `require('mysql2')` has. */
export const all: Packages['main'] = loaded.main;
/** Everything that `require('mysql2/promise')` has. */
export const allOfPromise: Packages['promise'] = loaded.promise;

export const mysql2: Mysql2 = all as unknown as Mysql2;
export const mysql2Promise: Mysql2Promise = allOfPromise as unknown as Mysql2Promise;

/** mysql2 does not show the class that reads a pool's options. A pool that never connects has one. */
export const readConfig: (options: object | string) => PoolConfig = configReader();

function configReader(): (options: object | string) => PoolConfig {
  const never = mysql2.createPool({});
  never.end();
  const PoolConfigClass = never.config.constructor as new (options: object | string) => PoolConfig;
  return (options) => new PoolConfigClass(options);
}

export function isLent(connection: Connection): boolean {
  return connection[LEASE]?.ended === false;
}

/** The connection cannot be used again. */
export function isDead(connection: Connection): boolean {
  const { _closing: closing, _fatalError: fatal, _protocolError: broken, _pool: pool, stream } = connection;
  return Boolean(closing) || Boolean(fatal) || Boolean(broken) || pool === null || stream.destroyed;
}
