// A server connection that is logged in: what the engine pools. It belongs to nobody, or to one client (its link), or is about its own
// affairs (a reset, a check, parameters that have to be set). Everything that comes from the server passes `came` of {@link Requests},
// which says whose answer it is; only what is the client's reaches the client.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { nextId } from '../ids.ts';
import { feed } from '../wire/pg/feed.ts';
import { farewell } from '../wire/farewell.ts';
import { reportFields } from '../wire/pg/read.ts';
import { DROP, HEADER, PASS, Splitter, type Fate, type Sink } from '../wire/pg/splitter.ts';
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
  /** The server takes more again. */
  drained(): void;
  /** It has more to say, which depends on what the server answers. */
  readonly stalled: boolean;
  /** The server has answered something. */
  goOn(): void;
  parameter(name: string, value: string): void;
  /** A statement has ended that changes the session; its tag. */
  completed(tag: string): void;
  /** The server refuses a request of the client's. True: the client is not to hear of it from here. */
  failed(request: Request | undefined, fields: ReadonlyMap<string, string>): boolean;
  /** The connection is to be replaced, once it is not in use. */
  outdated(server: ServerConnection): void;
  /** The connection is gone, in the middle of it. */
  serverLost(reason: string): void;
}

const { commandComplete, copyData, dataRow, errorResponse, parameterStatus, readyForQuery } = FROM_SERVER;
const WHOLE = Number.POSITIVE_INFINITY;
/** Tags of statements that change the session, and by it what may be done with the connection. */
const SESSION_TAGS: ReadonlySet<string> = new Set(['BEGIN', 'DISCARD ALL', 'DEALLOCATE ALL', 'LISTEN', 'PREPARE', 'SET']);
/** How long such a tag is with its NUL: most others are not looked at any further. */
const TAG_LENGTHS: ReadonlySet<number> = new Set([...SESSION_TAGS].map((tag) => tag.length + 1));

const STATUSES: ReadonlySet<number> = new Set(Object.values(TRANSACTION));

export interface ServerInit {
  /** Where it leads, for cancels: they have to reach the same server. */
  readonly address: Address;
  /** In the log. */
  readonly name: string;
  readonly maxPacketSize: number;
}

export class ServerConnection implements Sink {
  readonly id: number = nextId();
  readonly socket: Socket;
  readonly cancelKey: Buffer;
  readonly address: Address;
  readonly name: string;
  readonly connectedAt: number = performance.now();
  /** As the server last told them. */
  readonly parameters: Map<string, string>;
  readonly requests = new Requests();
  readonly statements = new PreparedHere();
  status: number = TRANSACTION.idle;
  link: Link | undefined = undefined;
  /** It must not be used again; why. */
  broken: string | undefined = undefined;
  /** It is to be closed when its work is done; why. */
  outdated: string | undefined = undefined;
  /** Since the last reset somebody has used it. */
  used = false;
  /** Somebody has left something in the session that only a reset takes away. */
  dirty = false;
  /** It serves one client and nobody after it. */
  dedicated = false;
  /** A prepared statement whose plan the server will not have any more. */
  stale: string | undefined = undefined;
  /** Cancels on their way that could hit whatever runs here. */
  cancels = 0;
  /** Called when it is gone. */
  onLost: ((reason: string) => void) | undefined = undefined;
  /** Called when a cancel is over. */
  onQuiet: (() => void) | undefined = undefined;
  /** When a client last had it. */
  usedAt: number = performance.now();
  #spelling: string | undefined = undefined;
  /** What is kept while corked: mostly one piece, and an array for each would be as much to make as the rest. */
  #corked: Buffer | undefined = undefined;
  #corkedMore: Buffer[] | undefined = undefined;
  #corks = 0;
  /** Of the question that tells which Syncs have been answered, as long as its answer is not there. */
  #token: string | undefined = undefined;
  readonly #splitter: Splitter;

  constructor({ socket, parameters, cancelKey, rest }: LoggedIn, { address, name, maxPacketSize }: ServerInit) {
    this.address = address;
    this.name = name;
    this.socket = socket;
    this.parameters = parameters;
    this.cancelKey = cancelKey;
    this.#splitter = new Splitter(this, maxPacketSize);
    feed(socket, (chunk) => this.#take(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.#lost(error.message));
    socket.on('close', () => this.#lost('server conn crashed?'));
    if (rest.length > 0) this.#take(rest);
  }

  /** All parameters as one text: as long as it is the same, nothing has to be compared again. */
  get spelling(): string {
    this.#spelling ??= JSON.stringify([...this.parameters]);
    return this.#spelling;
  }

  /** Nothing is owed, nothing is half said, and no cancel is under way: it could go to somebody else. */
  get isQuiet(): boolean {
    return this.cancels === 0 && this.#isSettled;
  }

  /** Nothing is owed that anybody knows of. */
  get #isDoubtful(): boolean {
    const { owed, copyingIn, isOpen } = this.requests;
    return owed === 0 && !copyingIn && !isOpen && this.#splitter.isAtBoundary;
  }

  get #isSettled(): boolean {
    const { owed, copyingIn, isOpen } = this.requests;
    return owed === 0 && !copyingIn && !isOpen && this.requests.doubt === 0 && this.#splitter.isAtBoundary;
  }

  /** Sends bytes to the server. False: it does not take more for now; `drain` of the socket says when it does. */
  send(bytes: Buffer): boolean {
    if (this.#corks === 0) return this.socket.write(bytes);
    if (this.#corked === undefined) this.#corked = bytes;
    else (this.#corkedMore ??= []).push(bytes);
    return true;
  }

  /** From now on what is sent is kept, until {@link ServerConnection.uncork} was called as often: many small pieces become one write. */
  cork(): void {
    this.#corks++;
  }

  /** False: as of {@link ServerConnection.send}. */
  uncork(): boolean {
    const [first, more] = [this.#corked, this.#corkedMore];
    if (--this.#corks > 0 || first === undefined) return true;
    this.#corked = undefined;
    this.#corkedMore = undefined;
    const bytes = more === undefined ? first : Buffer.concat([first, ...more]);
    return this.socket.writable ? this.socket.write(bytes) : true;
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
    farewell(this.socket, terminate());
  }

  // ------------------------------------------------------------------------------------------------------------------ Sink

  wants(type: number, bodyLength: number): number {
    switch (type) {
      case parameterStatus: case errorResponse: case readyForQuery: return WHOLE;
      case commandComplete: return TAG_LENGTHS.has(bodyLength) ? bodyLength : 0;
      default: return 0;
    }
  }

  message(type: number, _bodyLength: number, bytes: Buffer): Fate {
    if (this.#token !== undefined) {
      const fate = this.#beforeToken(type, bytes);
      if (fate !== undefined) return fate;
    }
    // Of these there may be millions; they begin and end nothing.
    if ((type === dataRow || type === copyData) && this.link !== undefined) {
      const { current } = this.requests;
      if (current?.answer === undefined) return current?.own === true ? DROP : PASS;
    }
    // What is answered here comes behind the whole of the message before.
    this.#answer();
    const request = this.requests.came(type);
    const { failed } = this.requests;
    const own = request?.own === true;
    let hidden = false;
    switch (type) {
      case parameterStatus: this.#parameter(bytes, own); break;
      case errorResponse: hidden = this.#failed(bytes, own, request); break;
      case commandComplete: this.#completed(bytes, own); break;
      case readyForQuery: return this.#ready(bytes, own, request);
      default: if (this.link === undefined && !own) this.#unasked(type);
    }
    // What was sent last is undone first.
    for (let at = failed.length - 1; at >= 0; at--) this.#ended(failed[at]!, true);
    if (type !== errorResponse && request !== undefined && request !== this.requests.current) this.#ended(request, false);
    // A statement that is prepared once more for the client fails for the client.
    const shown = !own || (type === errorResponse && request?.type === FROM_CLIENT.parse);
    return shown && !hidden && this.link !== undefined ? PASS : DROP;
  }

  forward(bytes: Buffer): void {
    if (this.link?.fromServer(bytes) === false) this.socket.pause();
  }

  // ------------------------------------------------------------------------------------------------------------- what comes

  #take(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk);
      if (this.#splitter.isAtBoundary) this.#answer();
      if (this.link?.stalled === true) this.link.goOn();
      this.settle();
    } catch (error) {
      // Whatever it is: this server is not understood any more, and the others go on.
      this.#lost(`bad packet from server: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #parameter(bytes: Buffer, own: boolean): void {
    const [name = '', value = ''] = bytes.toString('utf8', HEADER).split('\0');
    this.parameters.set(name, value);
    this.#spelling = undefined;
    if (!own) this.link?.parameter(name, value);
  }

  /** True: the client is not to see it. */
  #failed(bytes: Buffer, own: boolean, request: Request | undefined): boolean {
    const fields = reportFields(bytes.subarray(HEADER));
    if (own) (request?.refused ?? this.#onOwnError)?.(fields.get('M') ?? 'an error without a text');
    // Said while nothing was asked, or as its last words: it is about to go.
    if (request === undefined || fields.get('V') === 'FATAL') this.broken ??= fields.get('M') ?? 'server error';
    if (own || this.link === undefined) return false;
    this.#splitter.flush();
    return this.link.failed(request, fields);
  }

  #completed(bytes: Buffer, own: boolean): void {
    if (bytes.length === HEADER) return;
    const tag = bytes.toString('latin1', HEADER, bytes.length - 1);
    if (!SESSION_TAGS.has(tag)) return;
    if (tag.endsWith(' ALL')) this.statements.discarded();
    if (!own) this.link?.completed(tag);
  }

  #ready(bytes: Buffer, own: boolean, request: Request | undefined): Fate {
    this.#learnStatus(bytes);
    if (request === undefined && this.requests.doubt-- <= 0) throw new Error('ready without having been asked');
    request?.done?.(false);
    return own || this.link?.mayContinue(this.status) !== true ? DROP : PASS;
  }

  #learnStatus(bytes: Buffer): void {
    const status = bytes[HEADER];
    if (bytes.length !== HEADER + 1 || !STATUSES.has(status!)) throw new Error('ready without saying for what');
    this.status = status!;
  }

  /**
   * Nobody knows which Syncs have been answered: a question is put whose answer cannot be taken for any other one, and what comes before
   * that answer is the client's. It is none that anybody would guess, and breaks no transaction: it is not put inside of one.
   */
  #askForToken(): void {
    const token = `millpond_${randomBytes(16).toString('hex')}`;
    this.#token = token;
    this.request(query(token), {
      type: FROM_CLIENT.query, own: true, token,
      done: () => { this.requests.doubt = 0; },
    });
  }

  #beforeToken(type: number, bytes: Buffer): Fate | undefined {
    if (this.requests.current?.token === undefined) return undefined;
    switch (type) {
      case parameterStatus: this.#parameter(bytes, false); break;
      case errorResponse:
        if (!bytes.includes(this.#token!)) break;
        this.#token = undefined;
        return DROP;
      case readyForQuery:
        this.#learnStatus(bytes);
        return this.link?.mayContinue(this.status) === true ? PASS : DROP;
    }
    return this.link === undefined ? DROP : PASS;
  }

  /** What is answered here stands between what the server answers. */
  #answer(): void {
    for (let next = this.requests.answerable(); next !== undefined; next = this.requests.answerable()) {
      this.#splitter.flush();
      this.link?.fromServer(next.answer!);
      next.done?.(false);
    }
  }

  #unasked(type: number): void {
    if (type === FROM_SERVER.noticeResponse || type === FROM_SERVER.notificationResponse) return;
    this.broken ??= `the server sent ${String.fromCharCode(type)} unasked`;
  }

  /** After each chunk, from either side: whoever uses it is told when nothing is owed any more. */
  settle(): void {
    if (this.link !== undefined && this.#isSettled) this.link.ready(this.status);
    else if (this.requests.doubt > 0 && this.status !== TRANSACTION.inside && this.#isDoubtful) this.#askForToken();
    if (this.broken !== undefined && this.link === undefined) this.onLost?.(this.broken);
  }

  #drained(): void {
    this.link?.drained();
  }

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
