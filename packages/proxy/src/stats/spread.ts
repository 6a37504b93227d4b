// How long things took, as Prometheus wants it: how many were no longer than each of some bounds. The bounds are fixed: recording is
// a search in a dozen numbers and what is recorded a dozen numbers more.

/** In milliseconds: steps of 2 to 2.5 where poolers live. */
export const BOUNDS_MS: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000];

export class Spread {
  /** One per bound, and one for what is longer than all of them. */
  readonly #steps: number[] = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0);
  #sumMs = 0;

  get sumMs(): number {
    return this.#sumMs;
  }

  record(ms: number): void {
    let step = 0;
    while (step < BOUNDS_MS.length && ms > BOUNDS_MS[step]!) step++;
    this.#steps[step]!++;
    this.#sumMs += ms;
  }

  /** How many were no longer than each bound; the last number is how many there were. */
  cumulative(): number[] {
    let sum = 0;
    return this.#steps.map((count) => (sum += count));
  }
}
