// The command line of `npm run proxy`.
import { parseArgs } from 'node:util';
import { number } from '../demo/options.ts';
import { time } from '../playground/options.ts';
import { Trouble } from '../trouble.ts';

export interface ProxyPlan {
  readonly port: number;
  /** Undefined: until Ctrl-C, and nobody uses it but who wants to. */
  readonly forMs: number | undefined;
  readonly clients: number;
  readonly servers: number;
}

const CLIENTS = 200;
const SERVERS = 10;

export const HELP = `millpond-proxy in front of a PostgreSQL that it brings along, with nothing to configure.

  npm run proxy
  npm run proxy -- [options]

  --port N       where the proxy listens (default: a free port)
  --servers N    connections to the server at most, 1 to 100 (default ${SERVERS})
  --for TIME     by itself: clients send queries for that time, the console says what came of it, and it ends; 20s, 2m, 1500ms
  --clients N    how many there are with --for, 1 to 1000 (default ${CLIENTS})
  --ascii        no characters beyond ASCII
  --help         this text

Needs no root, no network and no server of yours. It listens for this machine only. Ctrl-C ends it and cleans up.`;

/** Returns 'help' when that was asked for. Throws a Trouble that names the option and what it wants. */
export function planFrom(args: readonly string[]): ProxyPlan | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  return {
    port: number('port', values.port, 0, { least: 0, most: 65_535, whole: true }),
    forMs: values.for === undefined ? undefined : time(values.for),
    clients: number('clients', values.clients, CLIENTS, { least: 1, most: 1000, whole: true }),
    servers: number('servers', values.servers, SERVERS, { least: 1, most: 100, whole: true }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' }, for: { type: 'string' }, clients: { type: 'string' }, servers: { type: 'string' },
        ascii: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Trouble(`${(error as Error).message.split('. ')[0]}.`, 'See --help for what there is.', 2);
  }
}
