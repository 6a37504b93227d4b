// An acquire that has been asked for.

/** What `acquire()` returns. */
export class PendingOperation<T> {
  readonly promise: Promise<T>;
  /** The promise is rejected. */
  isRejected = false;
  /** Why the last create failed, where that may be why this timed out. */
  possibleTimeoutCause: Error | null = null;
  private settled = false;
  private readonly onReject: (error: unknown) => void;
  private settle!: (value: T) => void;
  private fail!: (error: unknown) => void;

  /** `onReject` is told first. */
  constructor(onReject: (error: unknown) => void) {
    this.onReject = onReject;
    this.promise = new Promise<T>((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
  }

  /** Gives up waiting: the promise rejects with an Error 'aborted'. A resource that was handed out already is not affected. */
  abort(): void {
    this.reject(new Error('aborted'));
  }

  reject(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.isRejected = true;
    this.onReject(error);
    this.fail(error);
  }

  resolve(value: T): void {
    if (this.settled) return;
    this.settled = true;
    this.settle(value);
  }
}
