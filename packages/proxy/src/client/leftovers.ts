// What a client sends while it has no server connection, and nobody answers: what is left of a COPY that has failed, for as long as the
// client has not seen the error, and Flush. A server connection that was lent for these would never come back.

import { HEADER } from '../wire/pg/splitter.ts';
import { FROM_CLIENT } from '../wire/pg/types.ts';

/** Outside of a COPY nothing follows from these. */
const UNANSWERED = new Set<number>([FROM_CLIENT.copyData, FROM_CLIENT.copyDone, FROM_CLIENT.copyFail, FROM_CLIENT.flush]);
const EMPTY: Buffer = Buffer.alloc(0);

export class Leftovers {
  readonly #maxLength: number;
  readonly #bad: (why: string) => void;
  /** The beginning of a message whose length is not there yet. */
  #kept: Buffer = EMPTY;
  /** How much of one is still to come. */
  #skip = 0;

  constructor(maxLength: number, bad: (why: string) => void) {
    this.#maxLength = maxLength;
    this.#bad = bad;
  }

  /** The chunk from the first message on that is answered; perhaps nothing of it. */
  without(chunk: Buffer): Buffer {
    let bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = EMPTY;
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length);
      if (skipped > 0) {
        this.#skip -= skipped;
        bytes = bytes.subarray(skipped);
      }
      if (bytes.length === 0 || !UNANSWERED.has(bytes[0]!)) return bytes;
      if (bytes.length < HEADER) {
        this.#kept = Buffer.from(bytes);
        return EMPTY;
      }
      const length = bytes.readInt32BE(1);
      if (length < 4 || length > this.#maxLength) {
        this.#bad(`a message of ${length} bytes`);
        return EMPTY;
      }
      this.#skip = length + 1;
    }
  }
}
