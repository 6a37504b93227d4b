// When may the pool try to create again? One schedule for the whole pool, however many attempts run at once: attempts that started
// together count as one step, or two parallel attempts would double the pace at which the delay grows.

import type { Random } from './ports.ts';

export interface RetrySettings {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  readonly factor: number;
  readonly jitter: number;
}

export class Backoff {
  /** Failed creates in a row. */
  failures = 0;
  /** No planned retry before this time. */
  retryAt: number = -Infinity;
  /** The last failure was one that trying again does not mend. */
  permanent = false;
  /** Resources in a row that died unused. */
  stillborns = 0;
  /** Resources that died unused hold creates back until then, also when another create succeeds meanwhile: it may die as well. */
  #heldUntil = -Infinity;
  #steps = 0;
  readonly #settings: RetrySettings;
  readonly #random: Random;

  constructor(settings: RetrySettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** The number of an attempt that starts now. */
  get attempt(): number {
    return this.#steps + 1;
  }

  succeeded(): void {
    this.failures = 0;
    this.#steps = 0;
    this.retryAt = this.stillborns === 0 ? -Infinity : this.#heldUntil;
    this.permanent = false;
  }

  /**
   * A resource died before anybody had used it. That is no failed create, and one that was lost is replaced at once; but when more than
   * `tolerated` in a row die so, whoever accepts and closes would be hit by as many creates as the loop can start: there is a pause,
   * of a millisecond at first.
   */
  stillborn(tolerated: number, now: number): void {
    this.stillborns++;
    const surplus = this.stillborns - tolerated;
    if (surplus <= 0) return;
    this.#heldUntil = now + Math.min(this.#settings.initialDelayMs, 2 ** (surplus - 1));
    this.retryAt = Math.max(this.retryAt, this.#heldUntil);
  }

  /** Returns the time of the next planned attempt. */
  failed(attempt: number, permanent: boolean, now: number): number {
    this.failures++;
    this.permanent = permanent;
    if (attempt !== this.attempt) return this.retryAt;
    const { initialDelayMs, maxDelayMs, factor, jitter } = this.#settings;
    // A wrong password is tried again only at the slowest pace: servers lock accounts.
    const delay = permanent ? maxDelayMs : Math.min(maxDelayMs, initialDelayMs * factor ** this.#steps);
    this.#steps++;
    this.retryAt = now + Math.min(maxDelayMs, delay * (1 + jitter * (2 * this.#random() - 1)));
    return this.retryAt;
  }
}
