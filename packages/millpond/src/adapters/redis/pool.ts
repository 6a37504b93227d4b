// The front door: a pool of Redis connections, some of which are shared, and the others lent one by one.

import {
  InvalidOptionError, Pool, type AcquireOptions, type CloseOptions, type CloseResult, type Lease, type PoolStats, type ResourceInfo,
} from '../../index.ts';
import { Watch, type Limit } from '../common/watch.ts';
import { runBlocking } from './blocking.ts';
import type { Driver } from './driver.ts';
import { driverOf } from './drivers.ts';
import { CommandTimeoutError } from './errors.ts';
import { makeFactory } from './factory.ts';
import { splitPoolOptions, type PoolSettings } from './options.ts';
import { sessionOf, type Session } from './session.ts';
import { Shared, SHARED_LABEL, type Scope, type SharedOptions } from './shared.ts';
import type { RedisClient, RedisPoolOptions, RedisRunOptions } from './types.ts';

/** One failover is told by every connection that there is; the pool moves on once. */
const FAILOVER_PAUSE_MS = 1_000;

/** Makes a {@link RedisPool}. Throws {@link InvalidOptionError} for wrong options; connects only when `min` or a command asks for it. */
export function createRedisPool<C extends RedisClient>(options: RedisPoolOptions<C>): RedisPool<C> {
  return new RedisPool(options);
}

export class RedisPool<C extends RedisClient> extends Pool<C> {
  /**
   * A client of the driver whose commands are sent on connections that they share with others, as many in flight on each as there are. It
   * is always connected, and has no connection of its own: what would change or block one is refused with a {@link NotSharedError}. `MULTI`
   * is sent whole by `multi()…exec()`.
   */
  readonly shared: C;
  readonly #driver: Driver;
  readonly #shared: Shared;
  readonly #cancelTimeoutMs: number;
  #failedOverAt = -Infinity;
  #lastCreateError: unknown = undefined;
  #closing: Promise<CloseResult> | undefined;

  constructor(options: RedisPoolOptions<C>) {
    const settings = splitPoolOptions(options);
    const name = settings.pool.name ?? 'redis';
    const { client, driver } = first(settings, name);
    const { factory, owner } = makeFactory(settings.factory, name);
    super({ ...settings.pool, name, factory });
    this.#cancelTimeoutMs = settings.cancelTimeoutMs;
    owner.pool = this.name;
    const tellCaller = owner.failover;
    owner.failover = (session) => {
      this.#failover(session);
      tellCaller(session);
    };
    this.on('create', ({ resource, info }) => {
      this.#lastCreateError = undefined;
      sessionOf(resource).generation = info.generation;
    });
    this.on('createError', ({ error }) => {
      this.#lastCreateError = error;
    });
    this.#driver = driver;
    this.#shared = this.#sharedOf(settings);
    driver.share(client, this.#shared);
    this.shared = client;
  }

  // Some connections are lent to be shared. Whatever is ordered of this pool is ordered of those, too; and whoever wants a connection of
  // his own, and finds none, gets one of them.

  override acquire(options?: AcquireOptions): Promise<Lease<C>> {
    const acquired = super.acquire(options);
    this.#shared.makeWay();
    return acquired;
  }

  override tryAcquire(options?: Pick<AcquireOptions, 'lane' | 'label'>): Lease<C> | undefined {
    const lease = super.tryAcquire(options);
    return lease === undefined && this.#shared.giveBackEmpty() ? super.tryAcquire(options) : lease;
  }

  override use<R>(fn: (resource: C, lease: Lease<C>) => R, options?: AcquireOptions): Promise<Awaited<R>> {
    const used = super.use(fn, options);
    this.#shared.makeWay();
    return used;
  }

  override evict(options: { readonly where?: (resource: C, info: ResourceInfo) => boolean; readonly spreadMs?: number } = {}): number {
    const count = super.evict(options);
    // Those that are evicted one by one come back within a second by themselves.
    if (options.where === undefined && !options.spreadMs) this.#shared.evict();
    return count;
  }

  override resize(size: { readonly min?: number; readonly max?: number }): void {
    super.resize(size);
    this.#shared.resize(this.stats().max);
  }

  override pause(options: { readonly reject?: boolean } = {}): void {
    super.pause(options);
    this.#shared.pause(options);
  }

  override resume(): void {
    super.resume();
    this.#shared.places.resume();
  }

  override close(options: CloseOptions = {}): Promise<CloseResult> {
    const commands = this.#shared.close(options);
    const connections = super.close(options);
    // Whose command was cut off is told as who held a connection is; that commands run by means of connections is our affair.
    return this.#closing ??= connections.then(async ({ abandoned }) => {
      this.#driver.dismiss(this.shared);
      return { abandoned: [...(await commands).abandoned, ...abandoned.filter(({ label }) => label !== SHARED_LABEL)] };
    });
  }

  /**
   * The places on shared connections, and who waits for one. Half of the commands that may be in flight on a connection have one between
   * them; each beyond, and with lanes each of all, has its own.
   */
  sharedStats(): PoolStats {
    return this.#shared.places.stats();
  }

  /**
   * Runs `fn` with a view of {@link shared} whose commands have one deadline and one signal. When it passes or aborts the promise rejects
   * at once: what has not been sent is not sent, and the reply to what was sent goes to nobody. Rejects with a {@link CommandTimeoutError},
   * with `signal.reason`, or with what `fn` rejects with.
   */
  run<R>(fn: (shared: C) => R | Promise<R>, options: RedisRunOptions = {}): Promise<R> {
    return new Promise((resolve, reject) => {
      const { timeoutMs: _, ...acquire } = options;
      const deadline = this.#deadlineOf(options);
      const scope: Scope = { options: acquire, deadline, left: undefined };
      const limit = this.#limit(options, deadline);
      const watch = limit === undefined ? undefined : new Watch(limit, (reason) => {
        scope.left = { reason };
        reject(reason);
      });
      const running = (async () => fn(this.#driver.within(this.shared, scope) as C))();
      running.then(resolve, reject).finally(() => watch?.end());
    });
  }

  /**
   * Lends a connection to `fn`, which may block at the server: BLPOP, XREAD BLOCK, WAIT and their likes. When `timeoutMs` passes or
   * `signal` aborts, the server is asked to end what blocks, and the promise rejects; if what was waited for had come just then, it
   * resolves with what `fn` makes of it, and nothing is lost. A server that does not end it within `cancelTimeoutMs` costs the connection.
   */
  async blocking<R>(fn: (client: C) => R | Promise<R>, options: RedisRunOptions = {}): Promise<R> {
    const deadline = this.#deadlineOf(options);
    const { timeoutMs: _, ...acquire } = options;
    const lease = await this.acquire(
      deadline === undefined ? acquire : { ...acquire, timeoutMs: Math.max(0, deadline - performance.now()) });
    return runBlocking(lease, fn, this.#limit(options, deadline), (words, timeoutMs) =>
      this.run((client) => this.#driver.call(client, words), { timeoutMs }));
  }

  // ------------------------------------------------------------------------------------------------------------------------- details

  #sharedOf({ shared, pool }: PoolSettings<C>): Shared {
    const leakThresholdMs = pool.leakThresholdMs === 0 ? undefined : pool.leakThresholdMs;
    return new Shared({
      name: this.name,
      stats: () => this.stats(),
      evict: () => this.evict(),
      acquireAlone: (options) => super.acquire(options),
      tryAcquireAlone: (options) => super.tryAcquire(options),
      lastCreateError: () => this.#lastCreateError,
    }, { ...shared, leakThresholdMs, pool: placesOptions(pool) });
  }

  #limit({ signal, timeoutMs }: RedisRunOptions, deadline: number | undefined): Limit | undefined {
    if (signal === undefined && deadline === undefined) return undefined;
    return {
      signal,
      remainingMs: deadline === undefined ? undefined : deadline - performance.now(),
      onTimeout: () => new CommandTimeoutError(timeoutMs ?? Infinity, this.name),
      cancelTimeoutMs: this.#cancelTimeoutMs,
    };
  }

  #deadlineOf({ timeoutMs }: RedisRunOptions): number | undefined {
    if (timeoutMs === undefined) return undefined;
    if (!(timeoutMs > 0)) {
      throw new InvalidOptionError('timeoutMs', `timeoutMs is ${timeoutMs}, but must be milliseconds above 0, or Infinity`, this.name);
    }
    return performance.now() + timeoutMs;
  }

  /** The other connections of the same generation lead to the same server. Errors of older ones tell what is known already. */
  #failover(session: Session): void {
    if (this.state === 'closed' || this.state === 'draining' || session.generation !== this.stats().generation) return;
    const now = performance.now();
    if (now - this.#failedOverAt < FAILOVER_PAUSE_MS) return;
    this.#failedOverAt = now;
    this.evict();
  }
}

/** The client that becomes the shared one. */
function first<C extends RedisClient>({ factory }: PoolSettings<C>, name: string): { readonly client: C; readonly driver: Driver } {
  const client = factory.client();
  let driver: Driver;
  let objection: string | undefined;
  try {
    driver = driverOf(client);
    objection = driver.objection(client);
  } catch (error) {
    throw new InvalidOptionError('client', `client: ${(error as Error).message}`, name);
  }
  if (objection !== undefined) {
    driver.dismiss(client);
    throw new InvalidOptionError('client', `client ${objection}`, name);
  }
  return { client, driver };
}

/** What waiting for a place and waiting for a connection have in common. */
function placesOptions<C extends RedisClient>(pool: PoolSettings<C>['pool']): SharedOptions['pool'] {
  const { acquireTimeoutMs, maxWaiting, shedding, lanes, headroom, clock, random } = pool;
  return Object.fromEntries(
    Object.entries({ acquireTimeoutMs, maxWaiting, shedding, lanes, headroom, clock, random }).filter(([, value]) => value !== undefined));
}
