// Cuts a stream of PostgreSQL messages where it has to be cut, and nowhere else. A message is one byte of type, four of length and a body;
// any of them may arrive in pieces, and many may arrive in one. What is only passed on is never put together: a DataRow of a gigabyte goes
// through in the chunks in which it came. Only what the session says that it wants to see of a message is kept until it is whole.
//
//   chunk:  │ rest of a body │ message │ message │ half a header │        spans that are passed on are runs inside of the chunk
//            forward          forward   dropped   kept for the next chunk

const EMPTY = Buffer.alloc(0);

/** Bytes of a message before its body. */
export const HEADER = 5;

/** What a sink is shown of a message of which it wanted nothing: a view of the chunk for each would cost more than all else here. */
const BLANK: Buffer = Buffer.alloc(HEADER);

/**
 * What becomes of a message: nothing; it is passed on whole; only what was not shown of it is passed on, behind what the sink has
 * written.
 */
export const DROP = 0;
export const PASS = 1;
export const REST = 2;
/** It cannot be told yet: it and all that is behind it is given back, to be pushed again later. */
export const HOLD = 3;
export type Fate = typeof DROP | typeof PASS | typeof REST | typeof HOLD;

/** What stands behind a splitter. */
export interface Sink {
  /** A message has begun: how many bytes of its body must be there for {@link Sink.message}? More than there are means all. */
  wants(type: number, bodyLength: number): number;
  /**
   * A message, as far as it was wanted: its header and so much of its body. `bytes` lives only as long as this call; of a message of which
   * nothing was wanted it is as long as a header, and blank.
   */
  message(type: number, bodyLength: number, bytes: Buffer): Fate;
  /** Bytes to be passed on, in the order of the stream. */
  forward(bytes: Buffer): void;
}

/** The stream makes no sense: a length below 4 or above the limit. The connection has to end. */
export class BrokenStreamError extends Error {
  override readonly name = 'BrokenStreamError';
}

export class Splitter {
  readonly #sink: Sink;
  readonly #maxLength: number;
  /** The beginning of a message that is not there as far as it is wanted, and how many bytes of it have to be there. */
  #kept: Buffer | undefined = undefined;
  #needed = HEADER;
  /** Bytes of the current body that are still to come, and whether they are passed on. */
  #left = 0;
  #passing = false;
  /** The run of bytes of this chunk that are to be passed on and have not been. */
  #chunk: Buffer = EMPTY;
  #from = 0;
  #to = 0;

  /** `maxLength`: the longest message there may be, as its header tells it, in bytes. */
  constructor(sink: Sink, maxLength: number = 2_147_483_647) {
    this.#sink = sink;
    this.#maxLength = maxLength;
  }

  /** Is the stream between two messages? */
  get isAtBoundary(): boolean {
    return this.#left === 0 && this.#kept === undefined;
  }

  /** Passes on what came before the message that the sink is being told of: it has to, before it writes something by itself. */
  flush(): void {
    const [from, to] = [this.#from, this.#to];
    this.#from = to;
    if (to <= from) return;
    const whole = from === 0 && to === this.#chunk.length;
    this.#sink.forward(whole ? this.#chunk : this.#chunk.subarray(from, to));
  }

  /** Takes the next chunk of the stream. Returns what was held back of it. Throws {@link BrokenStreamError}. */
  push(chunk: Buffer): Buffer | undefined {
    let at = 0;
    if (this.#kept !== undefined) {
      const { kept, taken } = this.#complete(this.#kept, chunk);
      if (kept !== undefined) return Buffer.concat([kept, chunk.subarray(taken)]);
      at = taken;
    }
    this.#chunk = chunk;
    this.#from = at;
    this.#to = at;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const end = Math.min(chunk.length, at + this.#left);
        this.#left -= end - at;
        at = end;
        if (!this.#passing) this.#from = at;
        continue;
      }
      const needed = this.#neededOf(chunk, at);
      this.#to = at;
      if (chunk.length - at < needed) {
        this.#kept = Buffer.from(chunk.subarray(at));
        this.#needed = needed;
        break;
      }
      const fate = this.#tell(chunk, at, needed);
      if (fate === HOLD) return this.#heldBack(chunk, at);
      at += needed;
      if (fate === PASS) continue;
      this.flush();
      this.#from = at;
    }
    if (this.#kept === undefined) this.#to = at;
    this.flush();
    this.#chunk = EMPTY;
    return undefined;
  }

  #heldBack(chunk: Buffer, at: number): Buffer {
    this.flush();
    this.#chunk = EMPTY;
    return chunk.subarray(at);
  }

  /** Adds to what was kept until it is as much as is wanted. Returns how much of the chunk that took, and what is held back of it. */
  #complete(kept: Buffer, chunk: Buffer): { readonly taken: number; readonly kept?: Buffer } {
    let at = 0;
    let bytes = kept;
    for (;;) {
      const take = Math.min(this.#needed - bytes.length, chunk.length - at);
      if (take > 0) bytes = Buffer.concat([bytes, chunk.subarray(at, at + take)]);
      at += take;
      this.#kept = bytes;
      if (bytes.length < this.#needed) return { taken: at };
      // The header is there; now it can be asked how much more is wanted.
      const needed = this.#neededOf(bytes, 0);
      if (needed <= bytes.length) break;
      this.#needed = needed;
    }
    this.#kept = undefined;
    this.#from = 0;
    this.#to = 0;
    const fate = this.#tell(bytes, 0, bytes.length);
    if (fate === HOLD) return { taken: at, kept: bytes };
    if (fate === PASS) this.#sink.forward(bytes);
    return { taken: at };
  }

  #tell(bytes: Buffer, at: number, needed: number): Fate {
    const length = bodyLengthOf(bytes, at);
    this.#left = length - (needed - HEADER);
    const fate = this.#sink.message(bytes[at]!, length, needed === HEADER ? BLANK : bytes.subarray(at, at + needed));
    if (fate === HOLD) this.#left = 0;
    this.#passing = fate !== DROP;
    return fate;
  }

  /** How many bytes of the message must be there before the sink is told of it. */
  #neededOf(bytes: Buffer, at: number): number {
    if (bytes.length - at < HEADER) return HEADER;
    const length = bodyLengthOf(bytes, at);
    if (length < 0 || length + 4 > this.#maxLength) throw new BrokenStreamError(`a message of ${length + 4} bytes`);
    return HEADER + Math.min(length, this.#sink.wants(bytes[at]!, length));
  }
}

function bodyLengthOf(bytes: Buffer, at: number): number {
  // By hand: it is asked for every message, twice, and is there.
  return (bytes[at + 1]! << 24 | bytes[at + 2]! << 16 | bytes[at + 3]! << 8 | bytes[at + 4]!) - 4;
}
