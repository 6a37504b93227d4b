// What an acquire is told, in tarn's words. knex tells a full pool from a broken database by `instanceof TimeoutError`, and shows the
// message: the engine's error, with all its numbers, is its `cause`.

import { AcquireTimeoutError, CreateError, PoolClosedError, PoolError } from 'millpond';

const UNKNOWN = 'operation timed out for an unknown reason';

/** A deadline has passed: of an acquire, a create or a destroy. */
export class TimeoutError extends Error {}

/** A create or destroy took longer than it may. */
export function overlong(cause: unknown): TimeoutError {
  return new TimeoutError(UNKNOWN, { cause });
}

/** What tarn rejects an acquire with where the engine says `error`. `Timeout`: the class to use. */
export function translated(error: unknown, Timeout: typeof TimeoutError): unknown {
  if (error instanceof AcquireTimeoutError) {
    const last = lastFailure(error);
    return new Timeout(last === null ? UNKNOWN : last.message, { cause: error });
  }
  if (error instanceof CreateError) return error.code === 'ERR_POOL_CREATE_TIMEOUT' ? new Timeout(UNKNOWN, { cause: error }) : error.cause;
  if (error instanceof PoolClosedError) return new Error('aborted', { cause: error });
  return error;
}

/** Why the last create failed, if that may be why an acquire was not served in time. */
export function lastFailure(error: unknown): Error | null {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && !PoolError.is(cause) ? cause : null;
}
