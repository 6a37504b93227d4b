// The command line, and what follows from it: who asks, how long, which sizes.
import { parseArgs } from 'node:util';
import { Trouble } from '../trouble.ts';

export interface OutagePlan {
  readonly size: number;
  readonly maxCreating: number;
  readonly calmMs: number;
  readonly downMs: number;
  readonly afterMs: number;
}

export interface Plan {
  readonly quick: boolean;
  readonly ascii: boolean;
  readonly users: number;
  readonly ioMs: number;
  readonly htmlFile: string | undefined;
  readonly sizes: readonly number[];
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly arriveOverMs: number;
  readonly pauseAfterErrorMs: number;
  readonly outage: OutagePlan;
}

export const HELP = `Shows what a connection pool is for, on a private server.

  npm run demo -- [postgres | redis | mysql | tcp | http | fleet] [options]

  postgres       the default: on a real PostgreSQL that it brings along, with a page; about a minute
  redis          GETs; Redis freezes, and is killed (needs redis-server)
  mysql          rows by key; connections are KILLed, the server is killed (needs mariadb-server)
  tcp            lines over sockets of your own; the server is killed
  http           GETs with node:http; the server closes idle connections, and is killed
  fleet          ten processes share the connections of one PostgreSQL (by a Redis, where redis-server is there)

  --quick        for CI: fewer users and sizes, shorter looks
  --users N      concurrent users (postgres: 1000, with --quick 300; else 200 and 50)
  --seconds N    measured seconds for each strategy (postgres: 3, with --quick 0.6; else 1.5 and 0.4)
  --io-ms N      what each query waits for its imaginary disk, in ms (postgres; default 1; 0: it only computes)
  --html FILE    where to write the page (postgres; default lab/out/demo.html)
  --ascii        no characters beyond ASCII
  --help         this text

Needs no root, no network and no server of yours. Respects NO_COLOR. Ctrl-C cleans up.`;

const PAUSE_AFTER_ERROR_MS = 1000;
const FULL = {
  users: 1000, sizes: [2, 5, 10, 20, 50, 90], seconds: 3, warmUpMs: 2000, arriveOverMs: 500,
  outage: { size: 10, maxCreating: 2, calmMs: 3000, downMs: 1500, afterMs: 5000 },
} as const;
const QUICK = {
  users: 300, sizes: [2, 10, 50], seconds: 0.6, warmUpMs: 500, arriveOverMs: 100,
  outage: { size: 10, maxCreating: 2, calmMs: 1200, downMs: 600, afterMs: 1800 },
} as const;

/** Returns 'help' when that was asked for. Throws a Trouble that names the option and what it wants. */
export function planFrom(args: readonly string[]): Plan | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  const base = values.quick ? QUICK : FULL;
  return {
    quick: values.quick ?? false,
    ascii: values.ascii ?? false,
    users: number('users', values.users, base.users, { least: 1, most: 100_000, whole: true }),
    ioMs: number('io-ms', values['io-ms'], 1, { least: 0, most: 1000 }),
    measureMs: 1000 * number('seconds', values.seconds, base.seconds, { least: 0.2, most: 60 }),
    htmlFile: values.html,
    sizes: base.sizes,
    warmUpMs: base.warmUpMs,
    arriveOverMs: base.arriveOverMs,
    pauseAfterErrorMs: PAUSE_AFTER_ERROR_MS,
    outage: base.outage,
  };
}

export function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' }, ascii: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
        users: { type: 'string' }, seconds: { type: 'string' }, 'io-ms': { type: 'string' }, html: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new Trouble(`${(error as Error).message.split('. ')[0]}.`, 'See --help for what there is.', 2);
  }
}

interface Limits {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
}

export function number(name: string, text: string | undefined, otherwise: number, limits: Limits): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() !== '' && value >= limits.least && value <= limits.most && (!limits.whole || Number.isInteger(value))) return value;
  const wanted = `a ${limits.whole ? 'whole ' : ''}number from ${limits.least} to ${limits.most}`;
  throw new Trouble(`--${name} takes ${wanted}, not "${text}".`, 'See --help for what there is.', 2);
}
