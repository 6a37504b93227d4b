// Messages of a socket one by one, for the time of logging in: they are few, small, and each is waited for. Afterwards the socket is given
// on with whatever has come too much.

import type { Socket } from 'node:net';
import { Reader } from './read.ts';

export interface Received {
  readonly type: number;
  readonly body: Reader;
}

/** The other end closed the connection, or it broke. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

/** While logging in nobody has anything long to say. */
const MAX_LENGTH = 65_536;

export class Inbox {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #ended: Error | undefined = undefined;
  #wake: (() => void) | undefined = undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    // Nobody may fill the memory with what is not asked for.
    if (this.#bytes.length > MAX_LENGTH * 2) this.#socket.pause();
    this.#wake?.();
  };
  readonly #onEnd = (): void => this.#end(new ClosedError('the connection was closed'));
  readonly #onError = (error: Error): void => this.#end(new ClosedError(error.message, { cause: error }));

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onEnd).on('error', this.#onError);
  }

  /** How much has come that nobody has asked for yet. */
  get buffered(): number {
    return this.#bytes.length;
  }

  /** The next message. Rejects with {@link ClosedError}, or an Error for one that is too long. */
  async next(): Promise<Received> {
    const header = await this.#peek(5);
    const length = lengthOf(header.readInt32BE(1));
    const message = await this.#take(length + 1);
    return { type: message[0]!, body: new Reader(message, 5) };
  }

  /** The next packet without a type: its code and what is behind it. */
  async nextPacket(): Promise<{ readonly code: number; readonly body: Reader }> {
    const header = await this.#peek(8);
    const packet = await this.#take(lengthOf(header.readInt32BE(0)));
    return { code: packet.readInt32BE(4), body: new Reader(packet, 8) };
  }

  async nextByte(): Promise<number> {
    return (await this.#take(1))[0]!;
  }

  /** The first byte of what comes, which is left there. */
  async peekByte(): Promise<number> {
    return (await this.#peek(1))[0]!;
  }

  /** Lets go of the socket. Returns what has come and was not asked for. */
  release(): Buffer {
    const { socket, bytes } = { socket: this.#socket, bytes: this.#bytes };
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd).off('error', this.#onError);
    this.#bytes = Buffer.alloc(0);
    return bytes;
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  async #peek(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
    return this.#bytes;
  }

  async #take(length: number): Promise<Buffer> {
    await this.#peek(length);
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    if (this.#socket.isPaused()) this.#socket.resume();
    return taken;
  }
}

function lengthOf(length: number): number {
  if (length < 4 || length > MAX_LENGTH) throw new Error(`a message of ${length} bytes`);
  return length;
}
