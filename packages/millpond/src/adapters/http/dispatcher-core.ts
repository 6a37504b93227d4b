// What a dispatcher does, whatever class it extends: which pool a request goes to, how many are under way, how it ends.

import { EventEmitter } from 'node:events';
import { CreateError, InvalidOptionError, KeyedPool, type Pool } from '../../index.ts';
import { connectionFactory, type Connection, type ConnectionSettings } from './client.ts';
import { Exchange, type Exchanges } from './dispatcher-exchange.ts';
import type { DispatcherSettings } from './dispatcher-options.ts';
import { Origins } from './dispatcher-origin.ts';
import type { HttpConnection, HttpDispatcherWarmOptions, HttpOrigin, HttpOriginStats } from './dispatcher-types.ts';
import { takesHandlers, type Dispatch, type Handler, type Undici } from './driver.ts';

export class Core {
  readonly undici: Undici;
  readonly settings: DispatcherSettings;
  readonly pools: KeyedPool<HttpOrigin, HttpConnection>;
  readonly plain: boolean;
  /** Requests that have not had their last word. */
  active = 0;
  closed = false;
  destroyed = false;
  /** With what a destroy ended what was under way. */
  reason: unknown = undefined;
  owner: EventEmitter = new EventEmitter();
  readonly #origins = new Origins();
  #onDone: (() => void) | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  #destroying: Promise<void> | undefined = undefined;
  readonly #traffic = new WeakMap<object, Traffic>();
  #last: Traffic | undefined = undefined;
  /** Those that are full. */
  #full: Traffic[] = [];

  constructor(settings: DispatcherSettings, undici: Undici) {
    this.settings = settings;
    this.undici = undici;
    this.plain = takesHandlers(undici);
    const connection: ConnectionSettings = {
      ...settings.connection(undici),
      onOpen: ({ origin, client }) => this.emit('connect', origin, [client]),
      onLost: ({ origin, client }, cause) => this.emit('disconnect', origin, [client], cause),
      onFailed: (origin, error) => this.emit('connectionError', origin, [], error),
      onUnused: (connection) => void this.pools.get(connection.origin)?.evict({ where: (each) => each === connection }),
      farewell: () => this.reason,
    };
    this.pools = new KeyedPool<HttpOrigin, HttpConnection>({
      ...settings.pools,
      keyOf: ({ key }) => key,
      factory: (origin) => connectionFactory(connection, origin, `${settings.name}/${origin.key}`),
    });
  }

  /** True: the next request would not have to wait. Throws what a request cannot be taken for. */
  start(options: Dispatch, handler: Handler): boolean {
    const { errors } = this.undici;
    if (this.destroyed) throw new errors.ClientDestroyedError();
    if (this.closed) throw new errors.ClientClosedError();
    if (typeof options !== 'object' || options === null) throw new errors.InvalidArgumentError('opts must be an object.');
    const origin = this.#origins.of(options);
    if (origin === undefined) throw new errors.InvalidArgumentError('opts.origin must be an http or https URL, or its string.');
    const traffic = this.#trafficTo(origin);
    traffic.start(options, handler);
    if (!traffic.full && !traffic.hasRoom) {
      traffic.full = true;
      this.#full.push(traffic);
    }
    return !traffic.full;
  }

  async warm(origin: string | URL, options: HttpDispatcherWarmOptions = {}): Promise<void> {
    const place = this.#origins.of({ origin, path: '/', method: 'GET' });
    if (place === undefined) throw new InvalidOptionError('origin', 'origin must be an http or https URL', this.settings.name);
    const { min = Math.max(1, this.settings.min), ...ready } = options;
    const pool = this.pools.open(place);
    pool.resize({ min });
    await pool.ready(ready);
  }

  close(): Promise<void> {
    if (this.destroyed && this.#closing === undefined) return Promise.reject(new this.undici.errors.ClientDestroyedError());
    return this.#closing ??= this.#close();
  }

  destroy(error: Error | undefined): Promise<void> {
    return this.#destroying ??= this.#destroy(error);
  }

  stats(): Record<string, HttpOriginStats> {
    const all: Record<string, HttpOriginStats> = {};
    for (const [key, pool] of this.pools.stats().perKey) {
      const { idle, borrowed, waiting, validating, resetting } = pool;
      const known = this.pools.get({ key } as HttpOrigin);
      const retries = known === undefined ? 0 : this.#traffic.get(known)?.retries ?? 0;
      all[key] = {
        connected: idle + borrowed + validating + resetting, free: idle, pending: waiting, queued: waiting, running: borrowed,
        size: waiting + borrowed, retries, pool,
      };
    }
    return all;
  }

  #trafficTo(origin: HttpOrigin): Traffic {
    const last = this.#last;
    // Most requests go where the one before went.
    if (last !== undefined && last.origin === origin && last.pool.state !== 'closed') return last;
    const pool = this.pools.open(origin) as Pool<Connection>;
    let traffic = this.#traffic.get(pool);
    if (traffic === undefined) {
      traffic = new Traffic(this, origin, pool);
      this.#traffic.set(pool, traffic);
    }
    this.#last = traffic;
    return traffic;
  }

  emit(name: string, origin: HttpOrigin, targets: readonly unknown[], ...rest: unknown[]): void {
    const { owner } = this;
    if (owner.listenerCount(name) === 0) return;
    try {
      owner.emit(name, origin.url, [owner, ...targets], ...rest);
    } catch (error) {
      // It is told in the middle of what serves others.
      const who = `A "${name}" listener of dispatcher "${this.settings.name}"`;
      process.emitWarning(`${who} threw: ${String(error)}`, { code: 'MILLPOND_LISTENER_THREW' });
    }
  }

  over(): void {
    if (--this.active === 0) this.#onDone?.();
    // Also those whose own requests are over: they may have had to wait for others' (maxTotal).
    const ready = this.#full.length === 0 ? [] : this.#full.filter(({ hasRoom }) => hasRoom);
    if (ready.length === 0) return;
    this.#full = this.#full.filter((traffic) => !ready.includes(traffic));
    for (const traffic of ready) traffic.full = false;
    for (const { origin } of ready) this.emit('drain', origin, []);
  }

  async #close(): Promise<void> {
    this.closed = true;
    if (this.active > 0 && !this.destroyed) await new Promise<void>((resolve) => { this.#onDone = resolve; });
    await this.destroy(undefined);
  }

  async #destroy(error: Error | undefined): Promise<void> {
    this.destroyed = true;
    this.reason = error ?? new this.undici.errors.ClientDestroyedError();
    await this.pools.close({ deadlineMs: 0 });
  }
}

/** The requests of one origin, for as long as its pool is known. A pool that has requests is not forgotten. */
class Traffic implements Exchanges {
  readonly origin: HttpOrigin;
  readonly pool: Pool<Connection>;
  readonly undici: Undici;
  readonly plain: boolean;
  readonly mayRetry: boolean;
  readonly acquireTimeoutMs: number;
  retries = 0;
  /** A dispatch was answered with false: somebody may wait for `drain`. */
  full = false;
  private active = 0;
  private readonly core: Core;

  constructor(core: Core, origin: HttpOrigin, pool: Pool<Connection>) {
    this.core = core;
    this.origin = origin;
    this.pool = pool;
    this.undici = core.undici;
    this.plain = core.plain;
    this.mayRetry = core.settings.retry;
    this.acquireTimeoutMs = core.settings.acquireTimeoutMs;
  }

  start(options: Dispatch, handler: Handler): void {
    this.active++;
    this.core.active++;
    new Exchange(this, options, handler).begin();
  }

  /** Another one would not have to wait. */
  get hasRoom(): boolean {
    const { settings, active } = this.core;
    return this.active < settings.max && active < settings.maxTotal;
  }

  refusal(error: unknown): unknown {
    const { reason } = this.core;
    if (reason !== undefined) return reason;
    // As undici tells it: interceptors and callers look for ECONNREFUSED and its likes.
    return error instanceof CreateError && error.code === 'ERR_POOL_CREATE_FAILED' ? error.cause ?? error : error;
  }

  over(): void {
    this.active--;
    this.core.over();
  }
}
