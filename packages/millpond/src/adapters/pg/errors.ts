// What a statement can fail with besides the server's own errors, which are passed on as node-postgres made them.

import { PoolError } from '../../index.ts';
import { named } from '../common/named.ts';

/** `ERR_POOL_QUERY_TIMEOUT`: the deadline passed while it ran. It is cancelled at the server; whether it had an effect is not known. */
export class QueryTimeoutError extends PoolError {
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number, pool: string) {
    super(
      `Pool "${pool}": ${what} did not finish within ${timeoutMs} ms and is being cancelled at the server. Whether it took effect is not `
        + 'known. Look at what it waits for (pg_stat_activity, pg_locks), or give it more time (timeoutMs).',
      { code: 'ERR_POOL_QUERY_TIMEOUT', pool },
    );
    this.timeoutMs = timeoutMs;
  }

  static {
    named(this, 'QueryTimeoutError');
  }
}

/**
 * `ERR_POOL_CONNECTION_LOST`: the connection ended before the answer came; `cause` is what the driver said. `retryable` only when nothing
 * of the statement had been sent.
 */
export class ConnectionLostError extends PoolError {
  constructor(pool: string, sent: boolean, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      sent
        ? `Pool "${pool}": the connection was lost during a statement (${why}). Whether it took effect is not known; it is not repeated.`
        : `Pool "${pool}": the connection was found dead before anything was sent (${why}), and so were others. The statement did not run.`,
      { code: 'ERR_POOL_CONNECTION_LOST', pool, retryable: !sent, cause },
    );
  }

  static {
    named(this, 'ConnectionLostError');
  }
}

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

/** `ERR_POOL_TRANSACTION_FAILED`: the function returned, but a statement before had failed, so the server rolled everything back. */
export class TransactionFailedError extends PoolError {
  constructor(pool: string) {
    super(
      `Pool "${pool}": the transaction was rolled back and not committed: one of its statements had failed, and its function returned all `
        + 'the same. Let the error out of the function, or put a savepoint around the statement.',
      { code: 'ERR_POOL_TRANSACTION_FAILED', pool },
    );
  }

  static {
    named(this, 'TransactionFailedError');
  }
}
