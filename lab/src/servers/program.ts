// A server program run for tests: its own folder below the temporary one, its own free port. It can be killed, frozen, stopped and started
// again, and leaves nothing behind: `stop()` removes it, the end of this process does too, and if this process dies without a chance to
// clean up (SIGKILL), a small shell that waits for that to happen does it instead.
import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { startJanitor } from './janitor.ts';
import { signalTree } from './processes.ts';
import type { User } from './unprivileged.ts';

export interface ProgramServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  /** Undefined while the server is down. */
  readonly pid: number | undefined;
  /** What it has written to its log. */
  logs(): string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts a server that is down, on the same port. */
  start(): Promise<void>;
  /** Kills it and starts it again. */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

export interface Program {
  readonly name: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Who it runs as, and whose its files are; default: ourselves. */
  readonly user?: User | undefined;
  /** Whether it is up; default: once it takes connections. */
  readonly answers?: (port: number) => Promise<boolean>;
  /** Writes what the program reads, given the folder and the port; returns the command. It must stay in the foreground. */
  readonly prepare: (place: ProgramPlace) => { readonly command: string; readonly args: readonly string[] };
}

export interface ProgramPlace {
  readonly folder: string;
  readonly port: number;
  write(file: string, text: string): string;
}

const START_TIMEOUT_MS = 30_000;

/** Starts it and resolves when it takes connections. */
export async function startProgram(program: Program): Promise<ProgramServer> {
  for (let attempt = 1; ; attempt++) {
    const server = new PrivateServer(program, program.port ?? await freePort());
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      // Between asking for a free port and listening on it somebody else may have taken it.
      if (program.port !== undefined || attempt === 3 || !/bind|in use/i.test(String(error))) throw error;
    }
  }
}

/** Ends the server, if there still is one. */
const JANITOR = 'cat > /dev/null; kill -9 -"$1" 2> /dev/null; rm -rf "$2"';

class PrivateServer implements ProgramServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly folder: string;
  readonly #name: string;
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #user: User | undefined;
  readonly #answers: (port: number) => Promise<boolean>;
  #child: ChildProcess | undefined;
  #janitor: ChildProcess | undefined;
  #stopped = false;
  readonly #onExit = (): void => {
    if (this.pid !== undefined) signalTree(this.pid, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  };

  constructor({ name, prepare, user, answers = takesConnections }: Program, port: number) {
    this.#name = name;
    this.#user = user;
    this.#answers = answers;
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), `millpond-${name}-`));
    this.#give(this.folder);
    const { command, args } = prepare({ folder: this.folder, port, write: (file, text) => this.#write(file, text) });
    this.#command = command;
    this.#args = args;
    process.on('exit', this.#onExit);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  logs(): string {
    try {
      return readFileSync(join(this.folder, 'log'), 'utf8');
    } catch {
      return ''; // nothing written yet
    }
  }

  async start(): Promise<void> {
    if (this.#stopped) throw new Error('This server was stopped for good.');
    if (this.#child !== undefined) throw new Error('The server is running.');
    const child = spawn(this.#command, this.#args, {
      ...this.#user,
      cwd: this.folder,
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // Ctrl-C in a terminal is for us, and we stop the server
    });
    let said = '';
    child.stderr.on('data', (chunk) => { said = (said + String(chunk)).slice(-2_000); });
    (child.stderr as { unref?: () => void }).unref?.();
    child.on('error', (error) => { said += String(error); });
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    child.unref();
    this.#child = child;
    this.#janitor = startJanitor(JANITOR, String(child.pid), this.folder);
    const end = performance.now() + START_TIMEOUT_MS;
    const failed = (what: string): Error => new Error(`${this.#name} ${what}:\n${said}\n${this.logs().slice(-2_000)}`);
    while (!(await this.#answers(this.port))) {
      if (this.#child !== child || child.exitCode !== null) throw failed('did not start');
      if (performance.now() > end) throw failed(`was not ready within ${START_TIMEOUT_MS} ms`);
      await sleep(10);
    }
    if (this.#child !== child) throw failed('did not start'); // somebody else has answered
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.ref(); // nothing else may be there to wait for
    signalTree(child.pid, 'SIGKILL');
    await gone;
    this.#janitor?.kill('SIGKILL'); // the number of the process may be another's soon
    this.#janitor = undefined;
  }

  pause(): void {
    if (this.pid !== undefined) signalTree(this.pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.pid !== undefined) signalTree(this.pid, 'SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.kill();
    process.off('exit', this.#onExit);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #write(file: string, text: string): string {
    const path = join(this.folder, file);
    writeFileSync(path, text, { mode: 0o600 });
    this.#give(path);
    return path;
  }

  #give(path: string): void {
    if (this.#user !== undefined) chownSync(path, this.#user.uid, this.#user.gid);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
