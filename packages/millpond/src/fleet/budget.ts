// The budget of a fleet's pools: its options, and a seat for each pool.

import type { Budget, BudgetedPool, Clock, Random } from '../index.ts';
import { Checker } from '../options.ts';
import { suspendAwareClock } from './clock.ts';
import type { Coordinator, FleetTerms } from './protocol.ts';
import { FleetSeat, type FleetMemberStats } from './seat.ts';

/** Each pool that has it is a member of the fleet. */
export interface FleetBudget extends Budget {
  /** Of each pool that has it and is open. */
  stats(): readonly FleetMemberStats[];
}

/** All members of a fleet must give the same, {@link name} and {@link weight} aside. */
export interface FleetBudgetOptions {
  /** How many connections the fleet may have, `guard` included. A whole number of at least 1. */
  readonly limit: number;
  /** How many of `limit` the fleet leaves free. Default 0. */
  readonly guard?: number;
  /**
   * How many each member may hold without asking anybody, also when the coordinator cannot be reached. `floor * members` must not be more
   * than `limit - guard`. Default 0: without a coordinator there is nothing once the last grant has ended.
   */
  readonly floor?: number;
  /** How many members there are at most at a time, those of a rollout included. Required with a floor; otherwise default 100 000. */
  readonly members?: number;
  /** How long a grant lasts, in milliseconds; at least 1 000. A crashed member's connections come back when it has ended. Default 5 000. */
  readonly leaseMs?: number;
  /** How long after that a lent connection may stay lent at most, in milliseconds, and be closed. Default 2 000. */
  readonly graceMs?: number;
  /**
   * After what silence the server ends a session by itself, in milliseconds: `sessionIdleTimeoutMs` of the pools. So long it takes until
   * the connections of a vanished host are certainly gone. Default 0: never, and they are not counted after the grace.
   */
  readonly deadManMs?: number;
  /** What people read: the service and where it runs. Default: the pool's name and the host's. */
  readonly name?: string;
  /** From 1 to 100: how many parts it gets where others get one, when there is not enough. Default 1. */
  readonly weight?: number;
  /**
   * Whether others may use a member's floor while that has nothing to do. It then takes more than two leases until it can have it back
   * without a grant, and as long until a new one has its own. Default false.
   */
  readonly lend?: boolean;
  /** For tests. */
  readonly clock?: Clock;
  readonly random?: Random;
}

const KEYS = [
  'limit', 'guard', 'floor', 'members', 'leaseMs', 'graceMs', 'deadManMs', 'name', 'weight', 'lend', 'clock', 'random',
] as const satisfies readonly (keyof FleetBudgetOptions)[];

/** Without floors it only bounds what a coordinator remembers. */
const MANY = 100_000;

/** @internal */
export interface Resolved {
  readonly terms: FleetTerms;
  readonly name: string | undefined;
  readonly weight: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A budget that many processes share: each pool that has it is a member of the fleet and holds what the coordinator grants it. Throws
 * {@link InvalidOptionError}.
 */
export function fleetBudget(coordinator: Coordinator, options: FleetBudgetOptions): FleetBudget {
  const resolved = resolve(coordinator, options);
  return budgetOf(resolved, () => ({ coordinator, terms: () => resolved.terms }));
}

/** @internal With a way to the coordinator for each pool, and what is known of the fleet's terms by now. */
export function budgetOf(
  resolved: Resolved, way: (pool: BudgetedPool) => { readonly coordinator: Coordinator; readonly terms: () => FleetTerms | undefined },
): FleetBudget {
  const seats = new Set<FleetSeat>();
  return {
    join(pool) {
      const seat = new FleetSeat({ ...resolved, ...way(pool), termsSaid: resolved.terms }, pool, () => void seats.delete(seat));
      seats.add(seat);
      return seat;
    },
    stats: () => [...seats].map((seat) => seat.stats()),
  };
}

/** @internal */
export function resolve(coordinator: Coordinator, options: FleetBudgetOptions): Resolved {
  const check = new Checker('fleetBudget');
  check.object('coordinator', coordinator);
  check.functionAt('coordinator.heartbeat', coordinator.heartbeat, true);
  check.object('options', options);
  check.keys('', options, KEYS);
  const count = (key: 'limit' | 'guard' | 'floor' | 'members' | 'weight', fallback: number | undefined, least: number): number => (
    check.finite(key, check.count(key, options[key], fallback, least)));
  const whole = (key: 'leaseMs' | 'graceMs' | 'deadManMs', fallback: number, least: number): number => (
    check.finite(key, Math.ceil(check.number(key, options[key], fallback, { least }))));
  const limit = count('limit', undefined, 1);
  const guard = count('guard', 0, 0);
  if (guard >= limit) throw check.bad('guard', guard, `less than limit (${limit})`);
  const floor = count('floor', 0, 0);
  const members = count('members', floor > 0 ? undefined : MANY, 1);
  if (floor * members > limit - guard) {
    throw check.bad('floor', floor, `at most ${Math.floor((limit - guard) / members)}: every one of ${members} members may hold that many`);
  }
  const weight = count('weight', 1, 1);
  if (weight > 100) throw check.bad('weight', weight, 'at most 100');
  return {
    terms: {
      limit, guard, floor, members, lend: check.flag('lend', options.lend, false),
      leaseMs: whole('leaseMs', 5_000, 1_000), graceMs: whole('graceMs', 2_000, 0), deadManMs: whole('deadManMs', 0, 0),
    },
    name: options.name, weight,
    clock: options.clock ?? suspendAwareClock, random: options.random ?? Math.random,
  };
}
