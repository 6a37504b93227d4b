// The options of a pool: their types, defaults and validation. Bad options fail at construction and name the option, the value and, for
// an unknown key, the nearest known one; afterwards the rest of the code works with plain numbers (engine/settings.ts).

import type { Budget } from './budget.ts';
import type { Clock, Random } from './clock.ts';
import type { LaneSettings } from './engine/lanes.ts';
import type { Settings } from './engine/settings.ts';
import { InvalidOptionError } from './errors.ts';
import type { Factory } from './factory.ts';

export interface PoolOptions<T> {
  /** Makes, checks, cleans and unmakes the resources. Required. */
  readonly factory: Factory<T>;
  /** Shown in errors, events, metrics and the console. Default: `pool-1`, `pool-2`, … */
  readonly name?: string;
  /** Resources to keep alive, lent ones included. Filled at construction and after every loss. Default 0. */
  readonly min?: number;
  /** Create resources to reach `min`. Default true. `false`: `min` only keeps resources that are there from retiring by idleness. */
  readonly fill?: boolean;
  /** The most resources that exist at the server at once, those being created and destroyed included. Default 10. */
  readonly max?: number;
  /** The most acquires that wait beyond those which a running create will serve. Default Infinity. Beyond it: {@link QueueFullError}. */
  readonly maxWaiting?: number;
  /** The most creates at once. Default 2, so that a cold or recovering pool is no connection storm. */
  readonly maxCreating?: number;
  /** The one deadline of an acquire: queueing, creating and validating. Default 5 000 ms; Infinity waits for ever; 0 does not wait. */
  readonly acquireTimeoutMs?: number;
  /** Default 10 000 ms; 0 or Infinity: off. A create that outlives it is aborted and destroyed when it comes after all. */
  readonly createTimeoutMs?: number;
  /** Default 1 000 ms; 0 or Infinity: off. A resource that does not answer in time is dead. */
  readonly validateTimeoutMs?: number;
  /** Default 2 000 ms; 0 or Infinity: off. A resource that is not clean in time is destroyed. */
  readonly resetTimeoutMs?: number;
  /** Default 5 000 ms; 0 or Infinity: off. After it the place of a resource whose destroy hangs is free. */
  readonly destroyTimeoutMs?: number;
  /** Idle resources above `min` are destroyed after this. Default 600 000 ms; 0 or Infinity: off. */
  readonly idleTimeoutMs?: number;
  /** No resource is lent when older than this. Default 1 800 000 ms; 0 or Infinity: off. A borrowed one retires when it comes back. */
  readonly maxLifetimeMs?: number;
  /**
   * Shortens each resource's lifetime by a random part of up to this, so that a fleet does not reconnect in lockstep. 0 to 1, default
   * 0.25.
   */
  readonly lifetimeJitter?: number;
  /** A resource retires after this many leases. Default Infinity. */
  readonly maxUses?: number;
  /** A resource that was idle for longer is validated before it is lent. Default 500 ms; Infinity: never. */
  readonly validateAfterIdleMs?: number;
  /** Validate before every lease, also what is new or comes straight from its last borrower. Default false. */
  readonly validateOnAcquire?: boolean;
  /** Idle resources are validated this often, one at a time. Default off (0 or Infinity). */
  readonly keepaliveIntervalMs?: number;
  /** When a validation fails, destroy every resource that was silent at least as long, unvalidated. Default true. */
  readonly flushOnStale?: boolean;
  /** Count resources that are being destroyed towards `max`. Default true. */
  readonly strictMax?: boolean;
  /** Which idle resource is lent first. Default `'lifo'`: the rest can age out. `'fifo'` spreads use evenly. */
  readonly idleOrder?: 'lifo' | 'fifo';
  /** How many leases one resource carries at once. Default 1. */
  readonly sharing?: number;
  /**
   * Try failed creates again while waiters have time. Default on: 100 ms, ×2, at most 5 000 ms, ±20 %. `false`: the waiter at the head
   * gets the error at once. A deficit of `min` is retried in either case.
   */
  readonly createRetry?: false | {
    readonly initialDelayMs?: number;
    readonly maxDelayMs?: number;
    readonly factor?: number;
    readonly jitter?: number;
  };
  /** Fail fast after this many failed creates in a row with nothing alive, and probe once per interval. Default off. */
  readonly breaker?: false | { readonly failures: number; readonly probeIntervalMs: number };
  /** Turn away at the door what cannot be served in time. Default off; `true`: target 20 ms, interval 1 000 ms. */
  readonly shedding?: boolean | { readonly targetMs?: number; readonly intervalMs?: number };
  /** Classes of callers with a share of the pool each, highest first. Default: one lane with everything. */
  readonly lanes?: Readonly<Record<string, { readonly share: number; readonly borrowLimit?: number; readonly lendable?: boolean }>>;
  /** Part of the pool that lower lanes leave free while a higher one is active. Default 0.2, at least one resource; 0: none. */
  readonly headroom?: number;
  /** Report a lease that is held longer. Default off (0 or Infinity). */
  readonly leakThresholdMs?: number;
  /** Destroy the resource of a lease that was reported as a leak. Default false. */
  readonly reclaim?: boolean;
  /**
   * Part of the acquires whose stack is kept for leak reports, 0 to 1 (`true`: all). Costs microseconds each. Default: all with
   * `leakThresholdMs` or `nested`, else none.
   */
  readonly captureStacks?: boolean | number;
  /** What to do with an acquire inside a `use` of the same pool, which deadlocks when everybody does it. Default `'allow'`. */
  readonly nested?: 'allow' | 'warn' | 'error';
  /** A limit beside `max` that comes from outside and may move. Default none. */
  readonly budget?: Budget;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock;
  /** Default: Math.random. */
  readonly random?: Random;
}

export interface AcquireOptions {
  /** Aborting it ends the wait: the acquire rejects with `signal.reason`. A lease that was given already is not affected. */
  readonly signal?: AbortSignal;
  /** Overrides acquireTimeoutMs. */
  readonly timeoutMs?: number;
  /** One of `lanes`. Default: the lane of the async context ({@link withLane}), or the first one. */
  readonly lane?: string;
  /** Free text for leak reports, errors and the console. */
  readonly label?: string;
}

/** Durations that bound something, with their defaults; 0 and Infinity mean that nothing does. */
const LIMITS = {
  createTimeoutMs: 10_000, validateTimeoutMs: 1_000, resetTimeoutMs: 2_000, destroyTimeoutMs: 5_000, idleTimeoutMs: 600_000,
  maxLifetimeMs: 1_800_000, keepaliveIntervalMs: Infinity, leakThresholdMs: Infinity,
} as const;

/** Numbers of things: the default, and the least that makes sense. */
const COUNTS = {
  max: [10, 1], min: [0, 0], maxWaiting: [Infinity, 0], maxCreating: [2, 1], maxUses: [Infinity, 1], sharing: [1, 1],
} as const;

const FLAGS = { fill: true, validateOnAcquire: false, flushOnStale: true, strictMax: true, reclaim: false } as const;

const OTHERS = [
  'factory', 'name', 'acquireTimeoutMs', 'lifetimeJitter', 'validateAfterIdleMs', 'idleOrder', 'createRetry', 'breaker', 'shedding',
  'lanes', 'headroom', 'captureStacks', 'nested', 'budget', 'clock', 'random',
] as const;

/** Every key of {@link PoolOptions}; adapters use it to tell their own keys from the pool's. */
export const POOL_OPTION_KEYS: readonly (keyof PoolOptions<unknown>)[] = [
  ...keysOf(COUNTS), ...keysOf(LIMITS), ...keysOf(FLAGS), ...OTHERS,
];

/** The options after validation, apart from what goes into the engine's settings. */
export interface Resolved {
  readonly settings: Settings;
  readonly acquireTimeoutMs: number;
  readonly stackShare: number;
  readonly nested: 'allow' | 'warn' | 'error';
}

/** Checks options of a pool called `pool` and fills in the defaults. Throws {@link InvalidOptionError}. */
export function resolveOptions<T>(options: PoolOptions<T>, pool: string): Resolved {
  const check = new Checker(pool);
  check.object('options', options);
  check.keys('', options, POOL_OPTION_KEYS);
  const { factory } = options;
  check.object('factory', factory);
  for (const hook of ['create', 'destroy'] as const) check.functionAt(`factory.${hook}`, factory[hook], true);
  for (const hook of ['validate', 'reset', 'isBroken', 'onLost', 'onCapacity', 'classify'] as const) {
    check.functionAt(`factory.${hook}`, factory[hook], false);
  }
  checkPorts(check, options);
  const limits = mapped(LIMITS, (name, fallback) => check.limit(name, options[name], fallback));
  const { leakThresholdMs } = limits;
  if (options.reclaim === true && leakThresholdMs === Infinity) throw check.bad('reclaim', true, 'used together with leakThresholdMs');
  const nested = check.oneOf('nested', options.nested, ['allow', 'warn', 'error'], 'allow');
  const stacks = options.captureStacks ?? (leakThresholdMs !== Infinity || nested !== 'allow');
  return {
    acquireTimeoutMs: check.duration('acquireTimeoutMs', options.acquireTimeoutMs, 5_000),
    stackShare: typeof stacks === 'boolean' ? Number(stacks) : check.number('captureStacks', stacks, 0, { most: 1 }),
    nested,
    settings: {
      ...sizes(check, options),
      ...limits,
      ...mapped(FLAGS, (name, fallback) => check.flag(name, options[name], fallback)),
      validateAfterIdleMs: check.duration('validateAfterIdleMs', options.validateAfterIdleMs, 500),
      lifetimeJitter: check.number('lifetimeJitter', options.lifetimeJitter, 0.25, { most: 1 }),
      lifo: check.oneOf('idleOrder', options.idleOrder, ['lifo', 'fifo'], 'lifo') === 'lifo',
      retry: retrySettings(check, options.createRetry),
      retryForWaiters: options.createRetry !== false,
      breaker: breakerSettings(check, options.breaker),
      shedding: sheddingSettings(check, options.shedding),
      lanes: laneSettings(check, options.lanes),
      headroom: check.number('headroom', options.headroom, 0.2, { most: 1 }),
      canValidate: factory.validate !== undefined,
      canReset: factory.reset !== undefined,
      canBreak: factory.isBroken !== undefined,
    },
  };
}

/** What comes from outside as an object with methods, or as a function. */
function checkPorts<T>(check: Checker, { budget, clock, random }: PoolOptions<T>): void {
  if (budget !== undefined) {
    check.object('budget', budget);
    check.functionAt('budget.join', budget.join, true);
  }
  if (clock !== undefined) {
    check.object('clock', clock);
    check.functionAt('clock.now', clock.now, true);
    check.functionAt('clock.schedule', clock.schedule, true);
  }
  check.functionAt('random', random, false);
}

/** Checks a new size for {@link Pool.resize}. */
export function resolveSize(
  size: { readonly min?: number; readonly max?: number },
  now: { readonly min: number; readonly max: number },
  pool: string,
): { min: number; max: number } {
  const check = new Checker(pool);
  check.object('size', size);
  check.keys('', size, ['min', 'max']);
  const max = check.count('max', size.max, now.max, 1);
  const min = check.count('min', size.min, size.max !== undefined ? Math.min(now.min, max) : now.min, 0);
  if (min > max) throw check.bad('min', min, `at most max (${max})`);
  return { min: check.finite('min', min), max };
}

function sizes<T>(check: Checker, options: PoolOptions<T>): Record<keyof typeof COUNTS, number> {
  const counts = mapped(COUNTS, (name, [fallback, least]) => check.count(name, options[name], fallback, least));
  const { min, max, sharing } = counts;
  if (min > max) throw check.bad('min', min, `at most max (${max})`);
  if (min === Infinity) throw check.bad('min', min, 'a whole number');
  check.finite('sharing', sharing);
  return counts;
}

/** The table with its values replaced. */
function mapped<N extends string, V, R>(values: Readonly<Record<N, V>>, change: (name: N, value: V) => R): Record<N, R> {
  return Object.fromEntries(keysOf(values).map((name) => [name, change(name, values[name])])) as Record<N, R>;
}

function keysOf<N extends string>(values: Readonly<Record<N, unknown>>): N[] {
  return Object.keys(values) as N[];
}

function retrySettings(check: Checker, given: PoolOptions<unknown>['createRetry']): Settings['retry'] {
  const retry = given === undefined || given === false ? {} : given;
  check.object('createRetry', retry);
  check.keys('createRetry.', retry, ['initialDelayMs', 'maxDelayMs', 'factor', 'jitter']);
  // A delay of less than a millisecond would be a hot loop against a dead server.
  const initialDelayMs = check.number('createRetry.initialDelayMs', retry.initialDelayMs, 100, { least: 1 });
  return {
    initialDelayMs,
    maxDelayMs: check.number('createRetry.maxDelayMs', retry.maxDelayMs, Math.max(5_000, initialDelayMs), { least: initialDelayMs }),
    factor: check.number('createRetry.factor', retry.factor, 2, { least: 1 }),
    jitter: check.number('createRetry.jitter', retry.jitter, 0.2, { most: 1 }),
  };
}

function breakerSettings(check: Checker, given: PoolOptions<unknown>['breaker']): Settings['breaker'] {
  if (given === undefined || given === false) return undefined;
  check.object('breaker', given);
  check.keys('breaker.', given, ['failures', 'probeIntervalMs']);
  return {
    failures: check.count('breaker.failures', given.failures, undefined, 1),
    probeIntervalMs: check.number('breaker.probeIntervalMs', given.probeIntervalMs, undefined, { least: 1 }),
  };
}

function sheddingSettings(check: Checker, given: PoolOptions<unknown>['shedding']): Settings['shedding'] {
  if (given === undefined || given === false) return undefined;
  const shedding = given === true ? {} : given;
  check.object('shedding', shedding);
  check.keys('shedding.', shedding, ['targetMs', 'intervalMs']);
  return {
    targetMs: check.number('shedding.targetMs', shedding.targetMs, 20, { least: 1 }),
    intervalMs: check.number('shedding.intervalMs', shedding.intervalMs, 1_000, { least: 1 }),
  };
}

function laneSettings(check: Checker, given: PoolOptions<unknown>['lanes']): readonly LaneSettings[] {
  if (given === undefined) return [{ name: 'default', share: 1, borrowLimit: Infinity, lendable: true }];
  check.object('lanes', given);
  const names = Object.keys(given);
  if (names.length === 0) throw check.bad('lanes', given, 'at least one lane');
  return names.map((name) => {
    const lane = given[name]!;
    check.object(`lanes.${name}`, lane);
    check.keys(`lanes.${name}.`, lane, ['share', 'borrowLimit', 'lendable']);
    const share = check.number(`lanes.${name}.share`, lane.share, undefined, {});
    if (share === 0 || share === Infinity) throw check.bad(`lanes.${name}.share`, share, 'a number above 0');
    return {
      name, share,
      borrowLimit: check.count(`lanes.${name}.borrowLimit`, lane.borrowLimit, Infinity, 0),
      lendable: check.flag(`lanes.${name}.lendable`, lane.lendable, true),
    };
  });
}

/** Checks values one by one and words what is wrong with them. */
export class Checker {
  readonly #pool: string;

  constructor(pool: string) {
    this.#pool = pool;
  }

  bad(option: string, value: unknown, expected: string): InvalidOptionError {
    return new InvalidOptionError(option, `${option} is ${show(value)}, but must be ${expected}`, this.#pool);
  }

  keys(prefix: string, given: object, known: readonly string[]): void {
    for (const key of Object.keys(given)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${prefix}${near}?`;
      throw new InvalidOptionError(prefix + key, `unknown option ${prefix}${key}; ${hint}`, this.#pool);
    }
  }

  object(option: string, value: unknown): void {
    // Not the value when it is text: it may well be a connection string.
    if (typeof value !== 'object' || value === null) throw this.bad(option, textless(value), 'an object');
  }

  functionAt(option: string, value: unknown, required: boolean): void {
    if (typeof value !== 'function' && (required || value !== undefined)) throw this.bad(option, textless(value), 'a function');
  }

  flag(option: string, value: boolean | undefined, fallback: boolean): boolean {
    const flag = value ?? fallback;
    if (typeof flag !== 'boolean') throw this.bad(option, flag, 'true or false');
    return flag;
  }

  oneOf<V extends string>(option: string, value: V | undefined, allowed: readonly V[], fallback: V): V {
    const chosen = value ?? fallback;
    if (!allowed.includes(chosen)) throw this.bad(option, chosen, `one of ${allowed.map((each) => `'${each}'`).join(', ')}`);
    return chosen;
  }

  number(
    option: string,
    value: number | undefined,
    fallback: number | undefined,
    range: { readonly least?: number; readonly most?: number },
  ): number {
    const number = value ?? fallback;
    const { least = 0, most = Infinity } = range;
    if (typeof number !== 'number' || !(number >= least && number <= most)) {
      throw this.bad(option, number, most === Infinity ? `a number of at least ${least}` : `a number from ${least} to ${most}`);
    }
    return number;
  }

  /** A number of milliseconds; 0 means none. */
  duration(option: string, value: number | undefined, fallback: number): number {
    return this.number(option, value, fallback, {});
  }

  /** A number of milliseconds that bounds something; 0 and Infinity mean that nothing does. */
  limit(option: string, value: number | undefined, fallback: number): number {
    return this.duration(option, value, fallback) || Infinity;
  }

  /** A whole number or Infinity. */
  count(option: string, value: number | undefined, fallback: number | undefined, least: number): number {
    const number = value ?? fallback;
    if (typeof number !== 'number' || !(number >= least) || (number !== Infinity && !Number.isInteger(number))) {
      throw this.bad(option, number, `a whole number of at least ${least}`);
    }
    return number;
  }

  finite(option: string, value: number): number {
    if (value === Infinity) throw this.bad(option, value, 'finite');
    return value;
  }
}

/** Stands for a text that must not be shown. */
const TEXT: unique symbol = Symbol('a string');

function textless(value: unknown): unknown {
  return typeof value === 'string' ? TEXT : value;
}

function show(value: unknown): string {
  if (value === TEXT) return 'a string';
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' && value !== null ? 'an object' : typeof value === 'function' ? 'a function' : String(value);
}

/** The known key that a misspelt one most likely meant, if one is near enough. */
export function nearest(key: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(key.length * 0.4)) + 1;
  for (const candidate of known) {
    const cost = distance(key.toLowerCase(), candidate.toLowerCase());
    if (cost < least) {
      least = cost;
      best = candidate;
    }
  }
  return best;
}

/** Edit distance (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

let unnamed = 0;

/** The name of a pool; those that were given none are numbered. */
export function nameOf(options: { readonly name?: string }): string {
  const name = (options as { readonly name?: unknown } | null | undefined)?.name;
  if (name === undefined) return `pool-${++unnamed}`;
  if (typeof name !== 'string' || name === '') throw new Checker('pool').bad('name', name, 'a string that is not empty');
  return name;
}
