// A private PostgreSQL server for demos and tests: its own folder below the temporary one, its own free port, its own password; nothing
// of the machine's servers is touched. It can be killed, frozen, stopped and started again. It leaves nothing behind: `stop()` removes
// it, the end of this process does too, and if this process dies without a chance to clean up (SIGKILL), a small shell that waits
// for that to happen does it instead.
import { execFile, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { startJanitor } from './janitor.ts';
import { postgresBinaries, type PostgresBinaries, type PostgresVersion } from './binaries.ts';
import { isAlive, signalTree } from './processes.ts';
import { unprivilegedUser, type User } from './unprivileged.ts';

export type { PostgresVersion } from './binaries.ts';

export interface PostgresServerOptions {
  /** 18 comes from npm and is always there; 15 only where the machine has it (see `hasPostgres`). Default 18. */
  readonly version?: PostgresVersion;
  /** Lines of postgresql.conf, over the defaults (which trade durability for speed: fsync is off). */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** The whole of pg_hba.conf. Default: scram-sha-256 for everyone, over TCP and over the Unix socket. */
  readonly hba?: readonly string[];
  /** Certificate and key in PEM: switches TLS on. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The superuser's password. Default: random. */
  readonly password?: string;
  /** Default: a free one. */
  readonly port?: number;
}

export interface PostgresServer extends AsyncDisposable {
  readonly version: PostgresVersion;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly connectionString: string;
  /** The folder of the server's Unix socket: usable as `host`. */
  readonly socketFolder: string;
  /** The postmaster's process id; undefined while the server is down. */
  readonly pid: number | undefined;
  /** What the server wrote to its log so far. */
  logs(): string;
  /**
   * Sends a signal to the postmaster and all its backends. After SIGKILL the promise resolves when all are gone: the server is down, its
   * data is still there, and `start()` recovers it as after a crash. SIGSTOP freezes it, SIGCONT wakes it up.
   */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts a server that is down, on the same port with the same data; resolves when it takes connections. */
  start(): Promise<void>;
  /** Shuts down (SIGINT: sessions are cut), or kills with the given signal, and starts again. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

/** Whether this machine has that version. */
export function hasPostgres(version: PostgresVersion): boolean {
  return postgresBinaries(version) !== undefined;
}

/** Boots a server and resolves when it takes connections. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const version = options.version ?? 18;
  const binaries = postgresBinaries(version);
  if (binaries === undefined) throw new Error(`PostgreSQL ${version} is not installed on this machine.`);
  const user = unprivilegedUser();
  const folder = mkdtempSync(join(tmpdir(), 'millpond-pg-'));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const password = options.password ?? randomBytes(12).toString('hex');
  try {
    await initialize({ binaries, user, folder, password, version, options });
    for (let attempt = 1; ; attempt++) {
      const server = new PrivateServer({ binaries, user, folder, password, version, port: options.port ?? (await freePort()) });
      try {
        await server.start();
        return server;
      } catch (error) {
        // Between asking for a free port and listening on it somebody else may have taken it.
        if (options.port !== undefined || attempt === 3 || !/could not (bind|create any TCP)/.test(String(error))) throw error;
      }
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Place {
  readonly binaries: PostgresBinaries;
  readonly user: User | undefined;
  readonly folder: string;
  readonly password: string;
  readonly version: PostgresVersion;
}

// ---------------------------------------------------------------------------------------------------------------------- initialize

/**
 * Fast and small, and safe from the death of the processes, not from that of the machine: what was committed has been written, if only to
 * the kernel's cache. (With synchronous_commit off it would still be in the server's memory, and a kill would lose it.)
 */
const SETTINGS: Readonly<Record<string, string | number | boolean>> = {
  fsync: false,
  full_page_writes: false,
  wal_level: 'minimal',
  max_wal_senders: 0,
  shared_buffers: '32MB',
  max_connections: 100,
  superuser_reserved_connections: 0,
  // In the data folder instead of /dev/shm, where a killed server would leave its segments behind.
  dynamic_shared_memory_type: 'mmap',
  listen_addresses: '127.0.0.1',
  log_line_prefix: '%m [%p] ',
  timezone: 'UTC',
  jit: false,
};

const HBA = ['local all all scram-sha-256', 'host all all 127.0.0.1/32 scram-sha-256'];

async function initialize(place: Place & { options: PostgresServerOptions }): Promise<void> {
  const { folder, version, options } = place;
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  write(place, passwordFile, place.password);
  await run(place, place.binaries.initdb, [
    '--pgdata', data, '--username', 'postgres', '--pwfile', passwordFile, '--auth', 'scram-sha-256',
    '--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions',
  ]);
  rmSync(passwordFile);
  const settings: Record<string, string | number | boolean> = { ...SETTINGS, unix_socket_directories: folder };
  if (version >= 18) settings['io_method'] = 'sync'; // saves three processes
  if (options.tls !== undefined) {
    write(place, join(data, 'server.crt'), options.tls.cert);
    write(place, join(data, 'server.key'), options.tls.key);
    settings['ssl'] = true;
  }
  Object.assign(settings, options.settings);
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${setting(value)}'`);
  write(place, join(data, 'postgresql.conf'), `${lines.join('\n')}\n`);
  write(place, join(data, 'pg_hba.conf'), `${(options.hba ?? HBA).join('\n')}\n`);
}

function setting(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value).replaceAll("'", "''");
}

function write(place: Place, path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (place.user !== undefined) chownSync(path, place.user.uid, place.user.gid);
}

function run(place: Place, program: string, args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { ...spawnOptions(place), timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`${program} failed: ${stderr.trim() || stdout.trim() || error.message}`, { cause: error }));
    });
  });
}

/** No locale or PG* variable of ours may reach the server; its working folder is one that its user may enter. */
function spawnOptions(place: Place): SpawnOptions {
  return { ...place.user, cwd: place.folder, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } };
}

// -------------------------------------------------------------------------------------------------------------------------- server

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

class PrivateServer implements PostgresServer {
  readonly version: PostgresVersion;
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly user = 'postgres';
  readonly password: string;
  readonly database = 'postgres';
  readonly connectionString: string;
  readonly socketFolder: string;
  readonly #place: Place;
  #postmaster: ChildProcess | undefined;
  #janitor: ChildProcess | undefined;
  #stopped: Promise<void> | undefined;
  readonly #onExit = (): void => this.#removeNow();

  constructor(place: Place & { port: number }) {
    this.version = place.version;
    this.port = place.port;
    this.password = place.password;
    this.socketFolder = place.folder;
    this.connectionString = `postgres://${this.user}:${place.password}@${this.host}:${place.port}/${this.database}`;
    this.#place = place;
  }

  get pid(): number | undefined {
    return this.#postmaster?.pid;
  }

  logs(): string {
    const path = join(this.#place.folder, 'log');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  async start(): Promise<void> {
    if (this.#stopped !== undefined) throw new Error('This server was stopped for good: its data is gone.');
    if (this.#postmaster !== undefined) throw new Error('The server is running.');
    const { folder, binaries } = this.#place;
    const log = openSync(join(folder, 'log'), 'a', 0o600);
    const before = this.logs().length;
    try {
      const child = spawn(binaries.postgres, ['-D', join(folder, 'data'), '-p', String(this.port)], {
        ...spawnOptions(this.#place),
        detached: true, // Ctrl-C in a terminal is for us, and we stop the server
        stdio: ['ignore', log, log],
      });
      child.once('exit', () => {
        if (this.#postmaster === child) this.#postmaster = undefined;
      });
      child.on('error', () => undefined); // reported by `ready`, as a server that is not there
      child.unref();
      this.#postmaster = child;
    } finally {
      closeSync(log);
    }
    this.#guard();
    await this.#ready(before);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const pid = this.pid;
    if (pid === undefined) throw new Error('The server is down.');
    signalTree(pid, signal);
    if (signal === 'SIGKILL' || signal === 'SIGQUIT' || signal === 'SIGINT') await this.#gone(pid);
  }

  async restart(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const pid = this.pid;
    if (pid !== undefined) {
      if (signal === 'SIGKILL') signalTree(pid, signal);
      else process.kill(pid, signal);
      await this.#gone(pid);
    }
    await this.start();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    const pid = this.pid;
    if (pid !== undefined) {
      process.kill(pid, 'SIGQUIT');
      signalTree(pid, 'SIGCONT'); // it may be frozen; the quit is the first thing it then sees
      await this.#gone(pid);
    }
    process.off('exit', this.#onExit);
    this.#remove();
    this.#janitor?.stdin?.destroy(); // finds nothing left to do
  }

  /** Waits until the postmaster and its children are gone; what is left after a while is killed. */
  async #gone(pid: number): Promise<void> {
    for (let waited = 0; this.pid === pid || isAlive(pid); waited += 10) {
      if (waited === STOP_TIMEOUT_MS) signalTree(pid, 'SIGKILL');
      await sleep(10);
    }
  }

  /** PostgreSQL writes "ready" into its pid file when it takes connections: that needs no connection to find out. */
  async #ready(logStart: number): Promise<void> {
    const pid = this.pid;
    const end = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < end) {
      const lines = this.#pidFile();
      if (lines[0] === String(pid) && lines[7]?.trim() === 'ready') return;
      if (pid === undefined || this.pid !== pid) {
        throw new Error(`PostgreSQL ${this.version} did not start:\n${this.logs().slice(logStart).trim()}`);
      }
      await sleep(10);
    }
    throw new Error(`PostgreSQL ${this.version} was not ready within ${START_TIMEOUT_MS} ms:\n${this.logs().slice(logStart).trim()}`);
  }

  #pidFile(): string[] {
    try {
      return readFileSync(join(this.#place.folder, 'data', 'postmaster.pid'), 'utf8').split('\n');
    } catch {
      return []; // not written yet
    }
  }

  // ------------------------------------------------------------------------------------------------------------------- cleaning up

  /** Sees to it that the server ends with this process: by the exit hook, or by a shell that outlives us if there is no exit. */
  #guard(): void {
    if (this.#janitor !== undefined) return;
    process.on('exit', this.#onExit);
    this.#janitor = startJanitor(JANITOR, this.#place.folder);
  }

  /** For the exit hook: nothing asynchronous runs any more, so it waits by sleeping. */
  #removeNow(): void {
    const pid = this.pid;
    if (pid !== undefined && isAlive(pid)) {
      process.kill(pid, 'SIGQUIT');
      signalTree(pid, 'SIGCONT');
      const pause = new Int32Array(new SharedArrayBuffer(4));
      for (let waited = 0; waited < 2_000 && isAlive(pid); waited += 10) Atomics.wait(pause, 0, 0, 10);
      if (isAlive(pid)) signalTree(pid, 'SIGKILL');
    }
    this.#remove();
  }

  #remove(): void {
    // After a kill the server could not remove its (tiny) System V segment, and the system keeps those for ever.
    const segment = this.#pidFile()[6]?.trim().split(/\s+/)[1];
    if (segment !== undefined && this.pid === undefined) spawnSync('ipcrm', ['-m', segment], { stdio: 'ignore' });
    rmSync(this.#place.folder, { recursive: true, force: true });
  }
}

/** Ends the server, if there still is one. */
const JANITOR = `
cat > /dev/null
[ -d "$1" ] || exit 0
pid=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid"; kill -CONT "$pid"
  n=0; while kill -0 "$pid" && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
  kill -KILL "$pid"
fi
rm -rf -- "$1"
`;
