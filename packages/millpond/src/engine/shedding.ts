// Overload is turned away at the door: an acquire that cannot be served in time is told so in the tick in which it asks, while it can
// still do something else. Two signs, both from the predicted wait (those ahead + 1) ÷ (leases ending per ms):
// - it exceeds the caller's own deadline less one and a half holds: the caller would leave before it is served, or just as it is;
// - the queue is *standing*: over a whole interval even the luckiest acquire waited longer than the target, so what waits is not a burst
//   that drains but a backlog that only adds delay. Then nothing is let in that would wait more than twice the target.
// The state ends when an acquire finds an idle resource, because then there is no queue.
//
// The target and the interval are CoDel's (Nichols and Jacobson, "Controlling Queue Delay", 2012); deciding at the door instead of at
// the head is what tells callers at once.

export interface SheddingSettings {
  readonly targetMs: number;
  readonly intervalMs: number;
}

/** Weight of the newest hold in the mean. */
const NEWEST = 1 / 8;

export class Shedding {
  /** Mean length of recent leases, in ms; 0 until one has ended. */
  meanHoldMs = 0;
  standing = false;
  #intervalEnd = -Infinity;
  #leastDelayMs = Infinity;
  readonly #settings: SheddingSettings;

  constructor(settings: SheddingSettings) {
    this.#settings = settings;
  }

  held(ms: number): void {
    this.meanHoldMs = this.meanHoldMs === 0 ? ms : this.meanHoldMs + (ms - this.meanHoldMs) * NEWEST;
  }

  /** An acquire found an idle resource: there is no queue. */
  foundIdle(now: number): void {
    this.standing = false;
    this.#restart(now);
  }

  /** Somebody was served after waiting. */
  served(delayMs: number, now: number): void {
    this.#look(delayMs, now);
    this.#leastDelayMs = Math.min(this.#leastDelayMs, delayMs);
  }

  /**
   * Milliseconds to predict for an acquire that would be turned away, or undefined to let it queue.
   * `perMs`: leases expected to end per millisecond. `holdMs`: what they last. `headDelayMs`: how long the head has waited.
   */
  verdict(now: number, ahead: number, perMs: number, holdMs: number, timeoutMs: number, headDelayMs: number): number | undefined {
    this.#look(headDelayMs, now);
    if (perMs <= 0 || perMs === Infinity) return undefined;
    const predictedMs = (ahead + 1) / perMs;
    if (predictedMs > timeoutMs - 1.5 * holdMs) return predictedMs;
    if (this.standing && predictedMs > 2 * this.#settings.targetMs) return predictedMs;
    return undefined;
  }

  /** Closes the interval when its time has come. When nobody was served in it, the head's delay stands for the least. */
  #look(headDelayMs: number, now: number): void {
    if (now < this.#intervalEnd) return;
    if (this.#intervalEnd !== -Infinity) {
      const least = this.#leastDelayMs === Infinity ? headDelayMs : this.#leastDelayMs;
      if (least > this.#settings.targetMs) this.standing = true;
    }
    this.#restart(now);
  }

  #restart(now: number): void {
    this.#intervalEnd = now + this.#settings.intervalMs;
    this.#leastDelayMs = Infinity;
  }
}
