// Tries one size of the pool after the other under the load that there is: fill it, let it settle, look, next.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Point, Sample } from './page/wire.ts';

export const SIZES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200];
export const SETTLE_MS = 750;
export const LOOK_MS = 1500;

export interface SweepHands {
  use(size: number): void;
  /** Resolves when that many are there, with false when they cannot be had. */
  fill(signal: AbortSignal): Promise<boolean>;
  /** The latest last. */
  samples(): readonly Sample[];
  point(point: Point): void;
}

export class Sweep {
  readonly #sizes: readonly number[];
  readonly #lookMs: number;
  readonly #ending = new AbortController();
  now: { readonly size: number; readonly left: number };

  constructor(sizes: readonly number[] = SIZES, lookMs: number = LOOK_MS) {
    this.#sizes = sizes;
    this.#lookMs = lookMs;
    this.now = { size: sizes[0] ?? 0, left: sizes.length };
  }

  /** Before it had come to its end. */
  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  end(): void {
    this.#ending.abort();
  }

  async run(hands: SweepHands): Promise<void> {
    const { signal } = this.#ending;
    try {
      for (const [done, size] of this.#sizes.entries()) {
        signal.throwIfAborted();
        this.now = { size, left: this.#sizes.length - done };
        hands.use(size);
        if (!await hands.fill(signal)) continue;
        await sleep(SETTLE_MS, undefined, { signal });
        const fromMs = hands.samples().at(-1)?.atMs ?? 0;
        await sleep(this.#lookMs, undefined, { signal });
        const point = averageOf(size, hands.samples().filter(({ atMs }) => atMs > fromMs));
        if (point !== undefined) hands.point(point);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** Means over samples; the p99 is the middle one of theirs. Undefined when nobody was served or the server was not itself. */
export function averageOf(size: number, samples: readonly Sample[]): Point | undefined {
  const p99s = samples.flatMap(({ p99 }) => p99 ?? []).sort((a, b) => a - b);
  const p99 = p99s[p99s.length >> 1];
  if (p99 === undefined || samples.some(({ server }) => server !== 'up')) return undefined;
  const mean = (pick: (sample: Sample) => number | null | undefined): number | null => {
    const values = samples.flatMap((sample) => pick(sample) ?? []);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const perSecond = mean((sample) => sample.perSecond) ?? 0;
  const cores = mean(({ serverCores }) => serverCores);
  return {
    size,
    perSecond,
    p99,
    running: mean(({ backends }) => backends?.running),
    locked: mean(({ backends }) => backends?.locked),
    cpuMs: cores === null || perSecond === 0 ? null : cores * 1000 / perSecond,
    othersCores: mean(({ othersCores }) => othersCores),
    clientBusy: mean(({ clientBusy }) => clientBusy) ?? 0,
    waiting: mean(({ waiting }) => waiting) ?? 0,
    borrowed: mean(({ borrowed }) => borrowed) ?? 0,
  };
}
