// What a command can fail with besides the server's own errors, which are passed on as the driver made them.

import { PoolError } from '../../index.ts';
import { named } from '../common/named.ts';

/** `ERR_POOL_COMMAND_TIMEOUT`: the deadline passed before the reply. Whether the command took effect is not known. */
export class CommandTimeoutError extends PoolError {
  readonly timeoutMs: number;

  constructor(timeoutMs: number, pool: string) {
    super(
      `Pool "${pool}": no reply within ${timeoutMs} ms. Whether the command took effect is not known. Look at what keeps the server busy `
        + '(SLOWLOG GET, INFO commandstats, LATENCY LATEST), or give it more time (timeoutMs).',
      { code: 'ERR_POOL_COMMAND_TIMEOUT', pool },
    );
    this.timeoutMs = timeoutMs;
  }

  static {
    named(this, 'CommandTimeoutError');
  }
}

/**
 * `ERR_POOL_CONNECTION_LOST`: the connection ended before the reply came; `cause` is what the driver said. `retryable` only when nothing of
 * the command had been sent.
 */
export class ConnectionLostError extends PoolError {
  constructor(pool: string, sent: boolean, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      sent
        ? `Pool "${pool}": the connection was lost during a command (${why}). Whether it took effect is not known; it is not repeated.`
        : `Pool "${pool}": the connection was found dead before anything was sent (${why}), and so were others. The command did not run.`,
      { code: 'ERR_POOL_CONNECTION_LOST', pool, retryable: !sent, cause },
    );
  }

  static {
    named(this, 'ConnectionLostError');
  }
}

/** `ERR_POOL_NOT_SHARED`: the command would change, or block, a connection that others use at the same time. Nothing was sent. */
export class NotSharedError extends PoolError {
  /** The command, in capitals. */
  readonly command: string;

  constructor(command: string, why: string, pool: string) {
    super(`Pool "${pool}": ${command} was not sent on a shared connection: it ${why}.`, { code: 'ERR_POOL_NOT_SHARED', pool });
    this.command = command;
  }

  static {
    named(this, 'NotSharedError');
  }
}
