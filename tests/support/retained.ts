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

/** Whether nobody has it any more. */
export async function isForgotten(ref: WeakRef<object>): Promise<boolean> {
  // What was made or looked at in this turn is kept until the next.
  await new Promise(setImmediate);
  gc();
  return ref.deref() === undefined;
}

const WORKERS = 64;
const ACQUIRES = 30_000;

/** The same for workers who acquire, work for one hop and release, many more of them than resources. */
export function retainedByCrowd<L>(acquire: () => Promise<L>, release: (lease: L) => unknown): Promise<number> {
  let left = ACQUIRES;
  return retainedBytes((midway) => {
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        if (left === ACQUIRES / 2) midway();
        const lease = await acquire();
        await undefined;
        release(lease);
      }
    };
    return Promise.all(Array.from({ length: WORKERS }, worker));
  });
}
