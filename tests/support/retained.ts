// What a piece of work leaves behind that only a full collection would find.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

/**
 * By how many bytes the heap has grown by the end of `work` and some collections of young objects, since it called `midway`. That is a
 * full collection, which makes old what lives at the moment: from then on, whatever it points to counts as alive, also when it is itself
 * garbage.
 */
export async function retainedBytes(work: (midway: () => void) => Promise<unknown>): Promise<number> {
  let before = Infinity;
  await work(() => {
    gc();
    gc();
    before = process.memoryUsage().heapUsed;
  });
  for (let round = 0; round < 3; round++) gc({ type: 'minor' });
  return process.memoryUsage().heapUsed - before;
}

const WORKERS = 64;
const ACQUIRES = 30_000;

/** 64 workers that acquire and release, 30 000 times in all; `midway` is called half-way. For {@link retainedBytes}. */
export async function load(acquire: () => PromiseLike<{ release(): unknown }>, midway: () => void): Promise<void> {
  let left = ACQUIRES;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      if (left === ACQUIRES / 2) midway();
      const lease = await acquire();
      await undefined;
      lease.release();
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}
