// What a statement can fail with besides the server's own errors, which are passed on as the driver made them. One class per meaning,
// whichever driver is behind it.

import { PoolError } from '../../index.ts';
import { named } from './named.ts';

/** `ERR_POOL_QUERY_TIMEOUT`: the deadline passed while it ran. It is cancelled at the server; whether it had an effect is not known. */
export class QueryTimeoutError extends PoolError {
  readonly timeoutMs: number;

  /** `lookAt`: where the server tells what a statement waits for. */
  constructor(what: string, timeoutMs: number, pool: string, lookAt: string) {
    super(
      `Pool "${pool}": ${what} did not finish within ${timeoutMs} ms and is being cancelled at the server. Whether it took effect is not `
        + `known. Look at what it waits for (${lookAt}), or give it more time (timeoutMs).`,
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

/** `ERR_POOL_TRANSACTION_FAILED`: the function returned, but a statement before had failed, so the server rolled everything back. */
export class TransactionFailedError extends PoolError {
  /** `cause`: the error of that statement, where it is known. */
  constructor(pool: string, cause?: unknown) {
    super(
      `Pool "${pool}": the transaction was rolled back and not committed: one of its statements had failed, and its function returned all `
        + 'the same. Let the error out of the function, or put a savepoint around the statement.',
      { code: 'ERR_POOL_TRANSACTION_FAILED', pool, ...(cause === undefined ? {} : { cause }) },
    );
  }

  static {
    named(this, 'TransactionFailedError');
  }
}
