// Timers on the clock of the pool: the system's, or the one that it was given.

import type { Clock } from 'millpond';

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
}
