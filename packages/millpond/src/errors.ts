// Everything a pool can say no with. Each class has one stable code (or two), tells whether trying again makes sense, and words its message
// for the person on call. How a refusal of the rules becomes one of these is in runtime/refusals.ts; docs/reference/errors has a
// heading per code.

import type { BudgetReport } from './budget.ts';
import type { PoolStats } from './stats.ts';

/** Marks our errors across copies and versions of the package, where instanceof fails. */
const BRAND = Symbol.for('millpond.PoolError');

export interface PoolErrorInit {
  readonly code: `ERR_POOL_${string}`;
  readonly pool: string;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** The base of all errors of a pool. */
export class PoolError extends Error {
  /** Stable; the message is not. */
  readonly code: `ERR_POOL_${string}`;
  /** May the same call succeed when it is made again? */
  readonly retryable: boolean;
  /** The name of the pool. */
  readonly pool: string;

  constructor(message: string, init: PoolErrorInit) {
    super(message, 'cause' in init ? { cause: init.cause } : undefined);
    this.code = init.code;
    this.retryable = init.retryable ?? false;
    this.pool = init.pool;
  }

  /** Is this an error of a pool, of whatever copy of the package? */
  static is(value: unknown): value is PoolError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true });
  }
}

export interface AcquireErrorInit extends PoolErrorInit {
  readonly stats: PoolStats;
  readonly waitedMs: number;
  readonly budget?: BudgetReport | undefined;
}

/**
 * An acquire was not served. Made without a stack: it says nothing about the caller, and under overload it would cost more than the
 * acquire.
 */
export class AcquireError extends PoolError {
  readonly waitedMs: number;
  /** Of a pool with a budget that did not grant it more: why. */
  declare readonly budget?: BudgetReport;
  readonly #stats: PoolStats;

  constructor(message: string, init: AcquireErrorInit) {
    super(message, init);
    this.waitedMs = init.waitedMs;
    this.#stats = init.stats;
    if (init.budget !== undefined) this.budget = init.budget;
  }

  /** The pool at that moment. A log line has the numbers once, in the message: this is for code, and not enumerable. */
  get stats(): PoolStats {
    return this.#stats;
  }
}

/**
 * `ERR_POOL_ACQUIRE_TIMEOUT`: the deadline passed. `cause` is the last failure of a create, if there was one since a create last
 * succeeded.
 */
export class AcquireTimeoutError extends AcquireError {}

/** `ERR_POOL_QUEUE_FULL`: `maxWaiting` acquires wait already. */
export class QueueFullError extends AcquireError {}

/** `ERR_POOL_OVERLOADED`: shed at the door, because it could not have been served in time. */
export class OverloadedError extends AcquireError {
  /** How long the queue would have taken: when to come back. */
  readonly retryAfterMs: number;

  constructor(message: string, init: AcquireErrorInit & { readonly retryAfterMs: number }) {
    super(message, init);
    this.retryAfterMs = init.retryAfterMs;
  }
}

/** `ERR_POOL_PAUSED`: paused with `reject`. */
export class PoolPausedError extends AcquireError {}

/** `ERR_POOL_UNAVAILABLE`: the breaker is open. `cause` is the last failure of a create. */
export class PoolUnavailableError extends AcquireError {}

/** `ERR_POOL_CLOSED`: the pool is closed or closing. */
export class PoolClosedError extends AcquireError {}

/** `ERR_POOL_CREATE_FAILED`, with what the factory threw as `cause`, or `ERR_POOL_CREATE_TIMEOUT`. */
export class CreateError extends AcquireError {}

/** `ERR_POOL_NESTED_ACQUIRE`: an acquire inside a lease of the same pool, with `nested: 'error'`. */
export class NestedAcquireError extends AcquireError {}

/** `ERR_POOL_LEASE_ENDED`: the resource of a lease was asked for after its end. */
export class LeaseEndedError extends PoolError {}

/** `ERR_POOL_INVALID_OPTION`: names the option, its value, what would be right and, for an unknown key, the nearest known one. */
export class InvalidOptionError extends PoolError {
  readonly option: string;

  constructor(option: string, message: string, pool: string) {
    super(message, { code: 'ERR_POOL_INVALID_OPTION', pool });
    this.option = option;
  }
}

// A name on the prototype survives minifiers and costs nothing per error.
for (const [name, { prototype }] of Object.entries({
  PoolError, AcquireError, AcquireTimeoutError, QueueFullError, OverloadedError, PoolPausedError, PoolUnavailableError,
  PoolClosedError, CreateError, NestedAcquireError, LeaseEndedError, InvalidOptionError,
})) Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true });

/** Makes an error without a stack: formatting one costs microseconds, and under overload there are many. */
export function withoutStack<E>(make: () => E): E {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
