// The pool of node-redis, with clients that are connected at once. It lends only for the length of a call.
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Setup, Source, Subject, Thing } from '../subject.ts';

interface RedisPool {
  connect(): Promise<unknown>;
  execute(work: (client: { readonly thing: Thing }) => unknown): Promise<unknown>;
  destroy(): void;
}

interface Internals {
  RedisClientPool: { create(clientOptions: object, options: object): RedisPool };
  default: { factory(): unknown };
}

const require = createRequire(import.meta.url);

export async function open({ max, acquireTimeoutMs }: Setup, source: Source): Promise<Subject> {
  class IdleClient extends EventEmitter {
    readonly _clientId = 'idle';
    readonly thing = source.make();

    _setIdentity(): void {}

    connect(): Promise<this> {
      return Promise.resolve(this);
    }

    close(): Promise<void> {
      this.destroy();
      return Promise.resolve();
    }

    destroy(): void {
      source.unmake();
    }
  }
  const client = require('@redis/client/dist/lib/client') as Pick<Internals, 'default'>;
  client.default.factory = () => () => new IdleClient();
  const { RedisClientPool } = require('@redis/client/dist/lib/client/pool') as Pick<Internals, 'RedisClientPool'>;
  const pool = RedisClientPool.create({}, { minimum: 1, maximum: max, acquireTimeout: acquireTimeoutMs, cleanupDelay: 3000 });
  await pool.connect();
  return {
    kind: 'runs',
    use: (work) => pool.execute((borrowed) => work(borrowed.thing)),
    close: () => Promise.resolve(pool.destroy()),
  };
}
