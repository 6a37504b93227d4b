// Priorities. The engine decides when there is a resource; who of those that wait gets it is decided here, strictly by priority and then
// by the order of asking. (The engine's lanes are shares: no lane can starve another, which is just what these priorities do.)
//
// Each request has an acquire of the engine of its own, with its own deadline, so every request waits, times out and counts as it would
// alone. When an acquire is served and its request is not the first in line, they change places: the first gets the resource and withdraws
// its own acquire; the other asks anew for the time that it has left.

import type { Lease, Pool } from 'millpond';
import { PriorityQueue } from './priority-queue.ts';

interface Request<T> {
  readonly deadlineMs: number;
  readonly resolve: (lease: Lease<T>) => void;
  readonly reject: (error: unknown) => void;
  /** Ends its acquire. */
  withdraw: () => void;
}

export class Line<T> {
  readonly #pool: Pool<T>;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #queue: PriorityQueue<Request<T>>;

  constructor(pool: Pool<T>, priorityRange: number, timeoutMs: number, now: () => number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
    this.#queue = new PriorityQueue(priorityRange);
  }

  acquire(priority: number | undefined): Promise<Lease<T>> {
    return new Promise((resolve, reject) => {
      const request: Request<T> = { deadlineMs: this.#now() + this.#timeoutMs, resolve, reject, withdraw: () => undefined };
      this.#queue.enqueue(request, priority);
      this.#ask(request, this.#timeoutMs);
    });
  }

  #ask(request: Request<T>, timeoutMs: number): void {
    const controller = new AbortController();
    request.withdraw = () => controller.abort();
    this.#pool.acquire({ signal: controller.signal, timeoutMs }).then(
      (lease) => this.#served(request, lease),
      (error: unknown) => {
        // Withdrawn: it has its resource from elsewhere.
        if (!controller.signal.aborted && this.#queue.remove(request)) request.reject(error);
      },
    );
  }

  #served(request: Request<T>, lease: Lease<T>): void {
    const first = this.#queue.dequeue();
    if (first === undefined) {
      // Its request was served by another's acquire after the engine had served this one, and before this could hear of it.
      lease.release();
      return;
    }
    if (first !== request) {
      first.withdraw();
      if (this.#queue.has(request)) this.#ask(request, Math.max(0, request.deadlineMs - this.#now()));
    }
    first.resolve(lease);
  }
}
