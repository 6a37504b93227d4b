// Running a transaction again when the server gave it up for a concurrent one: how often, and after which pause.

import { onAbort } from './signals.ts';

const RETRIES = 5;
const RETRY_BASE_MS = 10;
const RETRY_CAP_MS = 500;

/** How many times a transaction is run again. Throws a TypeError for what is no number of times. */
export function retriesOf(retry: boolean | number | undefined): number {
  if (retry === undefined || retry === false) return 0;
  if (retry === true) return RETRIES;
  if (!Number.isInteger(retry) || retry < 0) throw new TypeError(`retry is ${retry}, but must be true, false or a whole number of times`);
  return retry;
}

/** Before the `nth` retry (from 1): anywhere between nothing and twice as much as before, so that two that met do not meet again. */
export function retryDelayMs(nth: number): number {
  return Math.random() * Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** nth);
}

/** Resolves after `ms`, or rejects with the reason of the signal. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const unwatch = signal === undefined ? undefined : onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
    const timer = setTimeout(() => {
      unwatch?.();
      resolve();
    }, ms);
  });
}
