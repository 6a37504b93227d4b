// Reads the bodies of messages that somebody wants to see whole. What is read came over a network: every length is checked, and what makes
// no sense is a MalformedError.

class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

/** Reads a body from its beginning to its end. */
export class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Of everything, also what has been read. */
  get length(): number {
    return this.#bytes.length;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.bytes(1)[0]!;
  }

  int16(): number {
    return this.bytes(2).readInt16BE();
  }

  int32(): number {
    return this.bytes(4).readInt32BE();
  }

  bytes(length: number): Buffer {
    if (length < 0 || length > this.left) throw new MalformedError(`${length} bytes expected, ${this.left} there`);
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }

  /** Up to the next NUL, which is skipped. */
  textBytes(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new MalformedError('a text without an end');
    const start = this.#at;
    this.#at = end + 1;
    return this.#bytes.subarray(start, end);
  }

  text(): string {
    return this.textBytes().toString();
  }
}

/** The parameters of a startup packet, behind its version. The first of a name counts. */
export function startupParameters(reader: Reader): Map<string, string> {
  const parameters = new Map<string, string>();
  for (;;) {
    const name = reader.text();
    if (name === '') return parameters;
    const value = reader.text();
    if (!parameters.has(name)) parameters.set(name, value);
  }
}

/** Fields of an ErrorResponse or NoticeResponse by their letter. */
export function reportFields(body: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  const reader = new Reader(body);
  while (reader.left > 0) {
    const field = reader.byte();
    if (field === 0) break;
    fields.set(String.fromCharCode(field), reader.text());
  }
  return fields;
}
