// An acquire that has been asked for.

import type { Linked } from './list.ts';

/** What `acquire()` returns. */
export class PendingOperation<T> {
  promise!: Promise<T>;
  /** The promise is rejected, or about to be. */
  isRejected = false;
  /** Why the last create failed, where that may be why this timed out. */
  possibleTimeoutCause: Error | null = null;
  /** Undefined when the resource was there at once. */
  readonly #waiting: Waiting<T> | undefined;
  #settled = false;

  constructor(waiting: Waiting<T> | undefined) {
    this.#waiting = waiting;
  }

  /** Stops waiting: the promise rejects with an Error 'aborted'. A resource that was handed out already is not affected. */
  abort(): void {
    this.reject(new Error('aborted'));
  }

  /** Stops waiting for this reason. */
  reject(reason: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    if (this.#waiting === undefined) return;
    this.isRejected = true;
    this.#waiting.withdraw(reason);
  }

  /** What is to be handed out. @internal */
  served(value: T): T {
    this.#settled = true;
    return value;
  }

  /** @internal */
  failed(): void {
    this.#settled = true;
    this.isRejected = true;
  }
}

/** An acquire in the queue of the engine. */
export class Waiting<T> implements Linked<Waiting<T>> {
  prev: Waiting<T> | undefined = undefined;
  next: Waiting<T> | undefined = undefined;
  /** How to leave the queue. */
  leave: ((reason: unknown) => void) | undefined = undefined;
  withdrawn = false;
  reason: unknown = undefined;
  readonly pending: PendingOperation<T>;
  private readonly onWithdraw: () => void;

  /** `onWithdraw` is called when the engine knows. */
  constructor(onWithdraw: () => void) {
    this.onWithdraw = onWithdraw;
    this.pending = new PendingOperation<T>(this);
  }

  withdraw(reason: unknown): void {
    this.withdrawn = true;
    this.reason = reason;
    this.leave?.(reason);
    this.onWithdraw();
  }
}
