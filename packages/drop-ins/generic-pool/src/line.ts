// Priorities. The engine decides when there is a resource; who of those that wait gets it is decided here, strictly by priority and then
// by the order of asking. (The engine's lanes are shares: no lane can starve another, which is just what these priorities do.)
//
// For each request there is an acquire of the engine, but no particular one: whichever is served, the first in line gets the resource, and
// leaves his own to the one it was asked for. So deadlines are kept here. All requests have the same patience: of each priority the first
// is late first.

import { AcquireTimeoutError, Pool, type Lease } from 'millpond';
import { translated } from './errors.ts';
import type { List } from './list.ts';
import { PriorityQueue, type Place } from './priority-queue.ts';
import type { Standing, Timer } from './timer.ts';

/** An acquire of the engine. */
interface Ask<T> {
  /** Undefined when it is over. */
  request: Request<T> | undefined;
  /** How to leave the queue of the engine. */
  leave: ((reason: unknown) => void) | undefined;
}

/** Who waits, and where. */
class Request<T> implements Place<Request<T>> {
  prev: Request<T> | undefined = undefined;
  next: Request<T> | undefined = undefined;
  level: List<Place<Request<T>>> | undefined = undefined;
  /** Undefined when it has been answered. */
  ask: Ask<T> | undefined = undefined;
  readonly item: Request<T>;
  readonly deadlineMs: number;
  readonly resolve: (resource: T) => void;
  readonly reject: (error: unknown) => void;

  constructor(deadlineMs: number, resolve: (resource: T) => void, reject: (error: unknown) => void) {
    this.item = this;
    this.deadlineMs = deadlineMs;
    this.resolve = resolve;
    this.reject = reject;
  }
}

interface LineSettings {
  readonly priorityRange: number;
  readonly timeoutMs: number;
}

export class Line<T> {
  readonly #pool: Pool<T>;
  readonly #lend: (lease: Lease<T>) => T;
  readonly #timeoutMs: number;
  readonly #timer: Timer;
  readonly #queue: PriorityQueue<Request<T>>;
  /** Undefined where nobody is ever late. */
  #standing: Standing | undefined;

  constructor(pool: Pool<T>, lend: (lease: Lease<T>) => T, settings: LineSettings, timer: Timer) {
    this.#pool = pool;
    this.#lend = lend;
    this.#timeoutMs = settings.timeoutMs;
    this.#timer = timer;
    this.#queue = new PriorityQueue(settings.priorityRange);
  }

  /** How many wait. */
  get length(): number {
    return this.#queue.length;
  }

  acquire(priority: number | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const request = new Request(this.#timeoutMs === Infinity ? Infinity : this.#timer.now() + this.#timeoutMs, resolve, reject);
      if (this.#standing === undefined) this.#arm(request);
      else if (this.length === 0) this.#standing.keepAlive(true);
      this.#queue.enter(request, priority);
      this.#ask(request);
    });
  }

  #ask(request: Request<T>): void {
    const ask: Ask<T> = { request, leave: undefined };
    request.ask = ask;
    ask.leave = Pool.queue(this.#pool, (lease) => this.#serve(ask, lease), (error) => this.#refuse(ask, error), Infinity);
  }

  #serve(ask: Ask<T>, lease: Lease<T>): void {
    const request = this.#queue.dequeue()!;
    if (request.ask !== ask) {
      const left = request.ask!;
      left.request = ask.request;
      ask.request!.ask = left;
    }
    this.#end(request, ask);
    request.resolve(this.#lend(lease));
  }

  #refuse(ask: Ask<T>, error: unknown): void {
    const { request } = ask;
    // One that was withdrawn refuses nobody: its request knows already.
    if (request !== undefined) this.#reject(request, error);
  }

  #reject(request: Request<T>, error: unknown): void {
    this.#queue.remove(request);
    this.#end(request, request.ask!);
    request.reject(translated(error));
  }

  /** Neither keeps the other: what has been answered is to be forgotten. */
  #end(request: Request<T>, ask: Ask<T>): void {
    request.ask = undefined;
    ask.request = undefined;
    if (this.length === 0) this.#standing?.keepAlive(false);
  }

  #arm({ deadlineMs }: Request<T>): void {
    if (deadlineMs === Infinity) return;
    this.#standing = this.#timer.standing(Math.max(0, deadlineMs - this.#timer.now()), () => {
      this.#standing = undefined;
      this.#expire();
      const first = this.#earliest();
      if (first !== undefined && this.#standing === undefined) this.#arm(first);
    });
  }

  #earliest(): Request<T> | undefined {
    let first: Request<T> | undefined;
    for (const head of this.#queue.heads()) if (first === undefined || head.deadlineMs < first.deadlineMs) first = head;
    return first;
  }

  #expire(): void {
    const now = this.#timer.now();
    for (let late = this.#earliest(); late !== undefined && late.deadlineMs <= now; late = this.#earliest()) {
      const error = this.#late();
      const { leave } = late.ask!;
      this.#reject(late, error);
      leave?.(error);
    }
  }

  #late(): AcquireTimeoutError {
    const stats = this.#pool.stats();
    const { name: pool, borrowed, max, idle, creating } = stats;
    const numbers = `${borrowed} of ${max} borrowed, ${idle} idle, ${creating} creating, ${this.length} waiting`;
    return new AcquireTimeoutError(`Pool "${pool}": acquire timed out after ${this.#timeoutMs} ms. ${numbers}.`,
      { code: 'ERR_POOL_ACQUIRE_TIMEOUT', retryable: true, pool, stats, waitedMs: this.#timeoutMs });
  }
}
