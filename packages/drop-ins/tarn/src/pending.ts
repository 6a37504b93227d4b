// An acquire that has been asked for.

/** What `acquire()` returns. */
export class PendingOperation<T> {
  promise!: Promise<T>;
  /** The promise is rejected, or about to be. */
  isRejected = false;
  /** Why the last create failed, where that may be why this timed out. */
  possibleTimeoutCause: Error | null = null;
  /** Undefined when the resource was there at once. */
  readonly #withdrawal: Withdrawal | undefined;
  #settled = false;

  constructor(withdrawal: Withdrawal | undefined) {
    this.#withdrawal = withdrawal;
  }

  /** Stops waiting: the promise rejects with an Error 'aborted'. A resource that was handed out already is not affected. */
  abort(): void {
    this.reject(new Error('aborted'));
  }

  /** Stops waiting for this reason. */
  reject(reason: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    if (this.#withdrawal === undefined) return;
    this.isRejected = true;
    this.#withdrawal.withdraw(reason);
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

/**
 * Leaving the queue of the engine, which takes an AbortSignal. Making a real one costs more than all the rest of an acquire, and hardly any
 * acquire is ever withdrawn: this is as much of a signal as the engine looks at.
 */
export class Withdrawal {
  aborted = false;
  reason: unknown = undefined;
  private listener: (() => void) | undefined = undefined;
  private readonly onWithdraw: () => void;

  /** `onWithdraw` is called when the engine knows. */
  constructor(onWithdraw: () => void) {
    this.onWithdraw = onWithdraw;
  }

  /** For `acquire({ signal })`. */
  get signal(): AbortSignal {
    return this as unknown as AbortSignal;
  }

  withdraw(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.listener?.();
    this.onWithdraw();
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.listener = listener;
  }

  removeEventListener(): void {
    this.listener = undefined;
  }
}
