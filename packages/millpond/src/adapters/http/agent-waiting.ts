// A request that waits for a connection. Node tells a request that is destroyed while it waits nothing until its turn comes; here it leaves
// the queue at once, whether it is destroyed, aborted by its signal, or late.

import { PoolError } from '../../index.ts';
import type { AgentRequest } from './agent-internals.ts';
import type { Origin } from './agent-origin.ts';

/**
 * A signal for one acquire. An AbortController would do the same for hundreds of times the price, and every request that waits would pay
 * it.
 */
class Withdrawal {
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
}

export class Waiting {
  private readonly request: AgentRequest;
  private readonly origin: Origin;
  private readonly withdrawal = new Withdrawal();
  private timer: NodeJS.Timeout | undefined = undefined;
  private open = true;

  constructor(request: AgentRequest, origin: Origin) {
    this.request = request;
    this.origin = origin;
    origin.waiting.add(request);
    const { destroy } = request;
    // It stays there, for taking a property away again would make every access to the request slower than the whole queue is.
    request.destroy = (error) => {
      if (!this.open) return destroy.call(request, error);
      // Sets what Node reports once it is told that there will be no connection.
      destroy.call(request, error);
      this.withdrawal.abort();
      return request;
    };
    // Node's own timeout of a request counts from the connect on; there is none as long as it waits.
    if (request.timeout) this.timer = setTimeout(() => request.emit('timeout'), request.timeout).unref();
  }

  get signal(): AbortSignal {
    return this.withdrawal as unknown as AbortSignal;
  }

  /** A connection has come. A request that was destroyed in this moment is given it as well, and gives it back. */
  end(): void {
    this.open = false;
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.origin.waiting.delete(this.request);
  }

  refused(error: unknown): void {
    this.end();
    if (this.request.destroyed) this.request.onSocket(null);
    else this.request.onSocket(null, plainly(error));
  }
}

/** Callers of node:http look for ECONNREFUSED, ENOTFOUND and the like: what the connect failed with is what they get. */
function plainly(error: unknown): Error {
  const cause = PoolError.is(error) && error.code === 'ERR_POOL_CREATE_FAILED' ? error.cause : undefined;
  return cause instanceof Error ? cause : error as Error;
}
