// Resources that carry several loans at once: 64 callers on one resource, and the same 64 on 64 resources.
import { crowd } from '../loops.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { FULL_PACE, QUICK_PACE, Slice, type Cost } from '../slices.ts';
import { Source, USUAL } from '../subject.ts';

export const CALLERS = 64;

export interface SharingMeasured {
  readonly shared: Cost;
  readonly own: Cost;
}

export async function sharing({ open, quick }: Bench): Promise<Steps> {
  const one = await open({ ...USUAL, max: 1, sharing: CALLERS }, new Source());
  const each = await open({ ...USUAL, max: CALLERS }, new Source());
  const shared = new Slice((times) => crowd(one, CALLERS, times), CALLERS);
  const own = new Slice((times) => crowd(each, CALLERS, times), CALLERS);
  const pace = quick ? QUICK_PACE : FULL_PACE;
  return {
    warmUp: async () => {
      await shared.warmUp(pace);
      await own.warmUp(pace);
    },
    measure: async (): Promise<SharingMeasured> => ({ shared: await shared.measure(), own: await own.measure() }),
  };
}
