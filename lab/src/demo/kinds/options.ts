// The command line of the demos about one kind of connection.
import { number, parse } from '../options.ts';
import { Trouble } from '../../trouble.ts';

export interface KindPlan {
  readonly quick: boolean;
  readonly users: number;
  readonly size: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** After the server is back. */
  readonly afterMs: number;
  /** Of all waiting between events. */
  readonly pace: number;
}

const FULL = { users: 200, seconds: 1.5, warmUpMs: 500, afterMs: 2000, pace: 1 } as const;
const QUICK = { users: 50, seconds: 0.4, warmUpMs: 100, afterMs: 1000, pace: 0.5 } as const;
const SIZE = 10;

/** 'help' when that was asked for. Throws a Trouble that names the option and what it wants. */
export function kindPlanFrom(args: readonly string[]): KindPlan | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  for (const name of ['html', 'io-ms'] as const) {
    if (values[name] !== undefined) throw new Trouble(`--${name} is for the demo of PostgreSQL.`, 'See --help for what there is.', 2);
  }
  const base = values.quick ? QUICK : FULL;
  return {
    quick: values.quick ?? false,
    users: number('users', values.users, base.users, { least: 1, most: 10_000, whole: true }),
    measureMs: 1000 * number('seconds', values.seconds, base.seconds, { least: 0.2, most: 60 }),
    size: SIZE, warmUpMs: base.warmUpMs, afterMs: base.afterMs, pace: base.pace,
  };
}
