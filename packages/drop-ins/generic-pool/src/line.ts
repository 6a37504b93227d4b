// Priorities. The engine decides when there is a resource; who of those that wait gets it is decided here, strictly by priority and then
// by the order of asking. (The engine's lanes are shares: no lane can starve another, which is just what these priorities do.)
//
// For each request there is an acquire of the engine, but no particular one: whichever is served, the first in line gets the resource. So
// deadlines are kept here. All requests have the same patience, so whoever asked first is late first.

import { AcquireTimeoutError, type Lease, type Pool } from 'millpond';
import { translated } from './errors.ts';
import { PriorityQueue } from './priority-queue.ts';
import type { Timer } from './timer.ts';

interface Request<T> {
  readonly deadlineMs: number;
  readonly resolve: (resource: T) => void;
  readonly reject: (error: unknown) => void;
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
  /** In the order of asking. Empty where nobody is ever late. */
  readonly #patient = new Set<Request<T>>();
  /** Acquires of the engine that run. Empty where none is ever withdrawn. */
  readonly #acquires = new Set<AbortController>();
  #cancelTimer: (() => void) | undefined;

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
      const isPatient = this.#timeoutMs === Infinity;
      const request: Request<T> = { deadlineMs: isPatient ? Infinity : this.#timer.now() + this.#timeoutMs, resolve, reject };
      this.#queue.enqueue(request, priority);
      if (isPatient) {
        this.#pool.acquire(FOR_EVER).then(this.#serve, (error: unknown) => this.#refuse(request, error));
      } else {
        this.#patient.add(request);
        this.#ask(request);
        this.#arm();
      }
    });
  }

  #ask(request: Request<T>): void {
    const controller = new AbortController();
    this.#acquires.add(controller);
    this.#pool.acquire({ signal: controller.signal, ...FOR_EVER }).then((lease) => {
      this.#acquires.delete(controller);
      this.#serve(lease);
    }, (error: unknown) => {
      // One that was withdrawn refuses nobody: its request knows already.
      if (this.#acquires.delete(controller)) this.#refuse(request, error);
    });
  }

  readonly #serve = (lease: Lease<T>): void => {
    const request = this.#queue.dequeue();
    if (request === undefined) {
      // Its request was late after the engine had served it, and before this could hear of it.
      lease.release();
      return;
    }
    this.#forget(request);
    request.resolve(this.#lend(lease));
  };

  /** The engine has refused the acquire that was made for this one. Served by another's, it leaves somebody behind without any. */
  #refuse(asking: Request<T>, error: unknown): void {
    const request = this.#queue.has(asking) ? asking : this.#queue.head;
    if (request !== undefined) this.#reject(request, error);
  }

  #reject(request: Request<T>, error: unknown): void {
    this.#queue.remove(request);
    this.#forget(request);
    request.reject(translated(error));
  }

  #forget(request: Request<T>): void {
    this.#patient.delete(request);
    if (this.#patient.size > 0 || this.#cancelTimer === undefined) return;
    this.#cancelTimer();
    this.#cancelTimer = undefined;
  }

  #arm(): void {
    const first = this.#patient.values().next().value;
    if (first === undefined || this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#timer.after(Math.max(0, first.deadlineMs - this.#timer.now()), () => {
      this.#cancelTimer = undefined;
      this.#expire();
      this.#arm();
    }, true);
  }

  #expire(): void {
    const now = this.#timer.now();
    for (const request of this.#patient) {
      if (request.deadlineMs > now) break;
      const error = this.#late();
      for (const controller of this.#acquires) {
        this.#acquires.delete(controller);
        controller.abort(error);
        break;
      }
      this.#reject(request, error);
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

const FOR_EVER = { timeoutMs: Infinity } as const;
