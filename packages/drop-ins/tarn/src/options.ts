// tarn's options: checked in tarn's words, and said in the engine's.

import type { PoolOptions as MillpondOptions } from 'millpond';

/** What is better than tarn only if you say so. Every option of millpond's `Pool` but the factory; it wins over what tarn's says. */
export interface EngineOptions extends Omit<MillpondOptions<unknown>, 'factory'> {
  /** How long `destroy()` waits for what is in use; then that is destroyed as well. Default Infinity, as tarn waits. */
  readonly closeDeadlineMs?: number;
  /**
   * Hand out a stand-in per acquire that ends with its release, so that an old borrower can neither use nor release what is somebody
   * else's by now. Default false: the resource itself.
   */
  readonly handles?: boolean;
}

export interface PoolOptions<T> {
  /** Makes a resource: by a promise, or by calling back. A promise of something falsy is not an answer. */
  create(callback: (error: Error | null, resource?: T) => void): unknown;
  destroy(resource: T): unknown;
  /** May it be handed out? Asked before every acquire is served, that of a new resource included. Default: always. */
  validate?(resource: T): unknown;
  log?(message: string, level: 'warn'): unknown;
  /** How many idle ones `idleTimeoutMillis` leaves alone. tarn does not create them in advance: `millpond: { fill: true }` does. */
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
  millpond?: EngineOptions;
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

/** The same in the engine's words, without the factory. */
export function engineOptions<T>(options: PoolOptions<T>): Omit<MillpondOptions<T>, 'factory'> {
  const { closeDeadlineMs: _, handles: __, ...chosen } = options.millpond ?? {};
  const acquireTimeoutMs = options.acquireTimeoutMillis ?? 30_000;
  const retryMs = options.createRetryIntervalMillis ?? 200;
  return {
    min: options.min,
    max: options.max,
    fill: false,
    maxCreating: Infinity,
    acquireTimeoutMs,
    createTimeoutMs: options.createTimeoutMillis ?? 30_000,
    destroyTimeoutMs: options.destroyTimeoutMillis ?? 5_000,
    idleTimeoutMs: options.idleTimeoutMillis ?? 30_000,
    maxLifetimeMs: 0,
    createRetry: options.propagateCreateError === true ? false : { initialDelayMs: retryMs, maxDelayMs: retryMs, factor: 1, jitter: 0 },
    // A validation ends with the acquire that it is for; this is for those whose acquire was served by something else.
    validateTimeoutMs: acquireTimeoutMs,
    validateOnAcquire: typeof options.validate === 'function',
    flushOnStale: false,
    ...chosen,
  };
}
