// Connection attempts, counted where they happen: at the sockets, not by what the pool says of itself. An attempt begins with the
// socket's `connect` and ends when PostgreSQL says that it is ready for queries, or when the socket closes.
import { Socket } from 'node:net';

export interface AttemptMeter {
  /** The most at once since the last call, and how many are under way now counts as well. */
  takePeak(): number;
  readonly peak: number;
  readonly total: number;
  stop(): void;
}

/** ReadyForQuery, outside of a transaction: the last message of every successful start. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

type Connect = (this: Socket, ...args: unknown[]) => Socket;

/** Counts the attempts of this process to that port, until it is stopped. One at a time. */
export function countAttempts(port: number): AttemptMeter {
  const original = Socket.prototype.connect as Connect;
  let now = 0;
  let recent = 0;
  let peak = 0;
  let total = 0;
  const begin = (socket: Socket): void => {
    total += 1;
    now += 1;
    recent = Math.max(recent, now);
    peak = Math.max(peak, now);
    const end = (): void => {
      socket.off('data', onData);
      socket.off('close', end);
      now -= 1;
    };
    const onData = (chunk: Buffer): void => {
      if (chunk.subarray(-READY.length).equals(READY)) end();
    };
    socket.on('data', onData);
    socket.on('close', end);
  };
  Socket.prototype.connect = function connect(this: Socket, ...args: unknown[]): Socket {
    if (portOf(args) === port) begin(this);
    return original.apply(this, args);
  };
  return {
    takePeak: () => {
      const seen = recent;
      recent = now;
      return seen;
    },
    get peak() { return peak; },
    get total() { return total; },
    stop: () => { Socket.prototype.connect = original; },
  };
}

/** `connect(port, host)`, `connect({ port, host })`, or the normalized array that Node's own `net.connect` passes. */
function portOf([first]: readonly unknown[]): number | undefined {
  if (Array.isArray(first)) return portOf(first);
  if (typeof first === 'object' && first !== null && 'port' in first) return Number(first.port);
  return typeof first === 'number' || typeof first === 'string' ? Number(first) : undefined;
}
