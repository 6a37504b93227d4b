// What callers meet. Clients are described by structure: the declarations of this package need neither `redis` nor `ioredis`, and whoever
// has them gets their types back.

import type { AcquireOptions, PoolOptions } from '../../index.ts';
import type { RuntimeOptions } from '../common/runtime.ts';

/** A client of node-redis (`createClient`) or of ioredis (`new Redis`). */
export interface RedisClient {
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** What {@link redisFactory} takes. */
export interface RedisFactoryOptions<C extends RedisClient = RedisClient> {
  /**
   * Makes a client that is not connected yet; called once for each connection: `() => createClient({ … })` of node-redis, or
   * `() => new Redis({ …, lazyConnect: true })` of ioredis. Whatever the client is told about reconnecting and queueing while it is offline
   * does not matter: a pooled one does neither.
   */
  readonly client: () => C;
  /**
   * Called when a write was refused because the server has become a replica (READONLY): the other connections lead there as well. A
   * {@link RedisPool} evicts its generation by itself; with a plain `Pool` call its `evict()` here.
   */
  readonly onFailover?: (failover: { readonly client: C }) => void;
}

/** What {@link createRedisPool} takes: the pool's options and the adapter's, in one object. */
export interface RedisPoolOptions<C extends RedisClient = RedisClient>
  extends Omit<PoolOptions<C>, 'factory' | 'sharing'>, RedisFactoryOptions<C>, RuntimeOptions {
  /** Idle connections are pinged this often. Default 120 000 ms; 0 or Infinity: off. */
  readonly keepaliveIntervalMs?: number;
  /**
   * At most how many connections are shared at once; another one is only taken when those there are full or stalled. Default 4, and never
   * more than `max`.
   */
  readonly sharedConnections?: number;
  /** How many commands may be in flight on each of them; the others wait their turn. Default 2 000. */
  readonly sharedDepth?: number;
  /**
   * A shared connection on which nothing has been answered for this long takes no new commands while another one may. In milliseconds,
   * looked at in steps of half of it; default 50.
   */
  readonly stallMs?: number;
  /**
   * A shared connection on which nothing has been answered for this long is given up as dead, with all commands in flight on it. Default
   * 30 000 ms; Infinity: never.
   */
  readonly silenceTimeoutMs?: number;
  /**
   * {@link RedisPool.blocking}: how long the server may take to end the blocking command of a caller who has left, before its connection is
   * closed. Default 2 000 ms.
   */
  readonly cancelTimeoutMs?: number;
}

export interface RedisRunOptions extends Omit<AcquireOptions, 'timeoutMs'> {
  /** The one deadline for everything: waiting for a connection and the commands. Default: acquireTimeoutMs for the wait, none after it. */
  readonly timeoutMs?: number;
}
