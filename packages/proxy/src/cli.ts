#!/usr/bin/env node
// `millpond-proxy pgbouncer.ini`: reads the file, listens, and stays in the foreground until it is told to go.

import { parseArgs } from 'node:util';
import { VERSION } from './admin/commands/show-version.ts';
import { loadConfig, type Config } from './config/config.ts';
import { Proxy } from './proxy.ts';

const USAGE = `Usage: millpond-proxy [OPTION]... CONFIG_FILE

A connection pooler for PostgreSQL that reads pgbouncer.ini.

Options:
  -q, --quiet          nothing to the terminal
  -v, --verbose        say more; again for more still
  -c, --check          say what is wrong with the file, and exit: 0 if nothing is
  -V, --version        show the version, and exit
  -h, --help           show this, and exit
`;

/** The options, or a reason why they make no sense. */
function readArguments(): ReturnType<typeof parse> {
  try {
    return parse();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nTry "millpond-proxy --help" for more information.\n`);
    process.exit(1);
  }
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      quiet: { type: 'boolean', short: 'q' }, verbose: { type: 'boolean', short: 'v', multiple: true },
      check: { type: 'boolean', short: 'c' },
      version: { type: 'boolean', short: 'V' }, help: { type: 'boolean', short: 'h' },
    },
  });
}

/** Every problem and warning with its place. */
function report({ problems, warnings }: Config): void {
  for (const { file, line, message } of problems) process.stderr.write(`${file}:${line}: error: ${message}\n`);
  for (const { file, line, message } of warnings) process.stderr.write(`${file}:${line}: warning: ${message}\n`);
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help === true) return void process.stdout.write(USAGE);
  if (values.version === true) return void process.stdout.write(`${VERSION}\n`);
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    process.stderr.write('millpond-proxy: no configuration file specified\nTry "millpond-proxy --help" for more information.\n');
    process.exit(1);
  }
  const config = loadConfig(file);
  if (values.check === true || config.problems.length > 0) {
    report(config);
    if (values.check === true && config.problems.length === 0) process.stdout.write(`${file}: ok\n`);
    if (config.problems.length > 0) process.stderr.write('cannot load config file\n');
    process.exit(config.problems.length > 0 ? 1 : 0);
  }
  await serve(file, config, values.quiet === true);
}

async function serve(file: string, config: Config, quiet: boolean): Promise<void> {
  const proxy = new Proxy({ config, quiet, reload: () => loadConfig(file, config.values) });
  const leave = async (how: { readonly wait: boolean }): Promise<void> => {
    await proxy.close(how);
    process.exit(0);
  };
  let leaving = false;
  const asked = (signal: NodeJS.Signals, wait: boolean): void => {
    proxy.log.info(leaving ? `got ${signal} while shutting down, fast exit` : `got ${signal}, shutting down`);
    if (leaving) process.exit(0);
    leaving = true;
    void leave({ wait });
  };
  process.on('SIGINT', () => asked('SIGINT', false)).on('SIGTERM', () => asked('SIGTERM', true));
  process.on('SIGQUIT', () => {
    proxy.log.info('got SIGQUIT, fast exit');
    process.exit(0);
  });
  process.on('SIGHUP', () => {
    proxy.log.info('got SIGHUP, re-reading config');
    proxy.reload();
  });
  try {
    await proxy.listen();
    proxy.log.info(`process up: ${VERSION}, Node ${process.version}`);
  } catch (error) {
    proxy.log.write('FATAL', error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

await main();
