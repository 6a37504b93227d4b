// Rounds: A B C, A B C, and so on, never A A A, B B B. Whoever else uses the machine comes and goes over seconds; taken in turns, all
// contenders have good and bad rounds alike. One that fails is out, with its reason; the others go on.
import type { Station } from './station.ts';

export interface Contestant<C> {
  readonly contender: C;
  readonly station: Station;
  /** A new process in place of this one, which was killed because it took too long. */
  reopen(): void;
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
  /** A round that would end later, if it took half as long as the one before, is not begun: a slow machine measures fewer, but ends. */
  readonly budgetMs?: number;
  readonly signal: AbortSignal;
  open(contender: C): Station;
  /** Before the first round, for each. */
  warmUp(contestant: Contestant<C>): Promise<unknown>;
  /** Undefined: this one takes part in no further round. */
  measure(contestant: Contestant<C>, round: number): Promise<M | undefined>;
  /** Round 0 is the warm-up. */
  progress(contender: C, round: number): void;
}

class Place<C> implements Contestant<C> {
  readonly contender: C;
  readonly #open: (contender: C) => Station;
  station: Station;

  constructor(contender: C, open: (contender: C) => Station) {
    this.contender = contender;
    this.#open = open;
    this.station = open(contender);
  }

  reopen(): void {
    this.station.kill();
    this.station = this.#open(this.contender);
  }
}

/** In the order of the contenders. Every station is closed when it is over, whatever happened. */
export async function inRounds<C, M>(plan: RoundsPlan<C, M>): Promise<Taken<C, M>[]> {
  const taken: Taken<C, M>[] = plan.contenders.map((contender) => ({ contender, measured: [], failed: undefined }));
  const places = new Map<Taken<C, M>, Place<C>>();
  const begunMs = performance.now();
  let lastMs = begunMs;
  try {
    for (let round = 0; round <= plan.rounds; round += 1) {
      const nowMs = performance.now();
      if (round > 1 && nowMs - begunMs + (nowMs - lastMs) / 2 > (plan.budgetMs ?? Infinity)) break;
      lastMs = nowMs;
      for (const one of taken) {
        plan.signal.throwIfAborted();
        const place = round === 0 ? new Place(one.contender, (contender) => plan.open(contender)) : places.get(one);
        if (place === undefined) continue;
        places.set(one, place);
        plan.progress(one.contender, round);
        if (await turn(plan, one, place, round)) continue;
        places.delete(one);
        await place.station.close();
      }
    }
  } finally {
    await Promise.all([...places.values()].map(({ station }) => station.close()));
  }
  plan.signal.throwIfAborted();
  return taken;
}

/** Whether it goes on. */
async function turn<C, M>(plan: RoundsPlan<C, M>, one: Taken<C, M>, place: Place<C>, round: number): Promise<boolean> {
  try {
    if (round === 0) {
      await plan.warmUp(place);
      return true;
    }
    const measured = await plan.measure(place, round);
    if (measured !== undefined) one.measured.push(measured);
    return measured !== undefined;
  } catch (error) {
    one.failed = error;
    return false;
  }
}
