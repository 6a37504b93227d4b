// The command line of the playground.
import { parseArgs } from 'node:util';
import { number } from '../demo/options.ts';
import { Trouble } from '../trouble.ts';
import { DEFAULTS } from './settings.ts';

export interface PlaygroundPlan {
  readonly port: number;
  /** Undefined: until Ctrl-C. */
  readonly forMs: number | undefined;
  readonly users: number;
  readonly quiet: boolean;
}

export const HELP = `A page in which you move a pool's controls under load and see what it does. Brings its own PostgreSQL along.

  npm start
  npm start -- [options]

  --port N       where the page is (default: a free port)
  --users N      how many users there are at first, 0 to 1000 (default ${DEFAULTS.users})
  --for TIME     by itself: tries all sizes of the pool, says what it saw, and ends after that time; 20s, 2m, 1500ms
  --quiet        prints where the page is and nothing else
  --ascii        no characters beyond ASCII
  --help         this text

Needs no root, no network and no server of yours. The page is for this machine only. Ctrl-C ends it and cleans up.`;

const SEE_HELP = 'See --help for what there is.';
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, '': 1000 };
const LEAST_MS = 1000;
const MOST_MS = 3_600_000;

/** Returns 'help' when that was asked for. Throws a Trouble that names the option and what it wants. */
export function planFrom(args: readonly string[]): PlaygroundPlan | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  return {
    port: number('port', values.port, 0, { least: 0, most: 65_535, whole: true }),
    forMs: values.for === undefined ? undefined : time(values.for),
    users: number('users', values.users, DEFAULTS.users, { least: 0, most: 1000, whole: true }),
    quiet: values.quiet ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' }, for: { type: 'string' }, users: { type: 'string' },
        quiet: { type: 'boolean' }, ascii: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Trouble(`${(error as Error).message.split('. ')[0]}.`, SEE_HELP, 2);
  }
}

/** Of `--for`, in milliseconds. */
export function time(text: string): number {
  const [, value = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(text) ?? [];
  const ms = Number(value) * (UNITS[unit] ?? NaN);
  if (value !== '' && ms >= LEAST_MS && ms <= MOST_MS) return ms;
  throw new Trouble(`--for takes a time from 1s to 60m, such as 20s, not "${text}".`, SEE_HELP, 2);
}
