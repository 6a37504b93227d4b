// A slice of work, timed: as many operations as fill a given time, found in the warm-up and then the same in every
// round.

/** The cost of one operation. */
export interface Cost {
  readonly cpuNs: number;
  readonly wallNs: number;
}

const MOST = 2 ** 26;
const MOST_BUSY = 2.5;
const STEADY = 0.9;

export interface WarmUp {
  readonly sliceMs: number;
  readonly leastOperations: number;
  /** Of CPU. */
  readonly mostMs: number;
}

export const FULL_PACE: WarmUp = { sliceMs: 40, leastOperations: 100_000, mostMs: 800 };
export const QUICK_PACE: WarmUp = { sliceMs: 20, leastOperations: 60_000, mostMs: 300 };

export class Slice {
  readonly #work: (times: number) => Promise<void>;
  readonly #unit: number;
  #times: number;

  /** `unit`: the least number of operations that make sense together. */
  constructor(work: (times: number) => Promise<void>, unit = 1) {
    this.#work = work;
    this.#unit = unit;
    this.#times = Math.max(unit, 100);
  }

  /**
   * Runs until it is compiled (a slice is hardly faster than the one before, after a good many operations), and finds how much fills
   * `sliceMs`. Goes by CPU time, so that a busy machine does not cut it short; a very busy one ends it at a multiple of wall time.
   */
  async warmUp({ sliceMs, leastOperations, mostMs }: WarmUp): Promise<void> {
    const begun = performance.now();
    let ranMs = 0;
    let operations = 0;
    let before = Infinity;
    for (;;) {
      const { cpuNs } = await this.measure();
      const tookMs = (cpuNs * this.#times) / 1e6;
      ranMs += tookMs;
      operations += this.#times;
      const steady = operations >= leastOperations && cpuNs > before * STEADY;
      before = cpuNs;
      const over = ranMs > mostMs || performance.now() - begun > MOST_BUSY * mostMs;
      const fits = tookMs >= sliceMs / 2 && tookMs <= sliceMs * 2;
      const factor = Math.min(8, Math.max(0.25, sliceMs / Math.max(tookMs, 0.01)));
      this.#times = Math.min(MOST, Math.max(this.#unit, Math.round((this.#times * factor) / this.#unit) * this.#unit));
      if (over || (steady && fits)) return;
    }
  }

  async measure(): Promise<Cost> {
    youngCollection();
    const times = this.#times;
    const cpu = process.cpuUsage();
    const wall = process.hrtime.bigint();
    await this.#work(times);
    const wallNs = Number(process.hrtime.bigint() - wall);
    const { user, system } = process.cpuUsage(cpu);
    return { cpuNs: ((user + system) * 1000) / times, wallNs: wallNs / times };
  }
}

const ALLOCATION_LOOKS = 12;
const ALLOCATION_TIMES = 100;

/**
 * Clears the young generation. A full collection, forced as often as here, also throws machine code away and has it made anew; in life it
 * comes once in many thousands of slices.
 */
export function youngCollection(): void {
  globalThis.gc?.({ type: 'minor', execution: 'sync' });
}

/** Bytes on the heap that one operation leaves for the collector: a hundred at a time, so that it does not run in between. */
export async function bytesPerOperation(work: (times: number) => Promise<void>): Promise<number> {
  const looks: number[] = [];
  for (let look = 0; look < ALLOCATION_LOOKS; look += 1) {
    youngCollection();
    const empty = await allocated(() => Promise.resolve());
    const full = await allocated(() => work(ALLOCATION_TIMES));
    if (full > empty) looks.push((full - empty) / ALLOCATION_TIMES);
  }
  // The upper quartile: a collection in between makes a look too small, nothing makes many of them too large.
  return looks.sort((a, b) => a - b)[Math.floor(looks.length * 0.75)] ?? NaN;
}

async function allocated(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().heapUsed;
  await work();
  return process.memoryUsage().heapUsed - before;
}
