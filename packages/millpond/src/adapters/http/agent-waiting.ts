// A request that waits for a connection. Node tells a request that is destroyed while it waits nothing until its turn comes; here it leaves
// the queue at once, whether it is destroyed, aborted by its signal, or late.

import { PoolError, type Lease } from '../../index.ts';
import type { AgentRequest, AgentSocket } from './agent-internals.ts';
import type { Origin } from './agent-origin.ts';

/**
 * A signal for one acquire. An AbortController would do the same for hundreds of times the price, and every request that waits would pay
 * it.
 */
export class Withdrawal {
  aborted = false;
  reason: unknown = undefined;
  private listener: (() => void) | undefined = undefined;

  addEventListener(_: 'abort', listener: () => void): void {
    this.listener = listener;
  }

  removeEventListener(): void {
    this.listener = undefined;
  }

  abort(): void {
    this.aborted = true;
    this.reason = new DOMException('The request was destroyed', 'AbortError');
    this.listener?.();
  }

  get signal(): AbortSignal {
    return this as unknown as AbortSignal;
  }
}

export class Waiting {
  private readonly request: AgentRequest;
  private readonly origin: Origin;
  private readonly withdrawal = new Withdrawal();
  private readonly destroyBefore: AgentRequest['destroy'] | undefined;
  private timer: NodeJS.Timeout | undefined = undefined;

  /** `cause`: what ended the connection that the request was on. Others who were told of it may destroy the request with it. */
  constructor(request: AgentRequest, origin: Origin, cause?: unknown) {
    this.request = request;
    this.origin = origin;
    this.destroyBefore = Object.hasOwn(request, 'destroy') ? request.destroy : undefined;
    origin.waiting.add(request);
    request.destroy = (error) => {
      if (error !== undefined && error === cause) return request;
      this.leave();
      // Sets what Node reports once it is told that there will be no connection.
      request.destroy(error);
      this.withdrawal.abort();
      return request;
    };
    // Node's own timeout of a request counts from the connect on; there is none as long as it waits.
    if (request.timeout) this.timer = setTimeout(() => request.emit('timeout'), request.timeout).unref();
  }

  get signal(): AbortSignal {
    return this.withdrawal.signal;
  }

  /** Hands over what it waited for. */
  served(lease: Lease<AgentSocket>, give: (lease: Lease<AgentSocket>) => void): void {
    this.leave();
    if (this.request.destroyed) {
      lease.release();
      this.request.onSocket(null);
    } else {
      give(lease);
    }
  }

  refused(error: unknown): void {
    this.leave();
    if (this.request.destroyed) this.request.onSocket(null);
    else this.request.onSocket(null, plainly(error));
  }

  private leave(): void {
    clearTimeout(this.timer);
    const { request, destroyBefore } = this;
    if (!this.origin.waiting.delete(request)) return;
    if (destroyBefore === undefined) delete (request as Partial<AgentRequest>).destroy;
    else request.destroy = destroyBefore;
  }
}

/** Callers of node:http look for ECONNREFUSED, ENOTFOUND and the like: what the connect failed with is what they get. */
function plainly(error: unknown): Error {
  const cause = PoolError.is(error) && error.code === 'ERR_POOL_CREATE_FAILED' ? error.cause : undefined;
  return cause instanceof Error ? cause : error as Error;
}
