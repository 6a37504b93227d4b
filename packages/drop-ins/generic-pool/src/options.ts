// generic-pool's options: taken as it takes them, and said in the engine's words.

import { InvalidOptionError, type PoolOptions } from 'millpond';

export interface Factory<T> {
  create(): PromiseLike<T> | T;
  destroy(resource: T): unknown;
  /** Resolve false, or reject, to say that it must not be used. */
  validate?(resource: T): PromiseLike<boolean> | boolean;
}

/**
 * What is better than generic-pool: every option of millpond's `Pool` but the factory, and two more. Each wins over what generic-pool's
 * options say.
 */
export interface MillpondOptions extends Omit<PoolOptions<unknown>, 'factory'> {
  /**
   * Hand out a stand-in per acquire that ends with its release, so that an old borrower can neither use nor release what is somebody
   * else's by now. Default true with `millpond`.
   */
  readonly handles?: boolean;
  /** Milliseconds for which `drain()` waits; then who waits is refused and what is in use is destroyed. Default 10 000 with `millpond`. */
  readonly endDeadlineMs?: number;
}

export interface Options {
  /** Default 1. */
  max?: number;
  /** Default 0. */
  min?: number;
  /** Acquires that may wait. Default: no limit. */
  maxWaitingClients?: number;
  /** Validate before every acquire is served. Default false. */
  testOnBorrow?: boolean;
  /** Validate what comes back. generic-pool takes this option and does nothing. Default false. */
  testOnReturn?: boolean;
  /** Milliseconds. Default: no limit. */
  acquireTimeoutMillis?: number;
  /** Milliseconds after which a destroy counts as failed. Default 5 000, and nothing is said of it. */
  destroyTimeoutMillis?: number;
  /** The one that has been idle for longest first. Default true. */
  fifo?: boolean;
  /** How many priorities there are. Default 1. */
  priorityRange?: number;
  /** Fill to `min` at once; else at the first acquire, or `start()`. Default true. */
  autostart?: boolean;
  /** Milliseconds between eviction runs. Default 0: none. */
  evictionRunIntervalMillis?: number;
  /** Default 3. */
  numTestsPerEvictionRun?: number;
  /** Milliseconds; -1 is off. Default -1. */
  softIdleTimeoutMillis?: number;
  /** Milliseconds. Default 30 000. */
  idleTimeoutMillis?: number;
  /** Default: the language's. */
  Promise?: PromiseConstructorLike;
  /** Better than generic-pool: `true`, or in detail. Default: faithful to it. */
  millpond?: boolean | MillpondOptions;
}

/** After `PoolOptions` of generic-pool: what is no number falls back silently. */
export interface Config {
  readonly max: number;
  readonly min: number;
  readonly maxWaitingClients: number | undefined;
  readonly acquireTimeoutMillis: number | undefined;
  readonly destroyTimeoutMillis: number | undefined;
  readonly testOnBorrow: boolean;
  readonly testOnReturn: boolean;
  readonly fifo: boolean;
  readonly priorityRange: number;
  readonly autostart: boolean;
  readonly evictionRunIntervalMillis: number;
  readonly numTestsPerEvictionRun: number;
  readonly softIdleTimeoutMillis: number;
  readonly idleTimeoutMillis: number;
  readonly Promise: PromiseConstructorLike;
}

export function configOf(options: Options): Config {
  const max = Math.max(whole(options.max) ?? 1, 1);
  return {
    max,
    min: Math.max(0, Math.min(whole(options.min) ?? 0, max)),
    maxWaitingClients: whole(options.maxWaitingClients),
    acquireTimeoutMillis: options.acquireTimeoutMillis ? positive(options.acquireTimeoutMillis) : undefined,
    destroyTimeoutMillis: options.destroyTimeoutMillis ? whole(options.destroyTimeoutMillis) : undefined,
    testOnBorrow: options.testOnBorrow === true,
    testOnReturn: options.testOnReturn === true,
    fifo: options.fifo !== false,
    priorityRange: orElse(options.priorityRange, 1),
    autostart: options.autostart !== false,
    evictionRunIntervalMillis: orElse(options.evictionRunIntervalMillis, 0),
    numTestsPerEvictionRun: orElse(options.numTestsPerEvictionRun, 3),
    softIdleTimeoutMillis: orElse(options.softIdleTimeoutMillis, -1),
    idleTimeoutMillis: orElse(options.idleTimeoutMillis, 30_000),
    Promise: options.Promise ?? Promise,
  };
}

/** 0 is not given either. */
function orElse(value: number | undefined, fallback: number): number {
  return value === undefined || !value ? fallback : value;
}

/** A text with a number in it counts; what is no number at all is not given. */
function whole(value: unknown): number | undefined {
  const number = Number.parseInt(String(value), 10);
  return Number.isNaN(number) ? undefined : number;
}

function positive(value: unknown): number {
  const number = whole(value);
  if (number === undefined || number <= 0) throw new Error('delay must be a positive int');
  return number;
}

/** How this pool behaves. */
export interface Settings {
  readonly handles: boolean;
  readonly endDeadlineMs: number;
  readonly engine: Omit<PoolOptions<unknown>, 'factory'>;
}

/** What generic-pool's options mean to the engine. Throws {@link InvalidOptionError}. */
export function settingsOf(config: Config, millpond: boolean | MillpondOptions = false): Settings {
  const better = millpond !== false;
  const { handles = better, endDeadlineMs = better ? 10_000 : Infinity, ...chosen } = typeof millpond === 'object' ? millpond : {};
  const wrong = (name: string, expected: string): Error =>
    new InvalidOptionError(`millpond.${name}`, `millpond.${name} must be ${expected}`, 'generic-pool');
  if (typeof handles !== 'boolean') throw wrong('handles', 'true or false');
  if (!(endDeadlineMs >= 0)) throw wrong('endDeadlineMs', 'at least 0');
  const { acquireTimeoutMillis: acquireMs, destroyTimeoutMillis: destroyMs } = config;
  const engine = {
    name: 'generic-pool',
    min: 0,
    max: config.max,
    maxLifetimeMs: 0,
    // generic-pool tries again at once, for ever.
    createRetry: { initialDelayMs: 10, maxDelayMs: 1_000 },
    idleOrder: config.fifo ? 'fifo' : 'lifo',
    validateOnAcquire: config.testOnBorrow,
    flushOnStale: false,
    ...(acquireMs === undefined ? {} : { acquireTimeoutMs: acquireMs }),
    ...(destroyMs === undefined ? {} : { destroyTimeoutMs: Math.max(1, destroyMs) }),
  } as const;
  const faithful = {
    maxCreating: Infinity,
    acquireTimeoutMs: acquireMs ?? Infinity,
    createTimeoutMs: 0,
    validateTimeoutMs: acquireMs ?? 0,
    resetTimeoutMs: acquireMs ?? 0,
    idleTimeoutMs: 0,
  } as const;
  return { handles, endDeadlineMs, engine: { ...engine, ...(better ? { idleTimeoutMs: config.idleTimeoutMillis } : faithful), ...chosen } };
}
