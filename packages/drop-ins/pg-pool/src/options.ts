// What pg-pool's options mean to the engine. pg-pool takes numbers as it finds them (texts from the environment above all), counts in two
// units, and reads 0 as "never"; here each becomes one number of the engine's. What no number can be made of is refused: pg-pool would
// have a pool without bounds.

import { InvalidOptionError, type PoolOptions } from 'millpond';
import type { MillpondOptions, PoolConfig, Reset, ResolvedConfig } from './types.ts';

/** pg-pool's defaults. */
const MAX = 10;
const IDLE_TIMEOUT_MS = 10_000;

/** For those that ask for more than pg-pool has: idle connections are pinged this often. */
const KEEPALIVE_MS = 120_000;
/** A connect with a deadline of its own may still be in its `onConnect`. */
const CREATE_TIMEOUT_MS = 10_000;

const OWN_KEYS: readonly (keyof MillpondOptions)[] = ['keepAfterErrors', 'reset', 'handles', 'endDeadlineMs'];
const SAID_ELSEWHERE = ['factory', 'max', 'min', 'fill', 'maxUses', 'sharing'];

/** How this pool behaves: as pg-pool does, or better. */
export interface Settings {
  /** `millpond` is on. */
  readonly better: boolean;
  readonly keepAfterErrors: boolean;
  /** Undefined: the session is left as it is. */
  readonly reset: Reset | undefined;
  readonly handles: boolean;
  readonly endDeadlineMs: number;
  /** A connect that takes longer is given up; undefined: none is. */
  readonly connectTimeoutMs: number | undefined;
  readonly engine: Omit<PoolOptions<unknown>, 'factory'>;
}

/** A copy of the options with the defaults that pg-pool fills in, and the secrets where no log shows them. */
export function resolveConfig<C>(given: PoolConfig<C> | null | undefined): ResolvedConfig<C> {
  const options = { ...given } as ResolvedConfig<C>;
  if (given !== null && given !== undefined && 'password' in given) {
    Object.defineProperty(options, 'password', { configurable: true, enumerable: false, writable: true, value: given['password'] });
  }
  const { ssl } = options as { readonly ssl?: { readonly key?: unknown } };
  // On the object that was given: a copy would lose a key that was hidden before.
  if (typeof ssl === 'object' && ssl?.key) Reflect.defineProperty(ssl, 'key', { enumerable: false });
  const { max, poolSize } = options;
  options.max = [max, poolSize].find(Boolean) ?? MAX;
  options.min = options.min || 0;
  options.maxUses = options.maxUses || Infinity;
  options.allowExitOnIdle = options.allowExitOnIdle || false;
  options.maxLifetimeSeconds = options.maxLifetimeSeconds || 0;
  if (options.idleTimeoutMillis === undefined) options.idleTimeoutMillis = IDLE_TIMEOUT_MS;
  return options;
}

/** Throws {@link InvalidOptionError}. */
export function settingsOf(options: ResolvedConfig<never>): Settings {
  const { millpond } = options;
  const better = millpond !== undefined && millpond !== false;
  const own = tuningOf(millpond);
  const { keepAfterErrors = true, reset = 'rollback', handles = true, endDeadlineMs, ...tuning } = own;
  check('keepAfterErrors', typeof keepAfterErrors === 'boolean', 'true or false');
  check('handles', typeof handles === 'boolean', 'true or false');
  check('reset', ['none', 'rollback', 'discard'].includes(reset), "one of 'none', 'rollback', 'discard'");
  check('endDeadlineMs', endDeadlineMs === undefined || endDeadlineMs >= 0, 'a number of milliseconds');
  const waitMs = duration('connectionTimeoutMillis', options.connectionTimeoutMillis);
  const lifetimeMs = duration('maxLifetimeSeconds', options.maxLifetimeSeconds, 1_000);
  return {
    better,
    keepAfterErrors: better && keepAfterErrors,
    reset: better ? reset : undefined,
    handles: better && handles,
    endDeadlineMs: endDeadlineMs ?? (better ? 10_000 : Infinity),
    connectTimeoutMs: waitMs,
    engine: {
      name: 'pg-pool',
      ...sizes(options),
      maxUses: Math.ceil(number('maxUses', options.maxUses)),
      idleTimeoutMs: duration('idleTimeoutMillis', options.idleTimeoutMillis) ?? Infinity,
      ...(better ? corrected(waitMs, lifetimeMs) : faithful(waitMs, lifetimeMs)),
      ...tuning,
    },
  };
}

/** The size as it stands in the options now: it may be changed there while the pool runs. */
export function sizes({ max, min }: Pick<ResolvedConfig, 'max' | 'min'>): { readonly max: number; readonly min: number } {
  const most = Math.ceil(number('max', max));
  if (most < 1) throw invalid('max', 'at least 1');
  return { max: most, min: Math.max(0, Math.min(most, Math.floor(number('min', min)))) };
}

function faithful(acquireTimeoutMs = Infinity, maxLifetimeMs = Infinity): Partial<PoolOptions<unknown>> {
  return {
    fill: false,
    // pg-pool trusts what it has, also after a freeze of the process.
    flushOnStale: false,
    acquireTimeoutMs,
    createTimeoutMs: Infinity,
    maxLifetimeMs,
    lifetimeJitter: 0,
    maxCreating: Infinity,
    createRetry: false,
  };
}

function corrected(waitMs?: number, maxLifetimeMs?: number): Partial<PoolOptions<unknown>> {
  return {
    ...(waitMs === undefined ? {} : { acquireTimeoutMs: waitMs, createTimeoutMs: Math.max(waitMs, CREATE_TIMEOUT_MS) }),
    ...(maxLifetimeMs === undefined ? {} : { maxLifetimeMs }),
    keepaliveIntervalMs: KEEPALIVE_MS,
  };
}

function tuningOf(millpond: PoolConfig['millpond']): MillpondOptions {
  if (millpond === undefined || typeof millpond === 'boolean') return {};
  if (typeof millpond !== 'object' || millpond === null) throw invalid('millpond', 'true, false or an object');
  for (const key of SAID_ELSEWHERE) {
    if (!(key in millpond)) continue;
    throw new InvalidOptionError(`millpond.${key}`, `millpond.${key} is said beside millpond`, 'pg-pool');
  }
  return millpond;
}

/** Milliseconds; undefined where pg-pool would have no timer. What is below 1 fires as soon as a timer can. */
function duration(option: string, value: unknown, unitMs = 1): number | undefined {
  if (!value) return undefined;
  return Math.max(1, number(option, value) * unitMs);
}

function number(option: string, value: unknown): number {
  const parsed = Number(value);
  if (Number.isNaN(parsed)) throw invalid(option, 'a number');
  return parsed;
}

function check(option: string, isRight: boolean, expected: string): void {
  if (!isRight) throw invalid(OWN_KEYS.some((key) => key === option) ? `millpond.${option}` : option, expected);
}

/** Without the value: it may be a secret in the wrong place. */
function invalid(option: string, expected: string): InvalidOptionError {
  return new InvalidOptionError(option, `${option} must be ${expected}`, 'pg-pool');
}
