// The time by which grants end. A machine that was suspended may not count that time as monotonic, and only its wall clock shows it. So
// whenever the wall clock runs ahead of the monotonic one, that counts as time that has passed: if somebody has only set the clock, a
// grant ends too early, which costs a question; if nobody has, it would have ended too late, which costs the limit.

import type { Clock } from '../index.ts';

/** Wall clocks are slewed by less than this between two looks. */
const LEAP_MS = 1_000;
/** The longest delay that setTimeout takes. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

// Taken at load: a test that fakes the globals must not stop this time unasked; it can pass a clock of its own.
const { Date, performance, setTimeout, clearTimeout } = globalThis;

class SuspendAwareClock implements Clock {
  private slept = 0;
  private ahead: number = Date.now() - performance.now();

  now(): number {
    const monotonic = performance.now();
    const ahead = Date.now() - monotonic;
    if (ahead - this.ahead > LEAP_MS) this.slept += ahead - this.ahead;
    this.ahead = ahead;
    return monotonic + this.slept;
  }

  schedule(atMs: number, callback: () => void, keepAlive = true): () => void {
    const timer = setTimeout(callback, Math.min(LONGEST_TIMEOUT_MS, Math.max(1, Math.ceil(atMs - this.now()))));
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  }
}

export const suspendAwareClock: Clock = new SuspendAwareClock();
