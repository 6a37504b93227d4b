// One request from its dispatch to its last word. It waits for a connection, is sent, and passes on what comes back. In between it may go
// through more than one connection:
//
//   - Not sent yet (the connection died while it was being handed over): it goes to another one, whatever it is.
//   - Sent on a connection that had been used before, which died before the first byte of an answer: most likely the server had closed it
//     as idle while the request was on its way. That cannot be told from a server that died of the request, so only what may be done twice
//     (RFC 9110, 9.2.2) and can be sent again as it is goes to another one.
//
// A connection that is new and dies at once is no such race, and is told.

import { AsyncResource } from 'node:async_hooks';
import { Pool, type Lease } from '../../index.ts';
import type { Connection } from './client.ts';
import type { Dispatch, Handler, RawHeaders, Undici } from './driver.ts';
import type { Socket } from 'node:net';
import { toResponseHandler } from './dispatcher-handlers.ts';

/** A server that closes at random may hit one request several times; a request that kills the server must not kill all connections. */
const MOST_RETRIES = 3;

/** How a connection dies that the other side has closed. */
const LOSSES = new Set<unknown>(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED']);

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** What an exchange needs of its dispatcher. */
export interface Exchanges {
  readonly undici: Undici;
  /** Whether Clients take the names of {@link Handler}. */
  readonly plain: boolean;
  readonly mayRetry: boolean;
  readonly acquireTimeoutMs: number;
  /** Requests that went to another connection. */
  retries: number;
  readonly pool: Pool<Connection>;
  /** What to say for an acquire that was refused. */
  refusal(error: unknown): unknown;
  /** Exactly once for each exchange, before its last word. */
  over(): void;
}

export class Exchange implements Handler {
  private readonly host: Exchanges;
  private readonly options: Dispatch;
  private readonly handler: Handler;
  /** How to leave the queue of the pool, while it is in it. */
  private leave: ((reason: unknown) => void) | undefined = undefined;
  private connection: Connection | undefined = undefined;
  private lease: Lease<Connection> | undefined = undefined;
  private abortSent: ((reason?: unknown) => void) | undefined = undefined;
  private sent = false;
  private answered = false;
  private reused = false;
  private aborted = false;
  private reason: unknown = undefined;
  private ended = false;
  private retries = 0;
  /** For connections, so far. */
  private waitedMs = 0;

  constructor(host: Exchanges, options: Dispatch, handler: Handler) {
    this.host = host;
    this.options = options;
    this.handler = handler;
  }

  begin(): void {
    try {
      // Before it has a connection, so that it can be aborted while it waits for one. It is not told again.
      this.handler.onConnect((reason) => this.abort(reason));
    } catch (error) {
      this.fail(error);
    }
    if (!this.ended) this.acquire();
  }

  /** The last word, if there was none before. */
  fail(error: unknown): void {
    if (this.end()) this.tell(error);
  }

  // ------------------------------------------------------------------------------------------------ what the Client says

  onConnect(abort: (reason?: unknown) => void): void {
    // Thrown, and not by way of `abort`, which would cost the connection.
    if (this.aborted) throw this.reason;
    this.abortSent = abort;
    this.sent = true;
  }

  onResponseStarted(): void {
    this.answered = true;
    this.handler.onResponseStarted?.();
  }

  onHeaders(statusCode: number, headers: RawHeaders, resume: () => void, statusText: string): boolean | void {
    this.answered = true;
    if (statusCode >= 200) this.connection?.noteHint(headers);
    return this.handler.onHeaders(statusCode, headers, resume, statusText);
  }

  onUpgrade(statusCode: number, headers: RawHeaders, socket: Socket): void {
    const lease = this.lease;
    this.connection?.handOver();
    // The socket is the caller's now, who closes it.
    if (lease?.ended === false) lease.detach();
    this.end();
    this.handler.onUpgrade?.(statusCode, headers, socket);
  }

  onData(chunk: Buffer): boolean | void {
    return this.handler.onData(chunk);
  }

  onComplete(trailers: RawHeaders): void {
    const connection = this.connection!;
    connection.answers++;
    connection.finish();
    if (!this.end()) return;
    try {
      this.handler.onComplete(trailers);
    } catch (error) {
      this.tell(error);
    }
  }

  onError(error: unknown): void {
    const connection = this.connection!;
    if (!this.sent && !connection.lost) connection.finishUnsent();
    else connection.finish();
    if (this.ended) return;
    if (this.mayGoAgain(error, connection)) {
      this.retries++;
      this.host.retries++;
      // From here on there is nothing in a Client that could be aborted.
      this.abortSent = undefined;
      this.acquire();
    } else {
      this.fail(this.aborted ? this.reason : error);
    }
  }

  onBodySent(chunk: Uint8Array): void {
    this.handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.handler.onRequestSent?.();
  }

  // ------------------------------------------------------------------------------------------------------------- details

  private acquire(): void {
    const { pool } = this.host;
    const lease = pool.tryAcquire();
    if (lease !== undefined) {
      this.send(lease);
      return;
    }
    // Whoever gives a connection back calls; what follows runs in the context of whoever asked.
    const scope = scopeOf(this.handler);
    let settled = false;
    const leave = Pool.queue(
      pool,
      (late, waitedMs) => {
        settled = true;
        this.waitedMs += waitedMs;
        this.leave = undefined;
        scope.runInAsyncScope(this.send, this, late);
      },
      (error) => {
        settled = true;
        this.leave = undefined;
        scope.runInAsyncScope(this.fail, this, this.host.refusal(error));
      },
      // One deadline, however many connections it takes.
      Math.max(1, Math.ceil(this.host.acquireTimeoutMs - this.waitedMs)),
    );
    // It may have been served or refused in that call, and wait again.
    if (!settled) this.leave = leave;
  }

  private send(lease: Lease<Connection>): void {
    const connection = lease.resource;
    this.lease = lease;
    this.connection = connection;
    this.sent = false;
    this.reused = connection.answers > 0;
    connection.occupy(lease);
    try {
      connection.client.dispatch(this.options, this.host.plain ? this : toResponseHandler(this));
    } catch (error) {
      // Nothing of it is left in the Client.
      connection.finishUnsent();
      this.fail(error);
    }
  }

  private abort(reason: unknown): void {
    if (this.ended || this.aborted) return;
    this.aborted = true;
    this.reason = reason ?? new this.host.undici.errors.RequestAbortedError();
    if (this.abortSent !== undefined) {
      this.abortSent(this.reason);
    } else {
      // In the queue of the pool it leaves at once; on its way into the connection it is told by onConnect.
      this.leave?.(this.reason);
      this.fail(this.reason);
    }
  }

  private mayGoAgain(error: unknown, connection: Connection): boolean {
    if (this.aborted || this.retries >= MOST_RETRIES) return false;
    if (!this.sent) return connection.lost;
    if (!this.host.mayRetry || this.answered || !this.reused) return false;
    if (!LOSSES.has((error as { readonly code?: unknown } | null)?.code)) return false;
    const { idempotent, method, body } = this.options;
    return (idempotent ?? IDEMPOTENT.has(method)) && isReplayable(body);
  }

  private tell(error: unknown): void {
    try {
      this.handler.onError(error);
    } catch (thrown) {
      process.emitWarning(`The handler of a request threw in onError: ${String(thrown)}`, { code: 'MILLPOND_HANDLER_THREW' });
    }
  }

  private end(): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.host.over();
    return true;
  }
}

/** undici's own handlers bring their caller's context along. */
function scopeOf(handler: Handler): AsyncResource {
  return handler instanceof AsyncResource ? handler : new AsyncResource('millpond.Exchange');
}

/** Can be sent twice: it is all there, and sending does not use it up. */
function isReplayable(body: unknown): boolean {
  return body === undefined || body === null || typeof body === 'string' || ArrayBuffer.isView(body) || body instanceof ArrayBuffer;
}
