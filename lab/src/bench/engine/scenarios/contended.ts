// More callers than resources, each in a loop: acquire, one hop of work, release.
import { tail } from '../../harness/statistics.ts';
import { crowd, timedCrowd } from '../loops.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { FULL_PACE, QUICK_PACE, Slice, type Cost } from '../slices.ts';
import { Source, USUAL } from '../subject.ts';

export interface CrowdMeasured {
  readonly few: Cost;
  readonly many: Cost;
  /** Of one acquire among the many, in microseconds. */
  readonly latency: ReturnType<typeof tail>;
}

const FEW = 64;
const MANY = 1000;
/** Enough for a p99.9 that is more than a few unlucky acquires. */
const LEAST_TIMED = 10_000;
const MOST_TIMED = 200_000;

export async function contended({ open, quick }: Bench): Promise<Steps> {
  const subject = await open(USUAL, new Source());
  const few = new Slice((times) => crowd(subject, FEW, times), FEW);
  const many = new Slice((times) => crowd(subject, MANY, times), MANY);
  const pace = quick ? QUICK_PACE : FULL_PACE;
  let timed = LEAST_TIMED;
  return {
    warmUp: async () => {
      await few.warmUp(pace);
      await many.warmUp(pace);
      const { cpuNs } = await many.measure();
      timed = Math.max(LEAST_TIMED, Math.min(MOST_TIMED, Math.round((pace.sliceMs * 1e6) / cpuNs)));
      await timedCrowd(subject, MANY, timed);
    },
    measure: async (): Promise<CrowdMeasured> => ({
      few: await few.measure(), many: await many.measure(), latency: tail(await timedCrowd(subject, MANY, timed)),
    }),
  };
}
