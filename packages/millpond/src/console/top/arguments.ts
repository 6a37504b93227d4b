// What was asked of `millpond top`.

import { parseArgs } from 'node:util';

export const USAGE = `Usage: millpond top URL [OPTION]...

Shows the pools of a process in the terminal, from its console. The key q ends it.

  URL                  where the console is, as its page: http://127.0.0.1:9000/ or .../pools/?token=...
  -t, --token TOKEN    what the console asks for, if it is not in the address
  -s, --search TEXT    only pools that have this in their name
  -j, --json           a snapshot a second as a line of JSON, for scripts
  -1, --once           one snapshot, then the end
  -h, --help           this
`;

export interface Asked {
  /** Of the snapshot. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly once: boolean;
}

/** Throws an Error whose message says what is wrong; undefined: help was asked for. */
export function readArguments(given: readonly string[]): Asked | undefined {
  const { values, positionals } = parseArgs({
    args: [...given], allowPositionals: true,
    options: {
      token: { type: 'string', short: 't' }, search: { type: 'string', short: 's' }, json: { type: 'boolean', short: 'j' },
      once: { type: 'boolean', short: '1' }, help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true || positionals.length === 0) return undefined;
  const [command, address, ...more] = positionals;
  if (command !== 'top') throw new Error(`there is no command ${String(command)}; there is top`);
  if (address === undefined) throw new Error('top needs the address of a console');
  if (more.length > 0) throw new Error(`one address is enough: ${more.join(' ')}`);
  const page = new URL(/^https?:/.test(address) ? address : `http://${address}`);
  const token = values.token ?? page.searchParams.get('token') ?? undefined;
  if (!page.pathname.endsWith('/')) page.pathname += '/';
  const url = new URL('snapshot', page);
  if (values.search !== undefined) url.searchParams.set('search', values.search);
  return {
    url, headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    json: values.json === true, once: values.once === true,
  };
}
