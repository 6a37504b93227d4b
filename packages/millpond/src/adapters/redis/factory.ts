// Connections of node-redis or ioredis as resources of a pool.

import type { Factory } from '../../index.ts';
import { tell } from '../common/hooks.ts';
import { Sweep, UNREFERENCE_AFTER_MS } from '../common/sweep.ts';
import { classify } from './classify.ts';
import { driverOf } from './drivers.ts';
import { factorySettings } from './options.ts';
import { sessionOf, type Session, type SessionOwner } from './session.ts';
import type { RedisClient, RedisFactoryOptions } from './types.ts';

/** A factory together with what a {@link RedisPool} reaches it by. */
export interface RedisFactory<C extends RedisClient> {
  readonly factory: Factory<C>;
  readonly owner: SessionOwner;
}

/**
 * A factory of Redis connections for a plain {@link Pool}. {@link createRedisPool} makes such a pool with what else belongs to it. Throws
 * {@link InvalidOptionError}.
 */
export function redisFactory<C extends RedisClient>(options: RedisFactoryOptions<C>): Factory<C> {
  return makeFactory(factorySettings(options, 'redis'), 'redis').factory;
}

export function makeFactory<C extends RedisClient>(options: RedisFactoryOptions<C>, name: string): RedisFactory<C> {
  const unreference = new Sweep<Session>(UNREFERENCE_AFTER_MS, (session) => session.unreference());
  const owner: SessionOwner = {
    pool: name,
    failover: (session) => tell(options.onFailover, { client: session.client as C }, 'onFailover', owner.pool),
    rests: (session) => unreference.add(session),
  };
  const factory: Factory<C> = {
    async create({ signal }) {
      const client = options.client();
      const session = driverOf(client).session(client, owner);
      await session.connect(signal);
      session.rest();
      return client;
    },

    destroy(client, { reason, signal }) {
      const session = sessionOf(client);
      // These did not answer, or are known to be dead: there is nothing to wait for.
      const dead = reason === 'invalid' || reason === 'stale' || reason === 'broken' || reason === 'resetFailed';
      return close(session, dead, signal);
    },

    async validate(client) {
      const session = sessionOf(client);
      await session.ping();
      session.rest();
      return true;
    },

    reset: (client) => sessionOf(client).giveBack(),

    isBroken: (client) => sessionOf(client).broken,

    onLost(client, listener) {
      const session = sessionOf(client);
      const own = (cause: unknown): void => listener(cause);
      session.lossListeners.add(own);
      if (session.lost) own(session.cause);
      return () => {
        session.lossListeners.delete(own);
      };
    },

    classify,
  };
  return { factory, owner };
}

/**
 * Ends a connection and resolves when it is gone. With QUIT the server closes first: until it has, the connection counts there, and a
 * successor might be one too many. What a borrower left under way is not waited for.
 */
function close(session: Session, dead: boolean, signal: AbortSignal): Promise<void> | void {
  if (dead || session.broken || session.pending > 0) {
    session.lose(new Error('the pool closed the connection'));
    return undefined;
  }
  return new Promise((resolve) => {
    session.lossListeners.add(() => resolve());
    signal.addEventListener('abort', () => session.lose(signal.reason), { once: true });
    session.call('QUIT').catch(() => session.lose(new Error('the pool closed the connection')));
  });
}
