// A private Redis for tests and benchmarks: nothing is written to disk. What it does otherwise: see program.ts.
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startProgram, type ProgramServer } from './program.ts';

export interface RedisServerOptions {
  /** Lines of redis.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Default: a free one. */
  readonly port?: number;
}

/** One that is started again has forgotten everything. */
export interface RedisServer extends ProgramServer {
  readonly url: string;
}

const PROGRAM = 'redis-server';

let version: string | undefined;

/** `7.0.15`, say; undefined: this machine has no Redis. */
export function redisVersion(): string | undefined {
  version ??= /v=(\d+\.\d+\.\d+)/.exec(spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
  return version;
}

/** Boots a server and resolves when it takes connections. */
export async function startRedis({ settings = {}, port }: RedisServerOptions = {}): Promise<RedisServer> {
  if (redisVersion() === undefined) throw new Error(`${PROGRAM} is not installed on this machine.`);
  const server = await startProgram({
    name: 'redis',
    ...(port === undefined ? {} : { port }),
    answers,
    prepare(place) {
      const all = {
        port: place.port, bind: '127.0.0.1', dir: place.folder, logfile: join(place.folder, 'log'), save: '', appendonly: 'no',
        daemonize: 'no', databases: 16, 'repl-diskless-sync-delay': 0, ...settings,
      };
      return { command: PROGRAM, args: Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)]) };
    },
  });
  return Object.assign(server, { url: `redis://${server.host}:${server.port}` });
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
