// A slice of work, timed: as many operations as fill a given time, found in the warm-up and then the same in every
// round.

/** The cost of one operation. */
export interface Cost {
  readonly cpuNs: number;
  readonly wallNs: number;
}

const MOST = 2 ** 26;
const MOST_BUSY = 6;

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
   * Runs until it is compiled, and finds how much fills `sliceMs`. Goes by CPU time, so that a busy machine does not cut it short; a very
   * busy one ends it at a multiple of wall time.
   */
  async warmUp(sliceMs: number, warmUpMs: number): Promise<void> {
    const begun = performance.now();
    let ranMs = 0;
    for (;;) {
      const { cpuNs } = await this.measure();
      const tookMs = (cpuNs * this.#times) / 1e6;
      ranMs += tookMs;
      const late = performance.now() - begun > MOST_BUSY * warmUpMs;
      const last = late || (ranMs >= warmUpMs && tookMs >= sliceMs / 2 && tookMs <= sliceMs * 2);
      const factor = Math.min(8, Math.max(0.25, sliceMs / Math.max(tookMs, 0.01)));
      this.#times = Math.min(MOST, Math.max(this.#unit, Math.round((this.#times * factor) / this.#unit) * this.#unit));
      if (last || this.#times === MOST) return;
    }
  }

  async measure(): Promise<Cost> {
    globalThis.gc?.();
    const times = this.#times;
    const cpu = process.cpuUsage();
    const wall = process.hrtime.bigint();
    await this.#work(times);
    const wallNs = Number(process.hrtime.bigint() - wall);
    const { user, system } = process.cpuUsage(cpu);
    return { cpuNs: ((user + system) * 1000) / times, wallNs: wallNs / times };
  }
}

const ALLOCATION_LOOKS = 9;
const ALLOCATION_TIMES = 400;

/** Bytes on the heap that one operation leaves for the collector: a few hundred at a time, so that it does not run in between. */
export async function bytesPerOperation(work: (times: number) => Promise<void>): Promise<number> {
  const looks: number[] = [];
  for (let look = 0; look < ALLOCATION_LOOKS; look += 1) {
    globalThis.gc?.();
    const empty = await allocated(() => Promise.resolve());
    const full = await allocated(() => work(ALLOCATION_TIMES));
    if (full > empty) looks.push((full - empty) / ALLOCATION_TIMES);
  }
  return looks.sort((a, b) => a - b)[looks.length >> 1] ?? NaN;
}

async function allocated(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().heapUsed;
  await work();
  return process.memoryUsage().heapUsed - before;
}
