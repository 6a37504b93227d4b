/// <reference lib="esnext.disposable" preserve="true" />
// For knex's `connectionPool` (3.3 and later): a pool with tarn's face, made from tarn's options or put before a pool of millpond's that
// exists, so that knex shares the connections of the rest of the application.

import { createRequire } from 'node:module';
import { Pool as EnginePool, type Lease } from 'millpond';
import { TimeoutError, translated } from './errors.ts';
import type { PoolOptions } from './options.ts';
import { Pool } from './pool.ts';

/** What knex does with a pool. */
export interface KnexPool<T> {
  acquire(): { readonly promise: Promise<T>; abort(): void };
  /** Gives a connection back. False: it is not in use. */
  release(connection: T): boolean;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingCreates(): number;
  /** Closes the pool. knex leaves a pool that it did not make to whoever made it, and does not call this. */
  destroy(): Promise<void>;
}

/**
 * A pool for `knex({ client, connectionPool })`. `source`: a pool of millpond's, such as `createPgPool({ … })`, whose resources are the
 * connections that knex's dialect works with; or tarn's options, whose `create` makes them. Timeouts reach knex's users as knex's own
 * `KnexTimeoutError`.
 */
export function knexPool<T>(source: EnginePool<T> | PoolOptions<T>): KnexPool<T> {
  const Timeout = timeoutErrorOfTarn();
  // What tarn's destroy resolves with, knex does not look at.
  return source instanceof EnginePool ? new Facade(source, Timeout) : new TarnForKnex(source, Timeout) as unknown as KnexPool<T>;
}

/** knex knows a timeout by the class of the tarn that is installed beside it. */
function timeoutErrorOfTarn(): typeof TimeoutError {
  try {
    const tarn = createRequire(import.meta.url)('tarn') as { readonly TimeoutError?: typeof TimeoutError };
    return tarn.TimeoutError ?? TimeoutError;
  } catch {
    // No knex here, or one that keeps its tarn to itself: then its users see the class of this package.
    return TimeoutError;
  }
}

class TarnForKnex<T> extends Pool<T> {
  readonly #timeoutError: typeof TimeoutError;

  constructor(options: PoolOptions<T>, Timeout: typeof TimeoutError) {
    super(options);
    this.#timeoutError = Timeout;
  }

  protected override get timeoutError(): typeof TimeoutError {
    return this.#timeoutError;
  }
}

/** What knex writes on connections. */
interface Marked {
  __knexUid?: string;
  /** Why it must not be used again. */
  __knex__disposed?: unknown;
}

let connections = 0;

/** As much of an AbortSignal as an acquire looks at. A real one costs more than all the rest, and hardly any acquire is withdrawn. */
class Withdrawal {
  aborted = false;
  reason: unknown = undefined;
  private listener: (() => void) | undefined = undefined;

  /** For `acquire({ signal })`. */
  get signal(): AbortSignal {
    return this as unknown as AbortSignal;
  }

  withdraw(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.listener?.();
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.listener = listener;
  }

  removeEventListener(): void {
    this.listener = undefined;
  }
}

class Facade<T> implements KnexPool<T> {
  readonly #pool: EnginePool<T>;
  /** Entries stay, for a connection is lent again and again. */
  readonly #leases = new WeakMap<T & object, Lease<T> | undefined>();
  readonly #timeoutError: typeof TimeoutError;

  constructor(pool: EnginePool<T>, Timeout: typeof TimeoutError) {
    this.#pool = pool;
    this.#timeoutError = Timeout;
  }

  acquire(): { readonly promise: Promise<T>; abort(): void } {
    const withdrawal = new Withdrawal();
    const promise = this.#pool.acquire(withdrawal).then(
      (lease) => this.#lend(lease),
      (error: unknown) => { throw translated(error, this.#timeoutError); },
    );
    return { promise, abort: () => withdrawal.withdraw(new Error('aborted')) };
  }

  #lend(lease: Lease<T>): T {
    const { resource } = lease;
    (resource as Marked).__knexUid ??= `millpond${++connections}`;
    this.#leases.set(resource as T & object, lease);
    return resource;
  }

  release(connection: T): boolean {
    const lease = this.#leases.get(connection as T & object);
    if (lease === undefined) return false;
    this.#leases.set(connection as T & object, undefined);
    const { __knex__disposed: disposed } = connection as Marked;
    return disposed === undefined ? lease.release() : lease.destroy(disposed);
  }

  numUsed(): number {
    return this.#pool.stats().borrowed;
  }

  numFree(): number {
    return this.#pool.stats().idle;
  }

  numPendingAcquires(): number {
    return this.#pool.stats().waiting;
  }

  numPendingCreates(): number {
    return this.#pool.stats().creating;
  }

  async destroy(): Promise<void> {
    await this.#pool.close();
  }
}
