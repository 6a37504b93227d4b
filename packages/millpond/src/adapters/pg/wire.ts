// Statements as bytes of PostgreSQL's protocol, version 3. Those that are sent in the same turn of the event loop leave in one write, so
// that thirty statements cost one system call and not a hundred and fifty (node-postgres writes each of the five messages by itself).
//
//   first sight, no values   Query
//   first sight, values      Parse '' · Bind · Describe portal · Execute · Sync
//   to be prepared           Parse name · Describe statement · Bind · Execute · Sync
//   prepared                 Bind · Execute · Sync
//
// Describe stands *before* Bind where a statement is prepared: should Bind fail (a value that is none), the statement and its columns are
// known all the same, and those that are behind it in the pipeline and rely on them are answered.

/** How a value becomes text or bytes: node-postgres' own way, with its toPostgres() and its dates. */
export type ValueMapper = (value: unknown) => string | Buffer | null;

const SMALLEST = 4_096;
/** One huge statement must not hold its size for ever. */
const KEPT = 65_536;

const QUERY = 0x51;
const PARSE = 0x50;
const BIND = 0x42;
const DESCRIBE = 0x44;
const CLOSE = 0x43;
const STATEMENT = 0x53;

/** Describe of the unnamed portal. */
const DESCRIBE_PORTAL = Buffer.from([DESCRIBE, 0, 0, 0, 6, 0x50, 0]);
/** Execute of the unnamed portal, all rows, and Sync. */
const EXECUTE_SYNC = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4]);
/** Up to this many characters are copied one by one. */
const SHORT = 24;
const NO_VALUES: readonly unknown[] = [];

export class Outgoing {
  private bytes: Buffer = Buffer.allocUnsafe(SMALLEST);
  private at = 0;

  get length(): number {
    return this.at;
  }

  /** Takes back what was written since the length was this: a statement whose values cannot be sent. */
  rewind(length: number): void {
    this.at = length;
  }

  /** Everything written so far, as a buffer of its own. */
  take(): Buffer {
    const all = Buffer.from(this.bytes.subarray(0, this.at));
    this.at = 0;
    if (this.bytes.length > KEPT) this.bytes = Buffer.allocUnsafe(SMALLEST);
    return all;
  }

  /** The simple protocol: one text, no values. */
  query(text: string): void {
    const start = this.begin(QUERY);
    this.cstring(text);
    this.end(start);
  }

  /** `name` empty: unnamed. The server finds out the types of the parameters. */
  parse(name: string, text: string): void {
    const start = this.begin(PARSE);
    this.cstring(name);
    this.cstring(text);
    this.int16(0);
    this.end(start);
  }

  describeStatement(name: string): void {
    this.named(DESCRIBE, name);
  }

  describePortal(): void {
    this.raw(DESCRIBE_PORTAL);
  }

  /** Closing a statement that is not there is no error. */
  closeStatement(name: string): void {
    this.named(CLOSE, name);
  }

  /** All values as text, but for buffers; all results as text. Throws what `map` throws. */
  bind(statement: string, values: readonly unknown[] | undefined, map: ValueMapper): void {
    const given = values ?? NO_VALUES;
    const start = this.begin(BIND);
    this.int8(0); // the unnamed portal
    this.cstring(statement);
    const count = given.length;
    this.int16(count);
    const formats = this.at;
    this.room(2 * count + 2);
    this.bytes.fill(0, this.at, this.at + 2 * count);
    this.at += 2 * count;
    this.int16(count);
    for (let i = 0; i < count; i++) {
      if (this.value(given[i], map)) this.bytes[formats + 2 * i + 1] = 1;
    }
    this.int16(0);
    this.end(start);
  }

  executeAndSync(): void {
    this.raw(EXECUTE_SYNC);
  }

  /** Returns whether it went as bytes. */
  private value(given: unknown, map: ValueMapper): boolean {
    const value = typeof given === 'string' ? given : typeof given === 'number' ? String(given) : map(given);
    if (value === null || value === undefined) {
      this.int32(-1);
      return false;
    }
    if (typeof value === 'string') {
      this.int32(0);
      const start = this.at;
      this.text(value);
      this.bytes.writeInt32BE(this.at - start, start - 4);
      return false;
    }
    this.int32(value.length);
    this.raw(value);
    return true;
  }

  private named(type: number, name: string): void {
    const start = this.begin(type);
    this.int8(STATEMENT);
    this.cstring(name);
    this.end(start);
  }

  /** Returns where the message starts; its length follows in {@link end}. */
  private begin(type: number): number {
    this.room(5);
    const start = this.at;
    this.bytes[start] = type;
    this.at = start + 5;
    return start;
  }

  private end(start: number): void {
    this.bytes.writeInt32BE(this.at - start - 1, start + 1);
  }

  private cstring(text: string): void {
    this.text(text);
    this.int8(0);
  }

  private text(text: string): void {
    const { length } = text;
    this.room(3 * length);
    if (length <= SHORT && this.ascii(text)) this.at += length;
    else this.at += this.bytes.write(text, this.at);
  }

  /** For keys, numbers, names: the way into native code and back costs more than they do. False: it has to go that way. */
  private ascii(text: string): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[at + i] = code;
    }
    return true;
  }

  private int8(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }

  private int16(value: number): void {
    this.room(2);
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value & 0xff;
  }

  private int32(value: number): void {
    this.room(4);
    this.at = this.bytes.writeInt32BE(value, this.at);
  }

  private raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  private room(wanted: number): void {
    if (this.at + wanted <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.at + wanted));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }
}
