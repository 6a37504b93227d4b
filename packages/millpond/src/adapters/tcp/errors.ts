// What can go wrong with a socket besides Node's own errors, which are passed on as they are. None says what was in the bytes.

import { PoolError } from '../../index.ts';
import { named } from '../common/named.ts';

/** `ERR_POOL_ALPN_MISMATCH`: the server speaks none of the protocols that it must (`requireAlpn`). It will not tomorrow either. */
export class AlpnMismatchError extends PoolError {
  constructor(pool: string, wanted: readonly string[]) {
    super(
      `Pool "${pool}": the server chose none of the protocols ${wanted.join(', ')} (ALPN). Look at what listens at this address, or do `
        + 'without requireAlpn.',
      { code: 'ERR_POOL_ALPN_MISMATCH', pool },
    );
  }

  static {
    named(this, 'AlpnMismatchError');
  }
}

/** `ERR_POOL_UNEXPECTED_DATA`: bytes came while nobody was using the connection. It is closed, and nobody reads them. */
export class UnexpectedDataError extends PoolError {
  constructor(pool: string, bytes: number) {
    super(
      `Pool "${pool}": ${bytes} bytes arrived on a connection that nobody was using, so it was closed. An answer came after its caller had `
        + 'left, or the server speaks first: then read what it says in onConnect.',
      { code: 'ERR_POOL_UNEXPECTED_DATA', pool, retryable: true },
    );
  }

  static {
    named(this, 'UnexpectedDataError');
  }
}

/** `ERR_POOL_EXCHANGE_TIMEOUT`: the deadline of an {@link exchange} passed. The connection is closed. */
export class ExchangeTimeoutError extends PoolError {
  readonly timeoutMs: number;

  constructor(pool: string, timeoutMs: number) {
    super(
      `Pool "${pool}": the exchange did not finish within ${timeoutMs} ms, and its connection was closed. Whether the other end took it is `
        + 'not known. Look at what the other end was doing, or give it more time (timeoutMs).',
      { code: 'ERR_POOL_EXCHANGE_TIMEOUT', pool },
    );
    this.timeoutMs = timeoutMs;
  }

  static {
    named(this, 'ExchangeTimeoutError');
  }
}

/** `ERR_POOL_CONNECTION_LOST`: the connection ended before an {@link exchange} did. `retryable` only when it had not begun. */
export class ConnectionLostError extends PoolError {
  constructor(pool: string, begun: boolean, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      begun
        ? `Pool "${pool}": the connection was lost during an exchange (${why}). Whether the other end took it is not known; it is not `
          + 'repeated.'
        : `Pool "${pool}": the connection was found dead before the exchange began (${why}). Nothing was sent.`,
      { code: 'ERR_POOL_CONNECTION_LOST', pool, retryable: !begun, cause },
    );
  }

  static {
    named(this, 'ConnectionLostError');
  }
}
