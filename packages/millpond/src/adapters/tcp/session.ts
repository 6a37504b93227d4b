// What the pool keeps with each socket: whether it is lost, and whether it rests. A socket rests from when it is given back (or new) until
// somebody writes to it; being lent is not enough, because an answer that is late for the one before comes just then.
//
// Two of Node's seams carry it, and leave the socket as it is for whoever uses it: no listener that a borrower's would run beside, and no
// flowing, so that an answer waits in the socket until somebody reads.
// - What comes in passes `socket.push`, in whatever mode the stream is. Whatever comes while it rests is for nobody, and its end means that
//   the other side has closed.
// - What goes out passes `socket.write` or `socket.end`. There a socket begins to count as a reason for the process to go on.

import type { Socket } from 'node:net';
import { UnexpectedDataError } from './errors.ts';
import type { KeptListeners } from '../common/listeners.ts';

/** What sessions of one factory share. */
export interface SessionOwner {
  /** For errors. */
  pool: string;
  /** A session came to rest: it need not keep the process alive. */
  rests(session: TcpSession): void;
}

/** Under this name a socket carries its session; not enumerable, so that it is not in anybody's log. */
const KEY = Symbol('millpond.tcp.session');

export class TcpSession {
  readonly socket: Socket;
  readonly owner: SessionOwner;
  lost = false;
  cause: unknown = undefined;
  /** Told once, when the connection is lost. */
  readonly lossListeners: Set<(cause: unknown) => void> = new Set();
  private resting = false;
  /** Is it a reason for the process to go on? */
  private referenced = true;
  /** What is to stay over all leases. */
  listeners: KeptListeners | undefined = undefined;
  encoding: BufferEncoding | null = null;

  constructor(socket: Socket, owner: SessionOwner) {
    this.socket = socket;
    this.owner = owner;
    Object.defineProperty(socket, KEY, { value: this });
    // From here to the end of its life a socket has somebody who listens to its errors; without one Node would end the process.
    socket.on('error', (error) => this.lose(error));
    socket.on('close', () => this.lose(new Error('the connection was closed')));
    this.tapIn();
    this.tapOut();
  }

  /** Can it be used, as far as is known without asking the other end? */
  get usable(): boolean {
    const { socket } = this;
    return !this.lost && socket.readyState === 'open' && socket.errored === null;
  }

  lose(cause: unknown): void {
    if (this.lost) return;
    this.lost = true;
    this.cause = cause;
    for (const listener of [...this.lossListeners]) listener(cause);
  }

  rest(): void {
    this.resting = true;
    // Whatever a borrower has said about it.
    if (this.referenced) {
      this.socket.ref();
      this.owner.rests(this);
    } else {
      this.socket.unref();
    }
  }

  /** What comes from here on is not for the session to judge. */
  wake(): void {
    this.resting = false;
    if (this.referenced) return;
    this.referenced = true;
    this.socket.ref();
  }

  unreference(): void {
    if (!this.resting || !this.referenced) return;
    this.referenced = false;
    this.socket.unref();
  }

  private tapIn(): void {
    const { socket } = this;
    const push = socket.push;
    define(socket, 'push', (chunk: Uint8Array | null, encoding?: BufferEncoding): boolean => {
      if (chunk === null) this.lose(new Error('the other end closed the connection'));
      else if (this.resting) this.lose(new UnexpectedDataError(this.owner.pool, chunk.length));
      else return push.call(socket, chunk, encoding);
      // An end in the middle of somebody's use is his to see, behind what came before it.
      if (!this.resting) return push.call(socket, chunk, encoding);
      socket.destroy(chunk === null ? undefined : this.cause as Error);
      return false;
    });
  }

  private tapOut(): void {
    const { socket } = this;
    for (const name of ['write', 'end'] as const) {
      const original = socket[name] as (...args: unknown[]) => unknown;
      define(socket, name, (...args: unknown[]): unknown => {
        this.wake();
        return original.apply(socket, args);
      });
    }
  }
}

/** Undefined: no socket of this adapter. */
export function sessionOf(socket: Socket): TcpSession | undefined {
  return (socket as { readonly [KEY]?: TcpSession })[KEY];
}

function define(socket: Socket, name: string, value: unknown): void {
  Object.defineProperty(socket, name, { value, configurable: true, writable: true });
}
