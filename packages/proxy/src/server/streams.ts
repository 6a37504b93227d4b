// Connections that somebody else opens: to a database in this process, through a tunnel. They need not be sockets; what a socket has more
// is put on.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Opens a connection: a stream of bytes that speaks PostgreSQL's protocol. Also called for each cancel. The signal aborts when nobody waits
 * for it any more.
 */
export type Connect = (signal: AbortSignal) => Duplex | Promise<Duplex>;

/** Rejects as the function does, or when the signal aborts before. */
export async function dialBy(connect: Connect, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  let late = false;
  const opening = Promise.resolve(connect(signal));
  // What comes when nobody waits any more is of no use.
  void opening.then((stream) => { if (late) stream.destroy(); }, () => undefined);
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      late = true;
      reject(signal.reason instanceof Error ? signal.reason : new Error('given up'));
    };
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return asSocket(await Promise.race([opening, aborted]));
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function asSocket(stream: Duplex): Socket {
  if (stream instanceof Socket) return stream;
  // Whoever has ended has nothing to hear any more.
  stream.once('end', () => stream.destroy());
  const socket = stream as Socket;
  const same = (): Socket => socket;
  const put = (name: string, value: unknown): void => {
    if (!(name in stream)) Object.defineProperty(stream, name, { value, configurable: true });
  };
  put('setNoDelay', same);
  put('setKeepAlive', same);
  put('destroySoon', () => {
    if (stream.writableFinished) stream.destroy();
    else stream.once('finish', () => stream.destroy()).end();
  });
  return socket;
}
