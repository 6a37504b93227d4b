// A server of ours in a process of its own, so that its CPU is not the client's, and so that it can be killed. It ends with this process.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Order } from './served.ts';

export interface NodeServer {
  readonly port: number;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  signal(name: NodeJS.Signals): void;
  /** Ends it at once, as a crash would. Idempotent. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('./served.js', import.meta.url));

export async function startNodeServer(order: Omit<Order, 'port'>): Promise<NodeServer> {
  let child: ChildProcess | undefined;
  let port = 0;
  const start = async (): Promise<void> => {
    const started = fork(PROGRAM, ['serve'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
    child = started;
    started.send({ ...order, port } satisfies Order);
    const ended = new AbortController();
    started.once('exit', () => {
      if (child === started) child = undefined;
      ended.abort();
    });
    [port] = await once(started, 'message', { signal: ended.signal }) as [number];
  };
  await start();
  return {
    get port() { return port; },
    get pid() { return child?.pid; },
    signal: (name) => { child?.kill(name); },
    async kill() {
      const running = child;
      if (running === undefined) return;
      const gone = once(running, 'exit');
      running.kill('SIGKILL');
      await gone;
    },
    start,
  };
}
