// A private MariaDB server for tests: its own folder below the temporary one, its own free port and socket, its own passwords; nothing of
// the machine's servers is touched. It can be killed, frozen, stopped and started again, and leaves nothing behind, also when this process
// dies without a chance to clean up (a small shell waits for that). The programs are the machine's (`apt-get install mariadb-server`).
import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync, closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { startJanitor } from './janitor.ts';
import { isAlive } from './processes.ts';
import { unprivilegedUser, type User } from './unprivileged.ts';

export interface MariadbServerOptions {
  /** Options of mariadbd, over the defaults (which trade durability for speed). `true`: without a value. */
  readonly settings?: Readonly<Record<string, string | number | true>>;
  /** Certificate and key in PEM: switches TLS on. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Default: a free one. */
  readonly port?: number;
}

export interface MariadbServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Owns the database `database` and nothing else: no SUPER, so that `read_only` holds for it. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Of that user. */
  readonly url: string;
  /** Password of `root`, who may do everything. */
  readonly rootPassword: string;
  readonly socketPath: string;
  /** Undefined while the server is down. */
  readonly pid: number | undefined;
  /** What the server wrote to its log so far. */
  logs(): string;
  /** Sends a signal. After SIGKILL the promise resolves when the server is gone; its data stays. SIGSTOP freezes, SIGCONT thaws. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts a server that is down, on the same port with the same data; resolves when it takes connections. */
  start(): Promise<void>;
  /** Shuts down in order (SIGTERM), or with the given signal, and starts again. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

interface Programs {
  readonly server: string;
  readonly install: string;
}

/** Where the distributions put what only the system is to run. */
const FOLDERS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin', '/usr/libexec'];

function programs(): Programs | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...FOLDERS];
  const find = (name: string): string | undefined => folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  const server = find('mariadbd');
  const install = find('mariadb-install-db');
  return server === undefined || install === undefined ? undefined : { server, install };
}

/** Whether this machine has it. */
export function hasMariadb(): boolean {
  return programs() !== undefined;
}

/** Boots a server and resolves when it takes connections. */
export async function startMariadb(options: MariadbServerOptions = {}): Promise<MariadbServer> {
  const found = programs();
  if (found === undefined) throw new Error('MariaDB (mariadbd and mariadb-install-db) is not installed on this machine.');
  const owner = unprivilegedUser();
  const folder = mkdtempSync(join(tmpdir(), 'millpond-mariadb-'));
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  const place: Place = {
    programs: found, owner, folder, options, password: randomBytes(12).toString('hex'), rootPassword: randomBytes(12).toString('hex'),
  };
  try {
    await initialize(place);
    for (let attempt = 1; ; attempt++) {
      const server = new PrivateServer(place, options.port ?? (await freePort()));
      try {
        await server.start();
        return server;
      } catch (error) {
        // Between asking for a free port and listening on it somebody else may have taken it.
        if (options.port !== undefined || attempt === 3 || !/Address already in use/.test(String(error))) throw error;
      }
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Place {
  readonly programs: Programs;
  readonly owner: User | undefined;
  readonly folder: string;
  readonly options: MariadbServerOptions;
  readonly password: string;
  readonly rootPassword: string;
}

// ---------------------------------------------------------------------------------------------------------------------- initialize

const USER = 'app';
const DATABASE = 'millpond';
/** Without an ending of its own it would be given one. */
const LOG = 'log.err';

/** Fast and small: what was committed is safe from the death of the process, not from that of the machine. */
const SETTINGS: Readonly<Record<string, string | number | true>> = {
  'innodb-flush-log-at-trx-commit': 2,
  'innodb-buffer-pool-size': '16M',
  'innodb-log-file-size': '8M',
  'innodb-use-native-aio': 0,
  'innodb-lock-wait-timeout': 5,
  'key-buffer-size': '1M',
  'aria-pagecache-buffer-size': '8M',
  'max-connections': 100,
  'bind-address': '127.0.0.1',
  'character-set-server': 'utf8mb4',
  'skip-name-resolve': true,
};

async function initialize(place: Place): Promise<void> {
  const { options, password, rootPassword } = place;
  await fillData(place);
  // Runs at each start, before anybody is let in.
  write(place, 'init.sql', [
    `ALTER USER root@localhost IDENTIFIED BY '${rootPassword}';`,
    `CREATE USER IF NOT EXISTS root@'127.0.0.1';`,
    `ALTER USER root@'127.0.0.1' IDENTIFIED BY '${rootPassword}';`,
    `CREATE DATABASE IF NOT EXISTS ${DATABASE};`,
    `CREATE USER IF NOT EXISTS ${USER}@'%' IDENTIFIED BY '${password}';`,
    `GRANT ALL ON ${DATABASE}.* TO ${USER}@'%';`,
  ].join('\n'));
  if (options.tls !== undefined) {
    write(place, 'server.crt', options.tls.cert);
    write(place, 'server.key', options.tls.key);
  }
}

/**
 * Making a data folder takes seconds, copying one does not; so the first is kept for the others. Its name appears only when it is whole,
 * and says which programs made it.
 */
async function fillData(place: Place): Promise<void> {
  const data = join(place.folder, 'data');
  const { size, mtimeMs } = statSync(place.programs.server);
  const template = join(tmpdir(), `mariadb-data-${size}-${Math.round(mtimeMs)}-${process.getuid?.() ?? 0}`);
  if (!existsSync(template) || statSync(template).uid !== (process.getuid?.() ?? 0)) {
    mkdirSync(data);
    own(place, data);
    await install(place, data);
    const draft = mkdtempSync(join(tmpdir(), 'mariadb-data-'));
    try {
      cpSync(data, draft, { recursive: true });
      renameSync(draft, template);
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      if (!existsSync(template)) throw error; // else another process was faster
    }
    return;
  }
  cpSync(template, data, { recursive: true });
  for (const path of ['', ...readdirSync(data, { recursive: true, encoding: 'utf8' })]) own(place, join(data, path));
}

function install(place: Place, data: string): Promise<void> {
  const args = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve',
    '--innodb-log-file-size=8M'];
  return new Promise((resolve, reject) => {
    execFile(place.programs.install, args, { ...spawnOptions(place), timeout: 120_000 }, (error, stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`mariadb-install-db failed: ${stderr.trim() || stdout.trim() || error.message}`, { cause: error }));
    });
  });
}

function own({ owner }: Place, path: string): void {
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}

function argumentsOf({ folder, options }: Place, port: number): string[] {
  const settings: Record<string, string | number | true> = {
    ...SETTINGS, datadir: join(folder, 'data'), socket: join(folder, 'socket'), port, 'pid-file': join(folder, 'pid'),
    'log-error': join(folder, LOG), 'init-file': join(folder, 'init.sql'),
  };
  if (options.tls !== undefined) {
    settings['ssl-cert'] = join(folder, 'server.crt');
    settings['ssl-key'] = join(folder, 'server.key');
  }
  Object.assign(settings, options.settings);
  return ['--no-defaults', ...Object.entries(settings).map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`))];
}

function write(place: Place, name: string, text: string): void {
  const path = join(place.folder, name);
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  own(place, path);
}

/** No locale of ours may reach the server; its working folder is one that its user may enter. */
function spawnOptions({ owner, folder }: Place): SpawnOptions {
  return { ...owner, cwd: folder, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } };
}

// -------------------------------------------------------------------------------------------------------------------------- server

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

class PrivateServer implements MariadbServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly user = USER;
  readonly password: string;
  readonly database = DATABASE;
  readonly url: string;
  readonly rootPassword: string;
  readonly socketPath: string;
  readonly #place: Place;
  #process: ChildProcess | undefined;
  #janitor: ChildProcess | undefined;
  #stopped: Promise<void> | undefined;
  readonly #onExit = (): void => this.#removeNow();

  constructor(place: Place, port: number) {
    this.#place = place;
    this.port = port;
    this.password = place.password;
    this.rootPassword = place.rootPassword;
    this.socketPath = join(place.folder, 'socket');
    this.url = `mysql://${USER}:${place.password}@${this.host}:${port}/${DATABASE}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  logs(): string {
    const path = join(this.#place.folder, LOG);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  async start(): Promise<void> {
    if (this.#stopped !== undefined) throw new Error('This server was stopped for good: its data is gone.');
    if (this.#process !== undefined) throw new Error('The server is running.');
    const before = this.logs().length;
    const said = openSync(join(this.#place.folder, 'output'), 'a', 0o600);
    try {
      const child = spawn(this.#place.programs.server, argumentsOf(this.#place, this.port), {
        ...spawnOptions(this.#place),
        detached: true, // Ctrl-C in a terminal is for us, and we stop the server
        stdio: ['ignore', said, said],
      });
      child.once('exit', () => {
        if (this.#process === child) this.#process = undefined;
      });
      child.on('error', () => undefined); // reported by `ready`, as a server that is not there
      child.unref();
      this.#process = child;
    } finally {
      closeSync(said);
    }
    this.#guard();
    await this.#ready(before);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const { pid } = this;
    if (pid === undefined) throw new Error('The server is down.');
    process.kill(pid, signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await this.#gone(pid);
  }

  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.pid !== undefined) await this.kill(signal);
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
    const { pid } = this;
    if (pid !== undefined) {
      process.kill(pid, 'SIGKILL'); // its data goes with it
      await this.#gone(pid);
    }
    process.off('exit', this.#onExit);
    rmSync(this.#place.folder, { recursive: true, force: true });
    this.#janitor?.stdin?.destroy(); // finds nothing left to do
  }

  async #gone(pid: number): Promise<void> {
    for (let waited = 0; this.pid === pid || isAlive(pid); waited += 10) {
      if (waited === STOP_TIMEOUT_MS) process.kill(pid, 'SIGKILL');
      await sleep(10);
    }
  }

  async #ready(logStart: number): Promise<void> {
    const { pid } = this;
    const end = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < end) {
      const log = this.logs().slice(logStart);
      if (log.includes('ready for connections')) return;
      if (pid === undefined || this.pid !== pid) throw new Error(`MariaDB did not start:\n${log.trim()}`);
      await sleep(10);
    }
    throw new Error(`MariaDB was not ready within ${START_TIMEOUT_MS} ms:\n${this.logs().slice(logStart).trim()}`);
  }

  // ------------------------------------------------------------------------------------------------------------------- cleaning up

  /** Sees to it that the server ends with this process: by the exit hook, or by a shell that outlives us if there is no exit. */
  #guard(): void {
    if (this.#janitor !== undefined) return;
    process.on('exit', this.#onExit);
    this.#janitor = startJanitor(JANITOR, this.#place.folder);
  }

  /** For the exit hook: nothing asynchronous runs any more. */
  #removeNow(): void {
    const { pid } = this;
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(this.#place.folder, { recursive: true, force: true });
  }
}

/** Ends the server, if there still is one. */
const JANITOR = `
cat > /dev/null
[ -d "$1" ] || exit 0
pid=$(cat "$1/pid" 2> /dev/null)
[ -n "$pid" ] && kill -KILL "$pid"
sleep 0.2
rm -rf -- "$1"
`;
