// What an idle client costs a pooler in memory. The clients are sockets of this process that have logged in and say nothing.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryOf } from './cpu.ts';
import type { Target } from './loads.ts';

/** For everything else that a process has open. */
const SPARE = 200;
const AT_ONCE = 50;
const SETTLE_MS = 200;
const SETTLE_TIMES = 10;

/** As many as are asked for, or as many as this process may open. */
export function clientsThatFit(asked: number): number {
  try {
    const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    return Number.isFinite(limit) ? Math.min(asked, limit - SPARE) : asked;
  } catch {
    return Math.min(asked, 1_000); // another system, whose usual limits are small
  }
}

/** Bytes of the pooler per client. */
export async function idleBytes(target: Target & { readonly pid: number }, clients: number, signal: AbortSignal): Promise<number> {
  const sockets: Socket[] = [];
  try {
    // The first makes the pooler connect to the server, and whatever else is made only once.
    while (sockets.length < AT_ONCE) sockets.push(await logIn(target));
    const before = await settled(target.pid);
    while (sockets.length < AT_ONCE + clients) {
      signal.throwIfAborted();
      const count = Math.min(AT_ONCE, AT_ONCE + clients - sockets.length);
      sockets.push(...await Promise.all(Array.from({ length: count }, () => logIn(target))));
    }
    return (await settled(target.pid) - before) / clients;
  } finally {
    for (const socket of sockets) socket.resetAndDestroy();
  }
}

/** A client that needs no password, once the server says that it is ready. */
async function logIn({ host, port, user, database }: Target): Promise<Socket> {
  const socket = createConnection({ host, port });
  await once(socket, 'connect');
  const parameters = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + parameters.length, 0);
  head.writeInt32BE(196_608, 4);
  socket.write(Buffer.concat([head, parameters]));
  let seen: Buffer = Buffer.alloc(0);
  for (;;) {
    const [chunk] = await once(socket, 'data') as [Buffer];
    seen = Buffer.concat([seen, chunk]);
    if (seen[0] !== 0x52) throw new Error(`the pooler refused an idle client: ${seen.toString('latin1', 5, 200)}`);
    // ReadyForQuery is the last, and six bytes long.
    if (seen.length > 15 && seen[seen.length - 6] === 0x5a) return socket.on('error', () => undefined);
  }
}

/** When memory has stopped falling, as far as one can wait for that. */
async function settled(pid: number): Promise<number> {
  let least = Infinity;
  for (let times = 0; times < SETTLE_TIMES; times++) {
    await sleep(SETTLE_MS);
    least = Math.min(least, memoryOf(pid));
  }
  return least;
}
