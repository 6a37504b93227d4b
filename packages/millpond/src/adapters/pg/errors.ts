// What a statement can fail with here and nowhere else.

import { PoolError } from '../../index.ts';
import { named } from '../common/named.ts';

/** `ERR_POOL_RESET_FAILED`: what the last borrower left could not be cleaned away. The statement did not run; the connection is closed. */
export class ResetFailedError extends PoolError {
  constructor(pool: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`Pool "${pool}": DISCARD ALL failed ahead of the statement (${why}). The statement did not run, and the connection is closed.`, {
      code: 'ERR_POOL_RESET_FAILED', pool, retryable: true, cause,
    });
  }

  static {
    named(this, 'ResetFailedError');
  }
}
