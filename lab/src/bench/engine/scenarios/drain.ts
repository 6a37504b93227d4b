// A queue of so many waiters, then everything is given back: what one waiter costs until all have been served, in turns of the event loop
// that belong to nobody else. A pool that walks its queue shows here.
import { Countdown, holdAll, waitOnce } from '../queue.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { youngCollection, type Cost } from '../slices.ts';
import { Source, USUAL } from '../subject.ts';

/** Small queues are drained again and again, until this many waiters have been served. */
const LEAST_WAITERS = 5000;

export interface DrainMeasured extends Cost {
  readonly depth: number;
  /** CPU of everything: queueing and draining, as often as it was done. */
  readonly totalMs: number;
}

export async function drain({ open }: Bench): Promise<Steps> {
  const subject = await open(USUAL, new Source());
  const once = async (depth: number): Promise<Cost> => {
    const release = await holdAll(subject, USUAL.max);
    const countdown = new Countdown(depth);
    let failed: Error | undefined;
    const fail = (error: unknown): void => {
      failed ??= error instanceof Error ? error : new Error(String(error));
      countdown.tick();
    };
    for (let left = depth; left > 0; left -= 1) waitOnce(subject).then(countdown.tick, fail);
    const cpu = process.cpuUsage();
    const wall = performance.now();
    release();
    await countdown.done;
    const wallNs = (performance.now() - wall) * 1e6;
    const { user, system } = process.cpuUsage(cpu);
    if (failed !== undefined) throw failed;
    return { cpuNs: ((user + system) * 1000) / depth, wallNs: wallNs / depth };
  };
  return {
    measure: async (depth: number): Promise<DrainMeasured> => {
      youngCollection();
      const times = Math.max(1, Math.ceil(LEAST_WAITERS / depth));
      const cpu = process.cpuUsage();
      const sum = { cpuNs: 0, wallNs: 0 };
      for (let left = times; left > 0; left -= 1) {
        const cost = await once(depth);
        sum.cpuNs += cost.cpuNs / times;
        sum.wallNs += cost.wallNs / times;
      }
      const { user, system } = process.cpuUsage(cpu);
      return { depth, ...sum, totalMs: (user + system) / 1000 };
    },
  };
}
