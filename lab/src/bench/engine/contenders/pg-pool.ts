// pg-pool with a client that is connected at once and asks nobody.
import { EventEmitter } from 'node:events';
import Pool from 'pg-pool';
import type { Client, PoolClient } from 'pg';
import { lender, type Open, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

type Loan = PoolClient & { readonly thing: Thing };

export const open: Open = (setup, source) => openWith(Pool, setup, source);

/** With pg-pool's class, or one that takes its place. */
export function openWith(PoolClass: typeof Pool, { max, acquireTimeoutMs }: Setup, source: Source): Subject {
  class IdleClient extends EventEmitter {
    readonly thing = source.make();
    readonly _queryable = true;
    readonly _ending = false;

    connect(done: (error?: Error) => void): void {
      done();
    }

    isConnected(): boolean {
      return true;
    }

    ref(): void {}

    unref(): void {}

    end(done?: () => void): void {
      source.unmake();
      done?.();
    }
  }
  const pool = new PoolClass<Client>({
    max, Client: IdleClient as never, connectionTimeoutMillis: acquireTimeoutMs, idleTimeoutMillis: 10_000,
  });
  return lender<Loan>({
    acquire: () => pool.connect() as unknown as Promise<Loan>,
    release: (client) => { client.release(); },
    thingOf: (client) => client.thing,
    close: () => pool.end(),
  });
}
