// A client that speaks PostgreSQL byte by byte: it sends what it is given, cut where it is told, and writes down what comes. Nobody logs in
// with a secret here; servers and proxies that it meets trust it.

import { createConnection, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { FROM_SERVER } from '../../../packages/proxy/src/wire/pg/types.ts';
import { cancelRequest, startup } from '../../../packages/proxy/src/wire/pg/write.ts';
import { reportFields } from '../../../packages/proxy/src/wire/pg/read.ts';
import { shown } from './messages.ts';

export interface Place {
  /** A name, an address, or the path of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

/** What was awaited did not come. */
class SilenceError extends Error {
  override readonly name = 'SilenceError';
}

const PATIENCE_MS = 20_000;
const { backendKeyData, errorResponse, readyForQuery } = FROM_SERVER;
const { bindComplete, closeComplete, commandComplete, emptyQueryResponse } = FROM_SERVER;
const { noData, parseComplete, portalSuspended, rowDescription } = FROM_SERVER;
const ANSWERS = new Set<number>([
  bindComplete, closeComplete, commandComplete, emptyQueryResponse, noData, parseComplete, portalSuspended, rowDescription,
]);

function dialled({ host, port }: Place): Socket {
  return host.startsWith('/') ? createConnection({ path: host }) : createConnection({ host, port });
}

export class WireClient {
  readonly socket: Socket;
  /** What came since it was last asked for, message by message. */
  readonly messages: Message[] = [];
  /** How many came of each type, in all. */
  readonly counts = new Map<number, number>();
  /** Process and secret for cancels. */
  key: Buffer = Buffer.alloc(0);
  /** Of the last error that came. */
  lastError: ReadonlyMap<string, string> | undefined = undefined;
  closed = false;
  failure: Error | undefined = undefined;
  #pending: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined = undefined;

  constructor(socket: Socket) {
    this.socket = socket.setNoDelay(true);
    const over = (error?: Error): void => {
      this.failure ??= error;
      this.closed = true;
      this.#wake?.();
    };
    socket.on('data', (chunk: Buffer) => this.#take(chunk)).on('close', () => over()).on('error', over);
  }

  /** Connects and sends the startup packet, without waiting for anything. */
  static dial(place: Place): WireClient {
    const client = new WireClient(dialled(place));
    const parameters = new Map(Object.entries({ user: place.user, database: place.database, ...place.parameters }));
    client.socket.write(startup(parameters));
    return client;
  }

  /** Connects and waits until the server is ready. Rejects with what the server says instead. */
  static async connect(place: Place): Promise<WireClient> {
    const client = WireClient.dial(place);
    await client.until(() => client.count(readyForQuery) > 0 || client.count(errorResponse) > 0);
    if (client.lastError !== undefined) throw new Error(client.lastError.get('M'));
    return client;
  }

  /** Asks for what runs under this key to be cancelled; resolves when the server has closed the connection. */
  static cancel(place: Place, key: Buffer): Promise<void> {
    return new Promise((resolve) => {
      dialled(place).on('error', () => undefined).once('close', () => resolve()).resume().write(cancelRequest(key));
    });
  }

  count(type: number): number {
    return this.counts.get(type) ?? 0;
  }

  /** How many requests have been answered, whether or not they are followed by ReadyForQuery. */
  get answers(): number {
    return [...ANSWERS].reduce((sum, type) => sum + this.count(type), 0);
  }

  /** Sends bytes; `cuts` says where they are torn apart. */
  async send(bytes: Buffer, cuts: readonly number[] = []): Promise<void> {
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (this.closed) return;
      if (cut > from) this.socket.write(bytes.subarray(from, cut));
      from = cut;
      if (cut < bytes.length) await setImmediate();
    }
  }

  /** Waits until this holds; it is looked at after everything that comes. Rejects when it cannot come any more. */
  async until(holds: () => boolean, patienceMs: number = PATIENCE_MS): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake?.();
    }, patienceMs);
    try {
      while (!holds()) {
        if (this.closed) throw new SilenceError(`closed (${this.failure?.message ?? 'without an error'}); ${this.#last()}`);
        if (late) throw new SilenceError(`no answer for ${patienceMs} ms; ${this.#last()}`);
        await new Promise<void>((resolve) => { this.#wake = resolve; });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a message that is answered by one ReadyForQuery. Returns what came until then. */
  async ask(bytes: Buffer): Promise<Message[]> {
    const ready = this.count(readyForQuery);
    await this.send(bytes);
    await this.until(() => this.count(readyForQuery) > ready);
    return this.messages.splice(0);
  }

  /** What came since it was last asked for, as lines. */
  transcript(): string[] {
    return this.messages.splice(0).map(({ type, body }) => shown(type, body));
  }

  /** Goes without a word. */
  vanish(): void {
    this.socket.destroy();
  }

  #last(): string {
    const last = this.messages.at(-1);
    return `last came ${last === undefined ? 'nothing' : shown(last.type, last.body)}`;
  }

  #take(chunk: Buffer): void {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 5) {
      const length = bytes.readInt32BE(1) + 1;
      if (bytes.length < length) break;
      this.#message({ type: bytes[0]!, body: Buffer.from(bytes.subarray(5, length)) });
      bytes = bytes.subarray(length);
    }
    this.#pending = bytes;
    this.#wake?.();
  }

  #message(message: Message): void {
    const { type, body } = message;
    this.messages.push(message);
    this.counts.set(type, this.count(type) + 1);
    if (type === backendKeyData) this.key = body;
    if (type === errorResponse) this.lastError = reportFields(body);
  }
}
