// A server connection that is logged in: what the engine pools. It belongs to nobody, or to one client (its link), or is about its own
// affairs (a reset, a check, parameters that have to be set). Everything that comes from the server passes `came` of {@link Requests},
// which says whose answer it is; only what is the client's reaches the client.

import type { Socket } from 'node:net';
import { reportFields } from '../wire/pg/read.ts';
import { BrokenStreamError, DROP, HEADER, PASS, Splitter, type Fate, type Sink } from '../wire/pg/splitter.ts';
import { FROM_CLIENT, FROM_SERVER, TRANSACTION } from '../wire/pg/types.ts';
import { query, terminate } from '../wire/pg/write.ts';
import type { Address, LoggedIn } from './login.ts';
import { PreparedHere } from './prepared.ts';
import { Requests, type Request } from './requests.ts';

/** Who uses a connection. */
export interface Link {
  /** Bytes of the server that are the client's. False: the client does not take more for now. */
  fromServer(bytes: Buffer): boolean;
  /** The server is ready, outside or inside of a transaction. False: the client is not to hear of it. */
  mayContinue(status: number): boolean;
  /** The server has answered everything. */
  ready(status: number): void;
  parameter(name: string, value: string): void;
  /** The tag of a statement that ended and drops prepared statements. */
  discarded(tag: string): void;
  /** The connection is gone, in the middle of it. */
  serverLost(reason: string): void;
}

const { commandComplete, errorResponse, parameterStatus, readyForQuery } = FROM_SERVER;
const WHOLE = Number.POSITIVE_INFINITY;
/** `DEALLOCATE ALL` and its NUL; longer tags are none of those that are looked for. */
const LONGEST_TAG = 15;

export class ServerConnection implements Sink {
  readonly socket: Socket;
  readonly cancelKey: Buffer;
  /** Where it leads, for cancels: they have to reach the same server. */
  readonly address: Address;
  readonly connectedAt: number = performance.now();
  /** As the server last told them. */
  readonly parameters: Map<string, string>;
  readonly requests = new Requests();
  readonly statements = new PreparedHere();
  status: number = TRANSACTION.idle;
  link: Link | undefined = undefined;
  /** It must not be used again; why. */
  broken: string | undefined = undefined;
  /** Since the last reset somebody has used it. */
  used = false;
  /** Cancels on their way that could hit whatever runs here. */
  cancels = 0;
  /** Called when it is gone. */
  onLost: ((reason: string) => void) | undefined = undefined;
  /** Called when a cancel is over. */
  onQuiet: (() => void) | undefined = undefined;
  bytesReceived = 0;
  bytesSent = 0;
  readonly #splitter: Splitter;

  constructor({ socket, parameters, cancelKey, rest }: LoggedIn, address: Address, maxPacketSize: number) {
    this.address = address;
    this.socket = socket;
    this.parameters = parameters;
    this.cancelKey = cancelKey;
    this.#splitter = new Splitter(this, maxPacketSize);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.#lost(error.message));
    socket.on('close', () => this.#lost('server conn crashed?'));
    if (rest.length > 0) this.#take(rest);
  }

  /** Nothing is owed, nothing is half said, and no cancel is under way: it could go to somebody else. */
  get isQuiet(): boolean {
    return this.cancels === 0 && this.#isSettled;
  }

  get #isSettled(): boolean {
    const { owed, copyingIn, isOpen } = this.requests;
    return owed === 0 && !copyingIn && !isOpen && this.#splitter.isAtBoundary;
  }

  /** Sends bytes to the server. False: it does not take more for now; `drain` of the socket says when it does. */
  send(bytes: Buffer): boolean {
    this.bytesSent += bytes.length;
    return this.socket.write(bytes);
  }

  /** Sends bytes that begin a request, or are one. */
  request(bytes: Buffer, request: Request): boolean {
    this.statements.sent(request, this.requests.segment);
    if (!this.requests.sent(request)) this.#ended(request, true);
    return this.send(bytes);
  }

  /** A query of the proxy's own. Rejects with what the server says, or when the connection is lost. */
  run(sql: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.broken !== undefined) {
        reject(new Error(this.broken));
        return;
      }
      let failure: string | undefined;
      this.#onOwnError = (message) => { failure ??= message; };
      const lost = (): void => reject(new Error('server conn crashed?'));
      this.socket.once('close', lost);
      this.request(query(sql), {
        type: FROM_CLIENT.query, own: true,
        done: () => {
          this.socket.off('close', lost);
          this.#onOwnError = undefined;
          if (failure === undefined) resolve();
          else reject(new Error(failure));
        },
      });
    });
  }

  /** Gives the client an answer of our own, when everything before it has been answered. `done`: as of a {@link Request}. */
  answer(bytes: Buffer, done?: (failed: boolean) => void): void {
    const request: Request = { type: 0, own: false, answer: bytes, ...(done === undefined ? {} : { done }) };
    if (!this.requests.sent(request)) this.#ended(request, true);
    // In the middle of a message it has to wait for the end of that.
    if (this.#splitter.isAtBoundary) this.#answer();
  }

  /** It has been answered, or an error has taken it along. */
  #ended(request: Request, failed: boolean): void {
    this.statements.ended(request, failed);
    request.done?.(failed);
  }

  #onOwnError: ((message: string) => void) | undefined = undefined;

  /** Ends it; politely, if the server is there to hear it. */
  close(): void {
    this.broken ??= 'closed';
    if (this.socket.writable) this.socket.end(terminate());
    this.socket.destroySoon();
  }

  // ------------------------------------------------------------------------------------------------------------------ Sink

  wants(type: number, bodyLength: number): number {
    switch (type) {
      case parameterStatus: case errorResponse: case readyForQuery: return WHOLE;
      case commandComplete: return bodyLength <= LONGEST_TAG ? WHOLE : 0;
      default: return 0;
    }
  }

  message(type: number, _bodyLength: number, bytes: Buffer): Fate {
    // What is answered here comes behind the whole of the message before.
    this.#answer();
    const { request, failed } = this.requests.came(type);
    const own = request?.own === true;
    switch (type) {
      case parameterStatus: this.#parameter(bytes, own); break;
      case errorResponse: this.#failed(bytes, own, request); break;
      case commandComplete: if (!own) this.#completed(bytes); break;
      case readyForQuery: return this.#ready(bytes, own, request);
      default: if (this.link === undefined && !own) this.#unasked(type);
    }
    // What was sent last is undone first.
    for (const each of [...failed].reverse()) this.#ended(each, true);
    if (type !== errorResponse && request !== undefined && request !== this.requests.current) this.#ended(request, false);
    // A statement that is prepared once more for the client fails for the client.
    const shown = !own || (type === errorResponse && request?.type === FROM_CLIENT.parse);
    return shown && this.link !== undefined ? PASS : DROP;
  }

  forward(bytes: Buffer): void {
    if (this.link?.fromServer(bytes) === false) this.socket.pause();
  }

  // ------------------------------------------------------------------------------------------------------------- what comes

  #take(chunk: Buffer): void {
    this.bytesReceived += chunk.length;
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof BrokenStreamError)) throw error;
      this.#lost(`bad packet from server: ${error.message}`);
      return;
    }
    if (this.#splitter.isAtBoundary) this.#answer();
    this.settle();
  }

  #parameter(bytes: Buffer, own: boolean): void {
    const [name = '', value = ''] = bytes.toString('utf8', HEADER).split('\0');
    this.parameters.set(name, value);
    if (!own) this.link?.parameter(name, value);
  }

  #failed(bytes: Buffer, own: boolean, request: Request | undefined): void {
    const fields = reportFields(bytes.subarray(HEADER));
    if (own) this.#onOwnError?.(fields.get('M') ?? 'an error without a text');
    // Said while nothing was asked, or as its last words: it is about to go.
    if (request === undefined || fields.get('V') === 'FATAL') this.broken ??= fields.get('M') ?? 'server error';
  }

  #completed(bytes: Buffer): void {
    if (bytes.length === HEADER) return;
    const tag = bytes.toString('latin1', HEADER, bytes.length - 1);
    if (tag !== 'DISCARD ALL' && tag !== 'DEALLOCATE ALL') return;
    this.statements.discarded();
    this.link?.discarded(tag);
  }

  #ready(bytes: Buffer, own: boolean, request: Request | undefined): Fate {
    this.status = bytes[HEADER]!;
    request?.done?.(false);
    return own || this.link?.mayContinue(this.status) !== true ? DROP : PASS;
  }

  /** What is answered here stands between what the server answers. */
  #answer(): void {
    for (const { answer, done } of this.requests.answers()) {
      this.#splitter.flush();
      this.link?.fromServer(answer!);
      done?.(false);
    }
  }

  #unasked(type: number): void {
    if (type === FROM_SERVER.noticeResponse || type === FROM_SERVER.notificationResponse) return;
    this.broken ??= `the server sent ${String.fromCharCode(type)} unasked`;
  }

  /** After each chunk, from either side: whoever uses it is told when nothing is owed any more. */
  settle(): void {
    if (this.link !== undefined && this.#isSettled) this.link.ready(this.status);
    if (this.broken !== undefined && this.link === undefined) this.onLost?.(this.broken);
  }

  #drained(): void {
    this.onDrain?.();
  }

  /** Called when the server takes more again. */
  onDrain: (() => void) | undefined = undefined;

  #lost(reason: string): void {
    const first = this.broken === undefined;
    this.broken ??= reason;
    this.socket.destroy();
    const { link } = this;
    this.link = undefined;
    link?.serverLost(this.broken);
    if (first || link !== undefined) this.onLost?.(this.broken);
  }
}
