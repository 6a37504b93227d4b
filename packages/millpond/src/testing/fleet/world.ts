// A fleet drawn from a seed: its terms, how its network and its clocks are, how much there is to do, and what goes wrong in it.

import { RATE_ERROR } from '../../fleet/member.ts';
import { tailOf, type FleetTerms } from '../../fleet/protocol.ts';
import type { SeededRandom } from '../random.ts';

export const FAULTS = [
  'reload', 'burst', 'freeze', 'vanish', 'crash', 'rollout', 'grow', 'shrink', 'partition', 'heal', 'outage', 'amnesia', 'failover',
  'weather', 'stranger', 'clockBack',
] as const;
export type Fault = (typeof FAULTS)[number];

/** How messages travel, in milliseconds and shares. */
export interface Weather {
  readonly delayMs: number;
  /** The share of messages that take a hundred times as long. */
  readonly late: number;
  readonly lost: number;
  readonly doubled: number;
}

export interface FleetWorld {
  readonly terms: FleetTerms;
  /** How many there are at first. */
  readonly members: number;
  readonly max: number;
  readonly weights: readonly number[];
  /** How many requests come per second and member on average, and how long each holds its connection. */
  readonly rate: number;
  readonly holdMs: number;
  /** The share of requests that hold for seconds. */
  readonly long: number;
  readonly weather: Weather;
  /** By how much clocks may be wrong. */
  readonly rateError: number;
  readonly lastsMs: number;
  /** Between two faults on average. */
  readonly calmMs: number;
  readonly faults: Readonly<Record<Fault, number>>;
}

export function drawFleet(random: SeededRandom): FleetWorld {
  const leaseMs = random.pick([1_000, 2_000, 4_000]);
  const floor = random.chance(0.4) ? random.pick([1, 1, 2]) : 0;
  const most = random.int(2, 9);
  const usable = Math.max(2, floor * most) + random.int(0, 20);
  const guard = random.pick([0, 0, 2]);
  const terms: FleetTerms = {
    limit: usable + guard, guard, floor, members: floor > 0 ? most : 100, leaseMs,
    lend: floor > 0 && random.chance(0.6),
    graceMs: random.pick([400, 1_000]), deadManMs: random.chance(0.5) ? random.pick([500, 2_000]) : 0,
  };
  const weights = Object.fromEntries(FAULTS.map((fault) => [fault, random.chance(0.4) ? 0 : random.pick([1, 1, 3])]));
  return {
    terms,
    members: random.int(1, most),
    max: random.pick([5, 20, 100]),
    weights: random.chance(0.3) ? [1, 2, 5] : [1],
    rate: random.pick([0.2, 2, 8, 25]),
    holdMs: random.pick([10, 60, 250]),
    long: random.pick([0, 0, 0.02, 0.2]),
    weather: drawWeather(random),
    rateError: random.pick([0, RATE_ERROR]),
    lastsMs: 3 * tailOf(terms) + 8_000,
    calmMs: random.pick([300, 900, 2_500]),
    faults: { ...weights, reload: 2 } as Record<Fault, number>,
  };
}

export function drawWeather(random: SeededRandom): Weather {
  if (random.chance(0.4)) return { delayMs: random.pick([0.5, 5]), late: 0, lost: 0, doubled: 0 };
  return {
    delayMs: random.pick([1, 20, 150]),
    late: random.pick([0, 0.05, 0.2]),
    lost: random.pick([0, 0.05, 0.3]),
    doubled: random.pick([0, 0.1]),
  };
}
