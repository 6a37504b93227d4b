// What an acquire is told, in sequelize-pool's words. Sequelize tells a full pool from a broken database by `instanceof TimeoutError`; the
// engine's error, with all its numbers, is the `cause`.

import { AcquireTimeoutError, CreateError, PoolClosedError } from 'millpond';

/** The deadline of an acquire has passed. */
export class TimeoutError extends Error {}

/** More than one destroy failed. */
export class AggregateError extends Error {
  readonly errors: Error[];

  constructor(errors: Error[]) {
    super(errors.map((error) => error.message).join('; '));
    this.name = 'AggregateError';
    this.errors = errors;
  }

  override toString(): string {
    const items = this.errors.map((error) => `  ${String(error).trimEnd().replaceAll('\n', '\n    ')}\n`);
    return `AggregateError of:\n${items.join('')}`;
  }
}

/** The same in words that users of sequelize-pool match. */
export function translated(error: unknown): unknown {
  if (error instanceof AcquireTimeoutError) return new TimeoutError('Operation timeout', { cause: error });
  if (error instanceof CreateError && error.cause !== undefined) return error.cause;
  if (error instanceof PoolClosedError) return draining(error);
  return error;
}

export function draining(cause?: unknown): Error {
  return new Error('pool is draining and cannot accept work', { cause });
}
