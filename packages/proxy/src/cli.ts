#!/usr/bin/env node
// `millpond-proxy pgbouncer.ini`: reads the file, listens, and stays in the foreground until it is told to go.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { VERSION } from './admin/commands/show-version.ts';
import { loadConfig, type Config } from './config/config.ts';
import { loadHooks, type Hooks } from './hooks.ts';
import { listenHttp } from './http/server.ts';
import { Log, logOptions } from './log.ts';
import { Proxy, type ShutdownWait } from './proxy.ts';
import { mustBeFree } from './workers/ports.ts';
import { Supervisor } from './workers/supervisor.ts';

const USAGE = `Usage: millpond-proxy [OPTION]... CONFIG_FILE

A connection pooler for PostgreSQL that reads pgbouncer.ini.

Options:
  -q, --quiet          nothing to the terminal
  -d, --daemon         go on in the background; needs a logfile
  -u, --user=NAME      become this user after start, if started as root
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
      quiet: { type: 'boolean', short: 'q' }, daemon: { type: 'boolean', short: 'd' }, user: { type: 'string', short: 'u' },
      reboot: { type: 'boolean', short: 'R' }, verbose: { type: 'boolean', short: 'v', multiple: true },
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
  if (values.reboot === true) {
    process.stderr.write('millpond-proxy: --reboot is not possible: Node cannot take over the sockets of another process. '
      + 'Start a second one beside it, '
      + 'with so_reuseport = 1 and peers, and send SIGTERM to the first\n');
    process.exit(1);
  }
  const verbose = Math.max(config.values.verbose, values.verbose?.length ?? 0);
  const given = { ...config.values, verbose, user: values.user ?? config.values.user };
  if (values.daemon === true) goToBackground(given.logfile);
  else if (given.workers > 1) await serveTogether(file, { ...config, values: given }, values.quiet === true);
  else await serve(file, { ...config, values: given }, values.quiet === true);
}

/** Starts the same once more, without a terminal, and ends. */
function goToBackground(logfile: string): void {
  if (logfile === '') {
    process.stderr.write('millpond-proxy: daemon needs logfile configured\n');
    process.exit(1);
  }
  const rest = process.argv.slice(1).filter((each) => each !== '-d' && each !== '--daemon');
  spawn(process.execPath, [...process.execArgv, ...rest, '--quiet'], { detached: true, stdio: 'ignore' }).unref();
}

async function serve(file: string, config: Config, quiet: boolean): Promise<void> {
  const hooks = await hooksOf(config.values);
  const proxy = new Proxy({ config, quiet, reload: () => loadConfig(file), hooks });
  const { log } = proxy;
  const leaves = leaveAtExit(config.values.pidfile);
  proxy.onClosed(() => process.exit(0));
  listenToSignals(proxy);
  try {
    leaves();
    await proxy.listen();
    becomeUser(config.values.user);
    log.info(`process up: ${VERSION}, Node ${process.version}`);
  } catch (error) {
    log.write('FATAL', error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

async function hooksOf(values: Config['values']): Promise<Hooks> {
  try {
    return await loadHooks(values);
  } catch (error) {
    process.stderr.write(`millpond-proxy: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

/** The same with several processes: this one only looks after them. */
async function serveTogether(file: string, { values }: Config, quiet: boolean): Promise<void> {
  const log = new Log(logOptions(values, quiet));
  const together = new Supervisor({
    file, quiet, log, size: values.workers, verbose: values.verbose,
    reloaded: () => log.configure(logOptions(loadConfig(file).values, quiet)),
  });
  const leaves = leaveAtExit(values.pidfile);
  together.onGone = () => process.exit(0);
  listenToSignals(together);
  try {
    leaves();
    // Before anything is started: a process that becomes another user later could not start again what has ended.
    becomeUser(values.user);
    if (!values.so_reuseport) await mustBeFree(values);
    await together.start();
    if (values.http_port > 0) {
      const { port } = await listenHttp(together, { host: values.http_addr, port: values.http_port });
      log.info(`listening on http://${values.http_addr}:${port}`);
    }
    log.info(`process up: ${VERSION}, Node ${process.version}, ${values.workers} workers`);
  } catch (error) {
    log.write('FATAL', error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

type Served = Pick<Proxy, 'log' | 'isClosing' | 'isPaused' | 'close' | 'pause' | 'resume'> & { reload(): unknown };

/** What each signal means is PgBouncer's: scripts and service files rely on it. */
function listenToSignals(proxy: Served): void {
  const { log } = proxy;
  const leave = (signal: string, wait: ShutdownWait): void => {
    if (proxy.isClosing) {
      log.info(`got ${signal} while shutting down, fast exit`);
      process.exit(0);
    }
    const what = wait === 'clients' ? 'all clients disconnect' : 'all servers connections to be released';
    log.info(`got ${signal}, shutting down, waiting for ${what}`);
    void proxy.close({ wait });
  };
  process.on('SIGINT', () => leave('SIGINT', 'servers')).on('SIGTERM', () => leave('SIGTERM', 'clients'));
  process.on('SIGQUIT', () => {
    log.info('got SIGQUIT, fast exit');
    process.exit(0);
  });
  process.on('SIGHUP', () => {
    log.info('got SIGHUP, re-reading config');
    proxy.reload();
  });
  process.on('SIGUSR1', () => {
    log.info(proxy.isPaused ? 'got SIGUSR1, but already paused/suspended' : 'got SIGUSR1, pausing all activity');
    if (!proxy.isPaused) void proxy.pause();
  });
  process.on('SIGUSR2', () => {
    if (proxy.isClosing) {
      log.info('got SIGUSR2 while shutting down, ignoring');
      return;
    }
    log.info(proxy.isPaused ? 'got SIGUSR2, continuing from PAUSE' : 'got SIGUSR2, but not paused/suspended');
    if (proxy.isPaused) proxy.resume();
  });
}

/** Returns what writes the process's number into its file, which is there as long as the process is. Throws if another one is there. */
function leaveAtExit(pidfile: string): () => void {
  return () => {
    if (pidfile === '') return;
    if (existsSync(pidfile)) {
      const other = Number.parseInt(readFileSync(pidfile, 'utf8'), 10);
      if (isRunning(other)) throw new Error(`pidfile exists, another instance running? (${pidfile}: ${other})`);
    }
    writeFileSync(pidfile, `${process.pid}\n`);
    process.on('exit', () => rmSync(pidfile, { force: true }));
  };
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Root may open ports that others may not, and should not go on as root. */
function becomeUser(user: string): void {
  if (user === '' || process.getuid?.() !== 0) return;
  const group = primaryGroup(user);
  (process as unknown as { initgroups(user: string, group: number): void }).initgroups(user, group);
  process.setgid!(group);
  process.setuid!(user);
}

function primaryGroup(user: string): number {
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((each) => each.startsWith(`${user}:`));
  if (line === undefined) throw new Error(`user "${user}" does not exist`);
  return Number(line.split(':')[3]);
}

await main();
