// Max-min fair shares without a look at the members. Demands are met from the smallest up and the rest is split by weight; who gets how
// much follows from one number, the level: a member of weight w gets min(demand, w * level). The level follows from how many permits
// each step from one level to the next takes over all members, and these numbers change with one member's demand in two places only.
//
// Of a member with demand d and weight w, let q = floor(d / w) and r = d mod w: it takes w at each of the steps 1 to q, r at step q + 1,
// nothing beyond. `ends[k]` says by how much step k + 1 takes less than step k, over all: w - r more at q, and r more at q + 1. Their sum
// is the weight of all members, which is what a step 0 would take.
//
// What is left when the next step does not fit is passed around: each member has a phase, phases advance with every epoch by the golden
// ratio, and who stands highest gets it. So no member waits long, and no two epochs favour the same. Where everybody has something anyway
// epochs are long: each change costs a connection that is closed here and opened there.

/** How many parts a turn of phases has. */
export const TURN = 65_536;
/** TURN divided by the golden ratio, and odd: steps of this size visit every phase, and the next one always falls into a widest gap. */
export const GOLDEN = 40_503;

export interface Demands {
  /** Sparse: undefined is 0. */
  readonly ends: number[];
  /** Of all demands. */
  sum: number;
  /** Of all weights. */
  weight: number;
}

export function noDemands(): Demands {
  return { ends: [], sum: 0, weight: 0 };
}

/** `sign`: 1 when the demand has come, -1 when it is gone. */
export function note(demands: Demands, amount: number, weight: number, sign: 1 | -1): void {
  const { ends } = demands;
  const q = Math.floor(amount / weight);
  const r = amount % weight;
  ends[q] = (ends[q] ?? 0) + sign * (weight - r);
  ends[q + 1] = (ends[q + 1] ?? 0) + sign * r;
  demands.sum += sign * amount;
  demands.weight += sign * weight;
}

/** Whose share it is: its demand, its weight, and its phase (0 to TURN - 1) where some get nothing, and where everybody has something. */
export interface Claim {
  readonly amount: number;
  readonly weight: number;
  readonly phaseOfFirst: number;
  readonly phaseOfMore: number;
}

/** The part of `capacity` that one of these demands gets. */
export function shareOf(demands: Demands, capacity: number, { amount, weight, phaseOfFirst, phaseOfMore }: Claim): number {
  let left = Math.max(0, capacity);
  if (demands.sum <= left) return amount;
  let level = 0;
  let taken = demands.weight - (demands.ends[0] ?? 0);
  while (left >= taken) {
    left -= taken;
    level++;
    taken -= demands.ends[level] ?? 0;
  }
  const full = Math.min(amount, weight * level);
  const next = Math.min(weight, amount - full);
  const phase = level === 0 ? phaseOfFirst : phaseOfMore;
  return full + Math.floor((next * left * TURN + phase * taken) / (taken * TURN));
}

/** Where a member stands in an epoch. `ordinal`: it was the how manieth to come. */
export function phaseOf(ordinal: number, epoch: number): number {
  return ((ordinal + epoch) % TURN) * GOLDEN % TURN;
}
