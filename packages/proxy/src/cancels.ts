// Cancel requests: by the key that a client was given, to the server connection that works for it, and to nobody else. Where several
// proxies stand behind one address, the key says whose client it is, and the request is handed on.

import { randomBytes } from 'node:crypto';
import type { PeerConfig } from './config/config.ts';
import type { Log } from './log.ts';
import type { ServerConnection } from './server/connection.ts';
import { dial, type Address } from './server/login.ts';
import { cancelRequest } from './wire/pg/write.ts';

const KEY_LENGTH = 8;
/** How often a request may be handed on, in the last bits of a key: two proxies that disagree must not play ball with it. */
const HOPS = 0x03;
const DEFAULT_TIMEOUT_MS = 10_000;

/** A key for a client; with a `peerId` it says whose client that is, as PgBouncer's peers write it. */
export function newKey(peerId: number): Buffer {
  const key = randomKey();
  if (peerId === 0) return key;
  // Process numbers are positive.
  key[0] = key[0]! & 0x7f;
  key.writeUInt16LE(peerId, 1);
  key[KEY_LENGTH - 1] = key[KEY_LENGTH - 1]! | HOPS;
  return key;
}

/** Random bytes are cheap, asking for them is not: they are fetched for many keys at once, and each is given away once. */
const BATCH = 512 * KEY_LENGTH;
let batch: Buffer = Buffer.alloc(0);

function randomKey(): Buffer {
  if (batch.length === 0) batch = randomBytes(BATCH);
  // A copy: the rest of the batch must not stay for as long as a key does.
  const key = Buffer.from(batch.subarray(0, KEY_LENGTH));
  batch = batch.subarray(KEY_LENGTH);
  return key;
}

export interface CancelOptions {
  /** 0: there are no peers. */
  readonly peerId: number;
  readonly peers: ReadonlyMap<number, PeerConfig>;
  readonly timeoutMs: number;
  readonly log: Pick<Log, 'info' | 'debug'>;
  /** The server connection that works for the client with this key. */
  readonly find: (key: string) => ServerConnection | undefined;
  /** Hands it to the other workers, if this is one of several. */
  readonly others?: ((key: Buffer) => Promise<unknown>) | undefined;
}

/** Does what a cancel request asks for, or drops it. Resolves when it can hit nothing any more. */
export async function cancel(key: Buffer, options: CancelOptions): Promise<void> {
  const { peerId, peers, log } = options;
  if (key.length !== KEY_LENGTH) return;
  let own = key;
  if (peerId !== 0) {
    const whose = key.readUInt16LE(1);
    if (whose !== peerId) {
      await handOn(key, peers.get(whose), options);
      return;
    }
    own = Buffer.from(key);
    own[KEY_LENGTH - 1] = own[KEY_LENGTH - 1]! | HOPS;
  }
  const server = options.find(own.toString('hex'));
  if (server === undefined && options.others !== undefined) {
    await options.others(own);
    return;
  }
  // A cancel for nobody, or for somebody who has nothing running, is dropped: it would hit whoever is next.
  if (server === undefined || server.requests.owed === 0 || server.cancelKey.length === 0) {
    log.debug('cancel request for a client that is idle or not there');
    return;
  }
  await cancelAt(server, options);
}

/** Cancels what runs on a server connection. Until that has come to its end the connection is not lent to anybody. */
export async function cancelAt(server: ServerConnection, { timeoutMs, log }: Pick<CancelOptions, 'timeoutMs' | 'log'>): Promise<void> {
  server.cancels++;
  try {
    await send(server.address, server.cancelKey, timeoutMs);
  } catch (error) {
    log.info(`${server.name} cancel request closing because: ${why(error)}`);
  } finally {
    server.cancels--;
    if (server.cancels === 0) {
      const { onQuiet } = server;
      server.onQuiet = undefined;
      onQuiet?.();
    }
  }
}

async function handOn(key: Buffer, peer: PeerConfig | undefined, { timeoutMs, log }: CancelOptions): Promise<void> {
  const last = key[KEY_LENGTH - 1]!;
  if ((last & HOPS) === 0) {
    log.info('failed to forward cancel request because its TTL was exhausted');
  } else if (peer === undefined) {
    log.info('could not find peer to forward request to');
  } else {
    const next = Buffer.from(key);
    next[KEY_LENGTH - 1] = last - 1;
    await send(peer, next, timeoutMs).catch((error: unknown) => log.info(`cancel request closing because: ${why(error)}`));
  }
}

async function send(address: Address, key: Buffer, givenMs: number): Promise<void> {
  const signal = AbortSignal.timeout(Math.ceil(givenMs) || DEFAULT_TIMEOUT_MS);
  const socket = await dial(address, signal);
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => {
      socket.destroy();
      reject(signal.reason);
    }, { once: true });
    // The other end closes it when the signal has been sent; only then it can hit nobody else.
    socket.once('close', () => resolve()).on('error', () => undefined).resume();
    socket.write(cancelRequest(key));
  });
}

function why(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'cancel_wait_timeout';
  return error instanceof Error ? error.message : String(error);
}
