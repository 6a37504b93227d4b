// Makes a socket that comes back as good as new, or says that it is not. Nothing is sent: what a borrower left in the middle of an exchange
// cannot be undone by whoever does not know the protocol.

import type { Socket } from 'node:net';
import type { TcpSession } from './session.ts';

export interface SocketSettings {
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelayMs: number;
  readonly noDelay: boolean;
}

/** Throws, or rejects, when it must not be used again. */
export function resetSocket(session: TcpSession, settings: SocketSettings): Promise<void> | void {
  const { socket } = session;
  if (socket.readableFlowing !== false) {
    tidyUp(session, settings);
    return undefined;
  }
  // Only a tick after the last listener for 'readable' has gone does Node take note of it, and sets a socket flowing that was made to go on
  // reading before.
  socket.removeAllListeners('readable');
  return new Promise<void>((resolve) => process.nextTick(resolve)).then(() => tidyUp(session, settings));
}

function tidyUp(session: TcpSession, settings: SocketSettings): void {
  const { socket, listeners } = session;
  if (session.lost) throw session.cause;
  if (!session.usable) throw new Error('it was given back after its end had been written');
  if (socket.writableLength > 0) throw new Error(`it was given back with ${socket.writableLength} bytes still to be written`);
  if (socket.readableLength > 0) throw new Error(`it was given back with ${socket.readableLength} bytes that nobody had read`);
  if (socket.readableEncoding !== session.encoding) throw new Error('its encoding was changed, which cannot be undone');
  // Whoever pipes into it does not stop because his listeners are gone.
  if (socket.listenerCount('unpipe') > (listeners?.count('unpipe') ?? 0)) throw new Error('it was given back with a stream piped into it');
  for (let corked = socket.writableCorked; corked > 0; corked--) socket.uncork();
  socket.unpipe();
  listeners?.restore();
  if (socket.timeout) socket.setTimeout(0);
  applySettings(socket, settings);
  stopReading(socket);
  session.rest();
}

/** Node remembers what is set and asks the system only for a change. On a Unix socket it means nothing. */
export function applySettings(socket: Socket, { keepAlive, keepAliveInitialDelayMs, noDelay }: SocketSettings): void {
  socket.setNoDelay(noDelay);
  socket.setKeepAlive(keepAlive, keepAliveInitialDelayMs);
}

/**
 * Back to how a new socket is: neither flowing nor paused, so that a 'data' listener starts it, and what comes before there is one waits.
 * With `flowing` left on, an answer that comes before its listener would vanish; paused, it would never come.
 */
export function stopReading(socket: Socket): void {
  if (socket.readableFlowing === null && !socket.isPaused()) return;
  socket.resume(); // starts the reading of the handle again, in case it was stopped
  (socket as { readableFlowing: boolean | null }).readableFlowing = null;
}
