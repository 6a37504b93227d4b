// Rounds: A B C, A B C, and so on, never A A A, B B B. Whoever else uses the machine comes and goes over seconds; taken in turns, all
// contenders have good and bad rounds alike. One that fails is out, with its reason; the others go on.
import type { Station } from './station.ts';

export interface Contestant<C> {
  readonly contender: C;
  readonly station: Station;
}

export interface Taken<C, M> {
  readonly contender: C;
  /** One per round. */
  readonly measured: M[];
  /** The reason why there are no more. */
  failed: unknown;
}

export interface RoundsPlan<C, M> {
  readonly contenders: readonly C[];
  readonly rounds: number;
  readonly signal: AbortSignal;
  open(contender: C): Station;
  /** Before the first round, for each. */
  warmUp(contestant: Contestant<C>): Promise<void>;
  /** Undefined: this one takes part in no further round. */
  measure(contestant: Contestant<C>, round: number): Promise<M | undefined>;
  /** Round 0 is the warm-up. */
  progress(contender: C, round: number): void;
}

/** In the order of the contenders. Every station is closed when it is over, whatever happened. */
export async function inRounds<C, M>(plan: RoundsPlan<C, M>): Promise<Taken<C, M>[]> {
  const taken: Taken<C, M>[] = plan.contenders.map((contender) => ({ contender, measured: [], failed: undefined }));
  const stations = new Map<Taken<C, M>, Station>();
  try {
    for (let round = 0; round <= plan.rounds; round += 1) {
      for (const one of taken) {
        plan.signal.throwIfAborted();
        const station = round === 0 ? plan.open(one.contender) : stations.get(one);
        if (station === undefined) continue;
        stations.set(one, station);
        plan.progress(one.contender, round);
        if (await turn(plan, one, station, round)) continue;
        stations.delete(one);
        await station.close();
      }
    }
  } finally {
    await Promise.all([...stations.values()].map((station) => station.close()));
  }
  plan.signal.throwIfAborted();
  return taken;
}

/** Whether it goes on. */
async function turn<C, M>(plan: RoundsPlan<C, M>, one: Taken<C, M>, station: Station, round: number): Promise<boolean> {
  const contestant = { contender: one.contender, station };
  try {
    if (round === 0) {
      await plan.warmUp(contestant);
      return true;
    }
    const measured = await plan.measure(contestant, round);
    if (measured !== undefined) one.measured.push(measured);
    return measured !== undefined;
  } catch (error) {
    one.failed = error;
    return false;
  }
}
