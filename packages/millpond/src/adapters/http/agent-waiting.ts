// A request that waits for a connection. Node tells a request that is destroyed while it waits nothing until its turn comes; here it leaves
// the queue at once, whether it is destroyed, aborted by its signal, or late.

import { AsyncResource } from 'node:async_hooks';
import { Pool, PoolError, type Lease } from '../../index.ts';
import type { AgentRequest, AgentSocket } from './agent-internals.ts';
import type { Origin } from './agent-origin.ts';

type Give = (lease: Lease<AgentSocket>, request: AgentRequest) => void;

/** Goes on in the async context in which it began to wait, whoever's return of a connection serves it. */
export class Waiting extends AsyncResource {
  readonly request: AgentRequest;
  /** Neighbours at the origin, in the order in which they came. */
  prev: Waiting | undefined;
  next: Waiting | undefined = undefined;
  private readonly origin: Origin;
  private readonly give: Give;
  private leave: ((reason: unknown) => void) | undefined = undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  private open = true;

  constructor(request: AgentRequest, origin: Origin, give: Give) {
    super('millpond.QueuedRequest');
    this.request = request;
    this.origin = origin;
    this.give = give;
    this.prev = origin.lastWaiting;
    if (this.prev === undefined) origin.firstWaiting = this;
    else this.prev.next = this;
    origin.lastWaiting = this;
    const { destroy } = request;
    // It stays there, for taking a property away again would make every access to the request slower than the whole queue is.
    request.destroy = (error) => {
      destroy.call(request, error);
      // What Node reports, once it is told that there will be no connection, is set by now.
      if (this.open) this.leave?.(error);
      return request;
    };
    // Node's own timeout of a request counts from the connect on; there is none as long as it waits.
    if (request.timeout) this.timer = setTimeout(() => request.emit('timeout'), request.timeout).unref();
  }

  /** `timeoutMs` whole, or Infinity. */
  queue(pool: Pool<AgentSocket>, timeoutMs: number): void {
    const leave = Pool.queue(pool, (lease) => this.served(lease), (error) => this.refused(error), timeoutMs);
    if (this.open) this.leave = leave;
  }

  private served(lease: Lease<AgentSocket>): void {
    this.end();
    this.runInAsyncScope(this.give, undefined, lease, this.request);
  }

  private refused(error: unknown): void {
    this.end();
    this.request.onSocket(null, this.request.destroyed ? undefined : plainly(error));
  }

  private end(): void {
    this.open = false;
    if (this.timer !== undefined) clearTimeout(this.timer);
    const { origin, prev, next } = this;
    if (prev === undefined) origin.firstWaiting = next;
    else prev.next = next;
    if (next === undefined) origin.lastWaiting = prev;
    else next.prev = prev;
    this.prev = undefined;
    this.next = undefined;
  }
}

/** Callers of node:http look for ECONNREFUSED, ENOTFOUND and the like: what the connect failed with is what they get. */
function plainly(error: unknown): Error {
  const cause = PoolError.is(error) && error.code === 'ERR_POOL_CREATE_FAILED' ? error.cause : undefined;
  return cause instanceof Error ? cause : error as Error;
}
