// The command line of the demo about a fleet.
import { Trouble } from '../../trouble.ts';
import { parse } from '../options.ts';

export interface FleetPlan {
  readonly processes: number;
  /** Of the database, for the role of the fleet. */
  readonly limit: number;
  readonly busyMs: number;
  /** Of all that the connections could do. */
  readonly load: number;
  readonly stayMs: number;
  readonly turns: number;
  readonly warmUpMs: number;
  /** Before and after somebody is killed. */
  readonly calmMs: number;
}

const FULL: FleetPlan = { processes: 10, limit: 20, busyMs: 100, load: 0.8, stayMs: 2_000, turns: 3, warmUpMs: 1_000, calmMs: 2_500 };
const QUICK: FleetPlan = { ...FULL, processes: 4, limit: 8, stayMs: 1_200, turns: 2, warmUpMs: 1_000, calmMs: 1_500 };

/** 'help' when that was asked for. Throws a Trouble that names the option and what it wants. */
export function fleetPlanFrom(args: readonly string[]): FleetPlan | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  for (const name of ['html', 'io-ms', 'users', 'seconds'] as const) {
    if (values[name] !== undefined) throw new Trouble(`--${name} is not for the demo of a fleet.`, 'See --help for what there is.', 2);
  }
  return values.quick ? QUICK : FULL;
}
