// Rounds of this chapter: A B C, A B C. Unlike elsewhere nothing of a contender runs in a process of ours, so there are no stations; a
// contender that fails is out, with its reason, and the others go on.

import type { BenchContext } from '../chapter.ts';
import type { Taken } from '../harness/rounds.ts';
import type { Contender } from './poolers.ts';

export interface Turns<M> {
  readonly what: string;
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  readonly warmUp: boolean;
  measure(contender: Contender): Promise<M>;
}

export async function inTurns<M>(context: BenchContext, plan: Turns<M>): Promise<Taken<Contender, M>[]> {
  const taken = plan.contenders.map((contender): Taken<Contender, M> => ({ contender, measured: [], failed: undefined }));
  for (let round = plan.warmUp ? 0 : 1; round <= plan.rounds; round++) {
    for (const one of taken) {
      context.signal.throwIfAborted();
      if (one.failed !== undefined) continue;
      context.progress(`${plan.what}: ${round === 0 ? 'warming up' : `round ${round} of ${plan.rounds}`}, ${one.contender.name}`);
      try {
        const measured = await plan.measure(one.contender);
        if (round > 0) one.measured.push(measured);
      } catch (error) {
        context.signal.throwIfAborted();
        one.failed = error;
      }
    }
  }
  return taken;
}
