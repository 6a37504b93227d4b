// Acquire and release with nobody else there: what every call pays.
import { alone } from '../loops.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { bytesPerOperation, FULL_PACE, QUICK_PACE, Slice, type Cost } from '../slices.ts';
import { Source, USUAL } from '../subject.ts';

export interface AloneMeasured extends Cost {
  readonly bytes: number;
}

export function uncontended(bench: Bench): Promise<Steps> {
  return steps(bench, false);
}

/** The same, asking the resource each time whether it is alive. */
export function validation(bench: Bench): Promise<Steps> {
  return steps(bench, true);
}

async function steps({ open, quick }: Bench, validate: boolean): Promise<Steps> {
  const subject = await open({ ...USUAL, validate }, new Source());
  const slice = new Slice((times) => alone(subject, times));
  return {
    warmUp: () => slice.warmUp(quick ? QUICK_PACE : FULL_PACE),
    measure: async (): Promise<AloneMeasured> => {
      const cost = await slice.measure();
      return { ...cost, bytes: await bytesPerOperation((times) => alone(subject, times)) };
    },
  };
}
