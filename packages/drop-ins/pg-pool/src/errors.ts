// Errors in the words of pg-pool: those are what people compare with. What the engine has to say of the matter is the cause, and its code
// is the error's.

import { AcquireTimeoutError, CreateError, PoolClosedError, PoolError } from 'millpond';

export type CodedError = Error & { code?: string };

/** What a caller of `connect()` or `query()` gets for what the engine says. */
export function translated(error: unknown): unknown {
  if (error instanceof CreateError) return error.cause ?? error;
  if (error instanceof AcquireTimeoutError) return worded('timeout exceeded when trying to connect', error.code, error);
  if (error instanceof PoolClosedError) return worded(ENDED, error.code, error);
  return error;
}

const ENDED = 'Cannot use a pool after calling end on the pool';

export function endedError(): Error {
  return worded(ENDED, 'ERR_POOL_CLOSED');
}

export function endedTwiceError(): Error {
  return worded('Called end on pool more than once', 'ERR_POOL_CLOSED');
}

export function releasedTwiceError(): Error {
  return worded('Release called on client which has already been released to the pool.', 'ERR_POOL_LEASE_ENDED');
}

export function functionAsQueryError(): Error {
  return new Error('Passing a function as the first parameter to pool.query is not supported');
}

export function connectTimeoutError(cause: unknown): Error {
  return worded('Connection terminated due to connection timeout', 'ERR_POOL_CREATE_TIMEOUT', cause);
}

export function driverMissingError(cause: unknown): Error {
  const message = "Pool \"pg-pool\" needs node-postgres: install pg, or give a class as the option 'Client'.";
  return new PoolError(message, { code: 'ERR_POOL_DRIVER_MISSING', pool: 'pg-pool', cause });
}

function worded(message: string, code: string, cause?: unknown): CodedError {
  const error: CodedError = cause === undefined ? new Error(message) : new Error(message, { cause });
  error.code = code;
  return error;
}

