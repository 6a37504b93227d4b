// What ends a statement before its answer: a deadline, or a signal.

import { onAbort } from './signals.ts';

/** When to stop, and with what. */
export interface Limit {
  readonly signal: AbortSignal | undefined;
  /** Undefined: no deadline. */
  readonly remainingMs: number | undefined;
  readonly onTimeout: () => Error;
  readonly cancelTimeoutMs: number;
}

/** Watches a deadline and a signal; calls `onLeave` at most once. */
export class Watch {
  private readonly unwatch: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  private immediate: NodeJS.Immediate | undefined = undefined;
  private open = true;

  constructor({ signal, remainingMs, onTimeout }: Omit<Limit, 'cancelTimeoutMs'>, onLeave: (reason: unknown) => void) {
    const leave = (reason: unknown): void => {
      if (this.end()) onLeave(reason);
    };
    if (remainingMs !== undefined && remainingMs !== Infinity) {
      // When the process has stalled, the answer may lie in the socket unread: it is read before the verdict.
      this.timer = setTimeout(() => {
        this.immediate = setImmediate(() => leave(onTimeout()));
      }, Math.min(Math.max(1, Math.ceil(remainingMs)), 2 ** 31 - 1));
    }
    if (signal === undefined) return;
    this.unwatch = onAbort(signal, () => leave(signal.reason));
    if (signal.aborted) queueMicrotask(() => leave(signal.reason));
  }

  /** No more watching. False: it had ended before. */
  end(): boolean {
    if (!this.open) return false;
    this.open = false;
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.unwatch?.();
    return true;
  }
}
