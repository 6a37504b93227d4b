// How long things took: counts on a scale whose steps grow with the value. Below 64 µs a step is 1 µs; from there on every doubling has 32
// steps, so what is read is at most 3.2 % too high. Recording costs a few nanoseconds and allocates nothing; the array grows with the
// longest time that was seen, to 16 kB at most.

/** Steps per doubling: 2 to the power of this. */
const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
/** Values below this many µs are exact to one. */
const EXACT = STEPS * 2;
/** The scale ends at 38 hours. */
const LONGEST_US = 2 ** 37 - 1;
const FIRST_SIZE = EXACT * 4;

export class Histogram {
  /** Not of 32 bits: at 10 000 a second those begin again at 0 after five days. */
  #counts: Float64Array = new Float64Array(FIRST_SIZE);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** How many were recorded. */
  get count(): number {
    return this.#count;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** Whatever is not a time, a negative one, NaN or Infinity, counts as 0. */
  record(ms: number): void {
    const time = ms > 0 && ms < Infinity ? ms : 0;
    const step = stepOf(time);
    if (step >= this.#counts.length) this.#grow(step);
    this.#counts[step]!++;
    this.#count++;
    this.#sumMs += time;
    if (time > this.#maxMs) this.#maxMs = time;
  }

  /** The time in ms that `percent` (0 to 100) of all did not exceed, at most 3.2 % too high; 0 if there is none. */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.ceil((this.#count * percent) / 100));
    const counts = this.#counts;
    let seen = 0;
    for (let step = 0; step < counts.length; step++) {
      seen += counts[step]!;
      if (seen >= wanted) return Math.min(endOf(step) / 1000, this.#maxMs);
    }
    return this.#maxMs;
  }

  /**
   * How many took no longer than each of the bounds, in ms and ascending: for exports with buckets of their own. Whatever shares a step
   * with a bound counts as longer, unless nothing was longer than that.
   */
  countsAtMost(boundsMs: readonly number[]): number[] {
    const counts = this.#counts;
    let step = 0;
    let seen = 0;
    return boundsMs.map((bound) => {
      const last = stepOf(bound);
      const end = Math.min(counts.length, endOf(last) <= bound * 1000 ? last + 1 : last);
      for (; step < end; step++) seen += counts[step]!;
      return bound >= this.#maxMs ? this.#count : seen;
    });
  }

  /** The steps that are not empty, ascending: how many took longer than the step before and no longer than `upToMs`. */
  buckets(): { readonly upToMs: number; readonly count: number }[] {
    const found = [];
    for (const [step, count] of this.#counts.entries()) if (count > 0) found.push({ upToMs: endOf(step) / 1000, count });
    return found;
  }

  #grow(step: number): void {
    const larger = new Float64Array(Math.max(step + 1, this.#counts.length * 2));
    larger.set(this.#counts);
    this.#counts = larger;
  }
}

/** Which step a time belongs to; whatever is longer than the scale is at its end. */
function stepOf(ms: number): number {
  const us = Math.min(Math.ceil(ms * 1000), LONGEST_US);
  if (us < EXACT) return us;
  const doublings = us < 2 ** 31 ? 31 - Math.clz32(us) - STEP_BITS : Math.floor(Math.log2(us)) - STEP_BITS;
  return doublings * STEPS + Math.floor(us / 2 ** doublings);
}

/** The longest time of a step, in µs. */
function endOf(step: number): number {
  if (step < EXACT) return step;
  const doublings = Math.floor(step / STEPS) - 1;
  return (step - doublings * STEPS + 1) * 2 ** doublings - 1;
}
