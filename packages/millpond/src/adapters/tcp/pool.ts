// The front doors: a pool of sockets to one address, and pools by address.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { KeyedPool, Pool } from '../../index.ts';
import { makeFactory } from './factory.ts';
import { keyOf, splitPoolOptions, splitPoolsOptions } from './options.ts';
import { Tickets } from './tickets.ts';
import type { SecureTcpPoolOptions, SecureTcpPoolsOptions, TcpAddress, TcpPoolOptions, TcpPoolsOptions } from './types.ts';

/**
 * A pool of sockets to one address. Throws {@link InvalidOptionError} for wrong options; connects only when `min` or an acquire asks for
 * it.
 *
 * A borrower gets a socket as a new one would be: no listeners of others, nothing to read, nothing to be written. One that comes back in
 * the middle of an exchange is closed.
 */
export function createTcpPool(options: SecureTcpPoolOptions): Pool<TLSSocket>;
export function createTcpPool(options: TcpPoolOptions): Pool<Socket>;
export function createTcpPool(options: SecureTcpPoolOptions | TcpPoolOptions): Pool<TLSSocket> | Pool<Socket> {
  const settings = splitPoolOptions(options as TcpPoolOptions);
  const { factory, owner } = makeFactory(settings.factory, settings.pool.name ?? 'tcp');
  const pool = new Pool({ ...settings.pool, factory });
  owner.pool = pool.name;
  return pool;
}

/**
 * Pools of sockets by address, with limits per address (`max`) and over all (`maxTotal`), and one memory of TLS sessions. Throws
 * {@link InvalidOptionError} for wrong options; an address that is wrong is told to whoever names it.
 */
export function createTcpPools(options: SecureTcpPoolsOptions): KeyedPool<TcpAddress, TLSSocket>;
export function createTcpPools(options?: TcpPoolsOptions): KeyedPool<TcpAddress, Socket>;
export function createTcpPools(
  options: SecureTcpPoolsOptions | TcpPoolsOptions = {},
): KeyedPool<TcpAddress, TLSSocket> | KeyedPool<TcpAddress, Socket> {
  const { pool, connect } = splitPoolsOptions(options as TcpPoolsOptions);
  const tickets = new Tickets(connect.maxCachedSessions ?? 100);
  const pools: KeyedPool<TcpAddress, Socket> = new KeyedPool({
    ...pool,
    keyOf: (address: TcpAddress) => keyOf(address, pools.name),
    factory: ({ host, port, path }) => {
      const address = (path === undefined ? { host, port } : { path }) as TcpAddress;
      return makeFactory({ ...connect, ...address }, pools.name, tickets).factory;
    },
  });
  return pools;
}
