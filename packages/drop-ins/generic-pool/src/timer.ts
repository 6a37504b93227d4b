// Timers on the clock of the pool: the system's, or the one that it was given.

import type { Clock } from 'millpond';

/** A timer that may stand when it is not needed. */
export interface Standing {
  /** It does at first. */
  keepAlive(on: boolean): void;
}

export class Timer {
  readonly #clock: Clock | undefined;

  constructor(clock: Clock | undefined) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock?.now() ?? performance.now();
  }

  /** Calls back once; returns a function that cancels. After a stall, what has arrived meanwhile is read before anything is late. */
  after(ms: number, callback: () => void, keepAlive: boolean): () => void {
    if (this.#clock !== undefined) return this.#clock.schedule(this.#clock.now() + ms, callback, keepAlive);
    let afterReading: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => { afterReading = setImmediate(callback); }, Math.ceil(ms));
    if (!keepAlive) timer.unref();
    return () => {
      clearTimeout(timer);
      clearImmediate(afterReading);
    };
  }

  /** Calls back once. To have it stand costs less than to set it anew for everybody. */
  standing(ms: number, callback: () => void): Standing {
    const clock = this.#clock;
    if (clock === undefined) {
      const timer = setTimeout(() => void setImmediate(callback), Math.ceil(ms));
      return { keepAlive: (on) => void (on ? timer.ref() : timer.unref()) };
    }
    const atMs = clock.now() + ms;
    let cancel = clock.schedule(atMs, callback, true);
    return {
      keepAlive: (on) => {
        cancel();
        cancel = clock.schedule(atMs, callback, on);
      },
    };
  }
}
