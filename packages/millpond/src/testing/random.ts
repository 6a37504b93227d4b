// Chance that can be repeated. The same seed gives the same numbers in the same order, on every machine and in every version of this
// package with the same major number: a failure is reproduced by its seed alone.

import type { Random } from '../index.ts';

/** A {@link Random} that remembers its seed, with the draws that tests and simulations need. */
export interface SeededRandom extends Random {
  readonly seed: number | string;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** One of them, each as likely as the others. */
  pick<V>(from: readonly V[]): V;
  /** Time to the next event of a Poisson process with this mean. */
  exponential(mean: number): number;
  /** A copy in random order. */
  shuffle<V>(of: readonly V[]): V[];
  /** An independent source of its own, by name: draws from the one do not shift the other. */
  fork(name: string): SeededRandom;
}

/**
 * Small fast counting generator (sfc32): 128 bits of state, passes PractRand, needs four additions a number. The seed may be any
 * number or string; `1` and `'1'` are different seeds.
 */
export function seededRandom(seed: number | string): SeededRandom {
  const next = sfc32(typeof seed + ':' + String(seed));
  const source = (): number => next() / 0x1_0000_0000;
  return Object.assign(source, {
    seed,
    int(low: number, high: number): number {
      if (!(high >= low)) throw new RangeError(`seededRandom: no whole number from ${low} to ${high}`);
      return low + Math.floor(source() * (high - low + 1));
    },
    chance: (p: number): boolean => source() < p,
    pick<V>(from: readonly V[]): V {
      if (from.length === 0) throw new RangeError('seededRandom: nothing to pick from');
      return from[Math.floor(source() * from.length)]!;
    },
    exponential: (mean: number): number => -mean * Math.log(1 - source()),
    shuffle<V>(of: readonly V[]): V[] {
      const copy = [...of];
      for (let i = copy.length - 1; i > 0; i--) {
        const j = Math.floor(source() * (i + 1));
        const moved = copy[i]!;
        copy[i] = copy[j]!;
        copy[j] = moved;
      }
      return copy;
    },
    fork: (name: string): SeededRandom => seededRandom(`${typeof seed}:${seed}/${name}`),
  });
}

/** Yields whole numbers below 2^32. The state is filled from a hash of `text`; the first rounds mix it. */
function sfc32(text: string): () => number {
  const word = hashed(text);
  let a = word(), b = word(), c = word(), counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

/** FNV-1a over the text, then one murmur3 finalizer a word: neighbouring seeds start far apart. */
function hashed(text: string): () => number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return () => {
    hash = (hash + 0x9e3779b9) | 0;
    let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  };
}
