// What a stream or a call can fail with besides the errors of node:http2, which are passed on as they are.

import { constants } from 'node:http2';
import { PoolError } from '../../index.ts';

/**
 * `ERR_POOL_SESSION_LOST`: the session ended: the peer said goodbye (GOAWAY), gave no sign of life, or the connection broke. `retryable`
 * only when the peer is known not to have looked at the request.
 */
export class SessionLostError extends PoolError {
  constructor(pool: string, why: string, init: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super(`Pool "${pool}": the HTTP/2 session was lost (${why}).`, { code: 'ERR_POOL_SESSION_LOST', pool, ...init });
  }

  static {
    named(this, 'SessionLostError');
  }
}

/** `ERR_POOL_CALL_TIMEOUT`: the answer was not complete in time. The stream is cancelled; whether the call had an effect is not known. */
export class CallTimeoutError extends PoolError {
  readonly timeoutMs: number;

  constructor(pool: string, timeoutMs: number) {
    super(
      `Pool "${pool}": the call was not answered within ${timeoutMs} ms and is cancelled. Whether it took effect is not known. `
        + 'Look at what the server does with it, or give it more time (timeoutMs).',
      { code: 'ERR_POOL_CALL_TIMEOUT', pool },
    );
    this.timeoutMs = timeoutMs;
  }

  static {
    named(this, 'CallTimeoutError');
  }
}

/** `ERR_POOL_RESPONSE_TOO_LARGE`: the body of an answer exceeds `maxResponseSize`. The stream is cancelled. */
export class ResponseTooLargeError extends PoolError {
  constructor(pool: string, limit: number) {
    super(`Pool "${pool}": the body of the answer is larger than ${limit} bytes (maxResponseSize).`, {
      code: 'ERR_POOL_RESPONSE_TOO_LARGE', pool,
    });
  }

  static {
    named(this, 'ResponseTooLargeError');
  }
}

/** Codes of node:http2 for a session that could not take the stream at all. */
const NOT_TAKEN = new Set<unknown>(['ERR_HTTP2_GOAWAY_SESSION', 'ERR_HTTP2_INVALID_SESSION', 'ERR_HTTP2_SESSION_CLOSED']);

/** Was the stream refused before anybody looked at it? Then it can be sent again, whatever it asks for (RFC 9113, 8.7). */
export function isUntouched(error: unknown, rstCode: number | undefined): boolean {
  return rstCode === constants.NGHTTP2_REFUSED_STREAM || NOT_TAKEN.has((error as { readonly code?: unknown } | null | undefined)?.code);
}

function named(errorClass: { readonly prototype: object }, name: string): void {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, configurable: true, writable: true });
}
