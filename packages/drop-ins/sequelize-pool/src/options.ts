// sequelize-pool's options: checked in its words, and said in the engine's.

import type { PoolOptions } from 'millpond';

export type LogLevel = 'verbose' | 'info' | 'warn' | 'error';
export type FactoryLogger = (message: string, level: LogLevel) => void;

/** What is better only if you say so. Every option of millpond's `Pool` but the factory; it wins over what is beside it. */
export interface EngineOptions extends Omit<PoolOptions<unknown>, 'factory'> {
  /** How long `drain()` waits for what is in use; then that is destroyed. Default Infinity, as sequelize-pool waits. */
  readonly drainDeadlineMs?: number;
  /**
   * Lend a handle for each acquire, another object each time, so that a second release by an old borrower does no harm to the new one.
   * Default false: the resource itself is lent, and whoever gives it back gives it back.
   */
  readonly handles?: boolean;
}

export interface FactoryOptions<T> {
  name?: string;
  create: () => Promise<T>;
  destroy: (resource: T) => void | Promise<void>;
  /** May it be handed out again? Asked just before that. */
  validate: (resource: T) => boolean;
  max: number;
  /** How many idle ones stay. They are not created in advance: `millpond: { fill: true }` does. */
  min: number;
  /** Default Infinity. */
  maxUses?: number;
  /** Milliseconds; default 30 000. */
  idleTimeoutMillis?: number;
  /** Milliseconds; default 30 000. */
  acquireTimeoutMillis?: number;
  /** Accepted, and not needed: each idle resource goes when its time has come. */
  reapIntervalMillis?: number;
  /** A function, or true for stdout. Default: silence. */
  log?: FactoryLogger | boolean;
  millpond?: EngineOptions;
}

/** Throws as sequelize-pool does. */
export function checkOptions<T>({ create, destroy, validate, min, max, maxUses }: FactoryOptions<T>): void {
  for (const [name, hook] of Object.entries({ create, destroy, validate })) if (!hook) throw new Error(`${name} function is required`);
  if (!Number.isInteger(min) || min < 0) throw new Error('min must be an integer >= 0');
  if (!Number.isInteger(max) || max <= 0) throw new Error('max must be an integer > 0');
  if (min > max) throw new Error('max is smaller than min');
  if (maxUses !== undefined && !(typeof maxUses === 'number' && maxUses >= 0)) throw new Error('maxUses must be an integer >= 0');
}

export interface Limits {
  readonly idleTimeoutMillis: number;
  readonly acquireTimeoutMillis: number;
  readonly reapIntervalMillis: number;
  readonly maxUsesPerResource: number;
}

/** 0 is not given either. */
export function limitsOf<T>({ idleTimeoutMillis, acquireTimeoutMillis, reapIntervalMillis, maxUses }: FactoryOptions<T>): Limits {
  return {
    idleTimeoutMillis: orElse(idleTimeoutMillis, 30_000),
    acquireTimeoutMillis: orElse(acquireTimeoutMillis, 30_000),
    reapIntervalMillis: orElse(reapIntervalMillis, 1_000),
    maxUsesPerResource: orElse(maxUses, Infinity),
  };
}

function orElse(value: number | undefined, fallback: number): number {
  return value === undefined || !value ? fallback : value;
}

/** The same in the engine's words, without the factory. */
export function engineOptions<T>(options: FactoryOptions<T>, limits: Limits): Omit<PoolOptions<T>, 'factory'> {
  const { drainDeadlineMs: _, handles: __, ...chosen } = options.millpond ?? {};
  return {
    ...(options.name === undefined ? {} : { name: options.name }),
    min: options.min,
    max: options.max,
    fill: false,
    // What sat through a freeze of the process is asked by `validate`, as ever.
    flushOnStale: false,
    maxCreating: Infinity,
    maxUses: Math.max(1, Math.ceil(limits.maxUsesPerResource)),
    acquireTimeoutMs: limits.acquireTimeoutMillis,
    // It has no deadline for a create but that of the acquire.
    createTimeoutMs: limits.acquireTimeoutMillis,
    idleTimeoutMs: limits.idleTimeoutMillis,
    maxLifetimeMs: 0,
    createRetry: false,
    ...chosen,
  };
}
