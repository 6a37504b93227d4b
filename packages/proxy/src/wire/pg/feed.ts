// From a socket to whoever takes its bytes, by the shortest way. Node hands what it has read to `push` of the stream, which keeps accounts,
// emits `data`, and looks in the next tick whether there is more to read: a third of what it costs to relay a small message. While the
// stream flows and nothing is kept in it, `data` would be emitted with the same bytes at once, so they are given straight away. In all
// other cases (paused, the end, something kept from a pause) the stream does what it always does, and pauses have their usual meaning.

import type { Socket } from 'node:net';

/** `take` gets all that the socket reads from now on. */
export function feed(socket: Socket, take: (chunk: Buffer) => void): void {
  const { push } = socket;
  socket.on('data', take);
  socket.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
    if (chunk === null || socket.readableFlowing !== true || socket.readableLength > 0) return push.call(socket, chunk, encoding);
    take(chunk);
    return true;
  };
}
