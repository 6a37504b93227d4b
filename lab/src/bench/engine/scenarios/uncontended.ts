// Acquire and release with nobody else there: what every call pays.
import { alone } from '../loops.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { bytesPerOperation, Slice, type Cost } from '../slices.ts';
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
    warmUp: () => quick ? slice.warmUp(20, 100) : slice.warmUp(100, 400),
    measure: async (): Promise<AloneMeasured> => {
      const cost = await slice.measure();
      return { ...cost, bytes: await bytesPerOperation((times) => alone(subject, times)) };
    },
  };
}
