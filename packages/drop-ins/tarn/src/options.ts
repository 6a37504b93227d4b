// tarn's options: checked in tarn's words, and said in the engine's.

import { InvalidOptionError, type PoolOptions as PoolOptionsOfMillpond } from 'millpond';

/**
 * What is better than tarn: every option of millpond's `Pool` but the factory, and two more. Each wins over what tarn's options say.
 */
export interface MillpondOptions extends Omit<PoolOptionsOfMillpond<unknown>, 'factory'> {
  /**
   * Hand out a stand-in per acquire that ends with its release, so that an old borrower can neither use nor release what is somebody
   * else's by now. Default true with `millpond`.
   */
  readonly handles?: boolean;
  /** Milliseconds for which `destroy()` waits for what is in use; then that is destroyed as well. Default 10 000 with `millpond`. */
  readonly endDeadlineMs?: number;
}

export interface PoolOptions<T> {
  /** Makes a resource: by a promise, or by calling back. A promise of something falsy is not an answer. */
  create(callback: (error: Error | null, resource?: T) => void): unknown;
  destroy(resource: T): unknown;
  /** May it be handed out? Asked before every acquire is served, that of a new resource included. Default: always. */
  validate?(resource: T): unknown;
  log?(message: string, level: 'warn'): unknown;
  /** How many idle ones `idleTimeoutMillis` leaves alone. tarn does not create them in advance; with `millpond` they are. */
  min: number;
  max: number;
  /** Milliseconds; default 30 000. */
  acquireTimeoutMillis?: number;
  /** Milliseconds; default 30 000. */
  createTimeoutMillis?: number;
  /** Milliseconds; default 5 000. */
  destroyTimeoutMillis?: number;
  /** Milliseconds; default 30 000. */
  idleTimeoutMillis?: number;
  /** Accepted, and not needed: each idle resource goes when its time has come. */
  reapIntervalMillis?: number;
  /** Milliseconds; default 200. */
  createRetryIntervalMillis?: number;
  /** Reject the first waiting acquire with the error of a create instead of trying again. Default false. */
  propagateCreateError?: boolean;
  /** Better than tarn: `true`, or in detail. Default: faithful to tarn. */
  millpond?: boolean | MillpondOptions;
}

const TIMES = [
  'acquireTimeoutMillis', 'createTimeoutMillis', 'destroyTimeoutMillis', 'idleTimeoutMillis', 'reapIntervalMillis',
  'createRetryIntervalMillis',
] as const;
const KEYS: ReadonlySet<string> = new Set([
  'create', 'validate', 'destroy', 'log', 'min', 'max', 'propagateCreateError', 'millpond', ...TIMES,
]);

/** Throws as tarn does. */
export function checkOptions<T>(options: PoolOptions<T>): void {
  const fail = (text: string): never => { throw new Error(`Tarn: ${text}`); };
  const { min, max } = options;
  for (const hook of ['create', 'destroy'] as const) if (!options[hook]) fail(`opt.${hook} function most be provided`);
  if (!Number.isInteger(min) || min < 0) fail('opt.min must be an integer >= 0');
  if (!Number.isInteger(max) || max <= 0) fail('opt.max must be an integer > 0');
  if (min > max) fail('opt.max is smaller than opt.min');
  for (const name of TIMES) {
    const time = options[name];
    if (time !== undefined && !(Number.isInteger(time) && time > 0)) fail(`invalid opt.${name} ${JSON.stringify(time)}`);
  }
  for (const key of Object.keys(options)) if (!KEYS.has(key)) fail(`unsupported option opt.${key}`);
}

/** tarn's options, those that may be left out filled in. */
export type Limits = Required<Pick<PoolOptions<unknown>, 'min' | 'max' | 'propagateCreateError' | (typeof TIMES)[number]>>;

export function limitsOf<T>(options: PoolOptions<T>): Limits {
  return {
    min: options.min,
    max: options.max,
    acquireTimeoutMillis: options.acquireTimeoutMillis ?? 30_000,
    createTimeoutMillis: options.createTimeoutMillis ?? 30_000,
    destroyTimeoutMillis: options.destroyTimeoutMillis ?? 5_000,
    idleTimeoutMillis: options.idleTimeoutMillis ?? 30_000,
    reapIntervalMillis: options.reapIntervalMillis ?? 1_000,
    createRetryIntervalMillis: options.createRetryIntervalMillis ?? 200,
    propagateCreateError: Boolean(options.propagateCreateError),
  };
}

/** How this pool behaves. */
export interface Settings {
  readonly handles: boolean;
  readonly endDeadlineMs: number;
  readonly engine: Omit<PoolOptionsOfMillpond<unknown>, 'factory'> & { readonly idleTimeoutMs: number };
}

/** What tarn's options mean to the engine. Throws {@link InvalidOptionError}. */
export function settingsOf<T>(options: PoolOptions<T>, limits: Limits): Settings {
  const { millpond = false } = options;
  const better = millpond !== false;
  const { handles = better, endDeadlineMs = better ? 10_000 : Infinity, ...chosen } = typeof millpond === 'object' ? millpond : {};
  if (typeof handles !== 'boolean') throw new InvalidOptionError('millpond.handles', 'millpond.handles must be true or false', 'tarn');
  if (!(endDeadlineMs >= 0)) throw new InvalidOptionError('millpond.endDeadlineMs', 'millpond.endDeadlineMs must be at least 0', 'tarn');
  const { min, max, acquireTimeoutMillis: acquireTimeoutMs, createRetryIntervalMillis: retryMs } = limits;
  const engine = {
    name: 'tarn',
    min,
    max,
    acquireTimeoutMs,
    createTimeoutMs: limits.createTimeoutMillis,
    destroyTimeoutMs: limits.destroyTimeoutMillis,
    idleTimeoutMs: limits.idleTimeoutMillis,
    maxLifetimeMs: 0,
    createRetry: limits.propagateCreateError ? false : { initialDelayMs: retryMs, maxDelayMs: retryMs, factor: 1, jitter: 0 },
    // A validation ends with the acquire that it is for; this is for those whose acquire was served by something else.
    validateTimeoutMs: acquireTimeoutMs,
    validateOnAcquire: typeof options.validate === 'function',
    flushOnStale: false,
    ...(better ? {} : { fill: false, maxCreating: Infinity }),
  } as const;
  return { handles, endDeadlineMs, engine: { ...engine, ...chosen } };
}
