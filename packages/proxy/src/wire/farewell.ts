// The end of a connection: what is left to be said is sent, and whoever does not take it keeps nothing here for it.

import type { Socket } from 'node:net';

/** How long the other end may take to read the last words. */
const PATIENCE_MS = 2_000;

export function farewell(socket: Socket, last?: Buffer): void {
  if (last !== undefined && socket.writable) socket.end(last);
  socket.destroySoon();
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
