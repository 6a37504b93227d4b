// A private Redis for tests and benchmarks: its own free port, its own folder below the temporary one, nothing written to disk. It can be
// killed, frozen, stopped and started again, and leaves nothing behind: `stop()` removes it, the end of this process does too, and if this
// process dies without a chance to clean up (SIGKILL), a small shell that waits for that to happen does it instead.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';

export interface RedisServerOptions {
  /** Lines of redis.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Default: a free one. */
  readonly port?: number;
}

export interface RedisServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Undefined while the server is down. */
  readonly pid: number | undefined;
  logs(): string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts a server that is down, on the same port; it has forgotten everything. */
  start(): Promise<void>;
  /** Kills it and starts it again. */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';
const START_TIMEOUT_MS = 30_000;

let version: string | undefined;

/** `7.0.15`, say; undefined: this machine has no Redis. */
export function redisVersion(): string | undefined {
  version ??= /v=(\d+\.\d+\.\d+)/.exec(spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
  return version;
}

/** Boots a server and resolves when it takes connections. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  if (redisVersion() === undefined) throw new Error(`${PROGRAM} is not installed on this machine.`);
  for (let attempt = 1; ; attempt++) {
    const server = new PrivateServer(options.port ?? await freePort(), options.settings ?? {});
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      // Between asking for a free port and listening on it somebody else may have taken it.
      if (options.port !== undefined || attempt === 3 || !/could not bind|Address already in use/i.test(String(error))) throw error;
    }
  }
}

/** Blocks until our end of its standard input is closed, by us or by our death; then ends the server, if there still is one. */
const JANITOR = 'cat > /dev/null; kill -9 "$1" 2> /dev/null; rm -rf "$2"';

class PrivateServer implements RedisServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'millpond-redis-'));
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;
  #janitor: ChildProcess | undefined;
  #stopped = false;
  readonly #onExit = (): void => {
    this.#child?.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  };

  constructor(port: number, settings: Readonly<Record<string, string | number>>) {
    this.port = port;
    this.url = `redis://${this.host}:${port}`;
    const all = {
      port, bind: this.host, dir: this.#folder, logfile: join(this.#folder, 'log'), save: '', appendonly: 'no', daemonize: 'no',
      databases: 16, 'repl-diskless-sync-delay': 0, ...settings,
    };
    this.#arguments = Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)]);
    process.on('exit', this.#onExit);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  logs(): string {
    try {
      return readFileSync(join(this.#folder, 'log'), 'utf8');
    } catch {
      return ''; // nothing written yet
    }
  }

  async start(): Promise<void> {
    if (this.#stopped) throw new Error('This server was stopped for good.');
    if (this.#child !== undefined) throw new Error('The server is running.');
    const child = spawn(PROGRAM, this.#arguments, {
      cwd: this.#folder, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' }, stdio: 'ignore', detached: true,
    });
    child.on('error', () => undefined); // told below, as a server that is not there
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    child.unref();
    this.#child = child;
    this.#guard(child);
    const end = performance.now() + START_TIMEOUT_MS;
    while (!(await answers(this.port))) {
      if (this.#child !== child) throw new Error(`Redis did not start:\n${this.logs().slice(-2_000)}`);
      if (performance.now() > end) throw new Error(`Redis was not ready within ${START_TIMEOUT_MS} ms:\n${this.logs().slice(-2_000)}`);
      await sleep(10);
    }
    if (this.#child !== child) throw new Error(`Redis did not start:\n${this.logs().slice(-2_000)}`); // somebody else has answered
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.ref(); // nothing else may be there to wait for
    child.kill('SIGKILL');
    await gone;
    this.#janitor?.kill('SIGKILL'); // the number of the process may be another's soon
    this.#janitor = undefined;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.kill();
    process.off('exit', this.#onExit);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #guard(child: ChildProcess): void {
    if (child.pid === undefined) return;
    const janitor = spawn('/bin/sh', ['-c', JANITOR, 'janitor', String(child.pid), this.#folder], {
      cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'],
    });
    janitor.on('error', () => undefined); // without a shell the exit hook alone has to do
    janitor.stdin?.on('error', () => undefined);
    janitor.unref();
    (janitor.stdin as (NodeJS.WritableStream & { unref?(): void }) | null)?.unref?.();
    this.#janitor = janitor;
  }
}

/** Does a server say +PONG, or that it wants a password, or that it is loading? Then it is up. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const settle = (up: boolean): void => {
      socket.destroy();
      resolve(up);
    };
    socket.once('data', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.setTimeout(1_000, () => settle(false));
  });
}
