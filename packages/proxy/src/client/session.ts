// A client that is logged in. It has a server connection while it needs one: for a statement, a transaction or as long as it is there, by
// its pool mode. What it sends is cut into messages only to know what the server will owe an answer to, and to give prepared statements
// the names that servers know them by.
//
//   idle ── something to do ──▶ waiting ── a server connection ──▶ linked ── nothing owed, outside of a transaction ──▶ idle
//                                  │                                  │
//                                  └── query_wait_timeout ──▶ closed ◀┴── the server is lost, the client goes

import type { Socket } from 'node:net';
import type { Lease } from 'millpond';
import type { PoolMode } from '../config/config.ts';
import type { ServerConnection, Link } from '../server/connection.ts';
import { difference } from '../server/parameters.ts';
import { BrokenStreamError, DROP, HEADER, PASS, REST, Splitter, type Fate, type Sink } from '../wire/pg/splitter.ts';
import { FROM_CLIENT, FROM_SERVER, TRANSACTION } from '../wire/pg/types.ts';
import {
  close as closeMessage, errorResponse, message, noticeResponse, parse as parseMessage, query as queryMessage, text, type Report,
} from '../wire/pg/write.ts';
import { Deadlines, type Limits, type Overdue } from './deadlines.ts';
import { ClientStatements, type StatementNames } from './statements.ts';

export interface SessionInit {
  readonly socket: Socket;
  readonly mode: PoolMode;
  /** Tracked parameters, by the spelling of servers. The session follows what the client sets. */
  readonly parameters: Map<string, string>;
  readonly tracked: ReadonlyMap<string, string>;
  readonly statementNames: StatementNames;
  /** 0: clients' own names go through. */
  readonly maxPreparedStatements: number;
  readonly maxPacketSize: number;
  readonly limits: Limits;
  /** Asks for a server connection; one of the two is called, perhaps at once. Returns how to stop asking. */
  readonly borrow: (served: (lease: Lease<ServerConnection>) => void, refused: (error: unknown) => void) => () => void;
  /** What to tell a client that gets no server connection. */
  readonly refusal: (error: unknown) => Report;
  /** Called once, when it is over. */
  readonly closed: (reason: string) => void;
}

export type SessionState = 'idle' | 'waiting' | 'linked' | 'closed';

const WHOLE = Number.POSITIVE_INFINITY;
/** As much of a Bind as its two names may need. */
const NAMES = 1_024;
const PARSE_COMPLETE = message(FROM_SERVER.parseComplete);
const CLOSE_COMPLETE = message(FROM_SERVER.closeComplete);
const { bind, close, copyData, copyDone, copyFail, describe, flush, parse, query, terminate } = FROM_CLIENT;
/** Outside of a COPY nothing follows from these. */
const UNANSWERED = new Set<number>([copyData, copyDone, copyFail, flush]);
const EMPTY: Buffer = Buffer.alloc(0);
const KNOWN: ReadonlySet<number> = new Set(Object.values(FROM_CLIENT));

export class ClientSession implements Link, Sink {
  readonly statements: ClientStatements;
  state: SessionState = 'idle';
  /** When it began to wait, or its transaction to run; of a clock that only counts. */
  since = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly #init: SessionInit;
  readonly #socket: Socket;
  readonly #splitter: Splitter;
  /** What has come and waits for a server connection. */
  #held: Buffer[] = [];
  /** Of {@link #withoutLeftovers}: the beginning of a message that needs no answer, and how much of one is still to come. */
  #leftover: Buffer = EMPTY;
  #skip = 0;
  #leave: (() => void) | undefined = undefined;
  #lease: Lease<ServerConnection> | undefined = undefined;
  readonly #deadlines: Deadlines;

  constructor(init: SessionInit) {
    this.#init = init;
    this.#socket = init.socket;
    this.#splitter = new Splitter(this, init.maxPacketSize);
    this.statements = new ClientStatements(init.statementNames);
    this.#deadlines = new Deadlines(init.limits, (what) => this.#overdue(what));
    this.#deadlines.now('idle');
    init.socket.on('data', (chunk: Buffer) => this.take(chunk));
    init.socket.on('drain', () => this.server?.socket.resume());
    init.socket.on('error', (error) => this.#end(error.message));
    init.socket.on('close', () => this.#end('client unexpected eof'));
    init.socket.on('end', () => this.#end('client unexpected eof'));
  }

  get server(): ServerConnection | undefined {
    return this.#lease?.resource;
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.#init.parameters;
  }

  // --------------------------------------------------------------------------------------------------- from the client

  take(chunk: Buffer): void {
    if (this.state === 'closed') return;
    this.bytesReceived += chunk.length;
    if (this.state === 'linked') {
      this.#deadlines.now('running');
      this.#push(chunk);
      this.#settle();
      return;
    }
    if (this.state === 'waiting') {
      this.#held.push(chunk);
      this.#socket.pause();
      return;
    }
    const rest = this.#withoutLeftovers(chunk);
    if (rest.length === 0) return;
    // A goodbye needs no server.
    if (rest[0] === terminate) {
      this.#end('client close request');
      return;
    }
    this.#held.push(rest);
    this.#ask();
  }

  /** What the client sent last may be nothing that is answered: the rest of a COPY that has failed, a Flush. */
  #settle(): void {
    if (this.state === 'linked' && this.#splitter.isAtBoundary) this.server?.settle();
  }

  /**
   * The chunk without what is left of a COPY that has failed, which a client may go on to send for as long as it has not seen the error,
   * and without Flush: nobody answers them, and a server connection that was lent for them would never come back.
   */
  #withoutLeftovers(chunk: Buffer): Buffer {
    let bytes = this.#leftover.length === 0 ? chunk : Buffer.concat([this.#leftover, chunk]);
    this.#leftover = EMPTY;
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
      if (bytes.length === 0 || !UNANSWERED.has(bytes[0]!)) return bytes;
      if (bytes.length < HEADER) {
        this.#leftover = Buffer.from(bytes);
        return EMPTY;
      }
      const length = bytes.readInt32BE(1);
      if (length < 4 || length > this.#init.maxPacketSize) {
        this.fail({ severity: 'FATAL', code: '08P01', message: 'bad packet' }, `bad packet: a message of ${length} bytes`);
        return EMPTY;
      }
      this.#skip = length + 1;
    }
  }

  #ask(): void {
    this.state = 'waiting';
    this.since = performance.now();
    this.#deadlines.now('waiting');
    this.#leave = this.#init.borrow(
      (lease) => this.#served(lease),
      (error) => {
        this.#leave = undefined;
        const report = this.#init.refusal(error);
        this.fail(report, report.message);
      },
    );
    // Served at once.
    if (this.state !== 'waiting') this.#leave = undefined;
  }

  #served(lease: Lease<ServerConnection>): void {
    this.#leave = undefined;
    this.#lease = lease;
    this.state = 'linked';
    const server = lease.resource;
    server.link = this;
    server.used = true;
    server.onDrain = () => this.#socket.resume();
    const settings = difference(this.#init.parameters, server.parameters);
    if (settings !== undefined) server.request(queryMessage(settings), { type: query, own: true });
    const held = this.#held.splice(0);
    this.#deadlines.now('running');
    this.#socket.resume();
    for (const chunk of held) this.#push(chunk);
    this.#settle();
  }

  #push(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof BrokenStreamError)) throw error;
      this.fail({ severity: 'FATAL', code: '08P01', message: 'bad packet' }, `bad packet: ${error.message}`);
    }
  }

  wants(type: number): number {
    if (this.#init.maxPreparedStatements === 0) return 0;
    switch (type) {
      case parse: case describe: case close: return WHOLE;
      case bind: return NAMES;
      default: return 0;
    }
  }

  message(type: number, bodyLength: number, bytes: Buffer): Fate {
    const { server } = this;
    if (server === undefined) return DROP;
    if (!KNOWN.has(type)) {
      this.fail({ severity: 'FATAL', code: '08P01', message: `unknown packet type: ${type}` }, 'unknown packet');
      return DROP;
    }
    switch (type) {
      case terminate:
        this.#splitter.flush();
        this.#end('client close request');
        return DROP;
      case copyData: case flush: return PASS;
      case parse: case bind: case describe: case close:
        if (this.#init.maxPreparedStatements > 0) return this.#named(server, type, bodyLength, bytes);
    }
    server.requests.sent({ type, own: false });
    return PASS;
  }

  forward(bytes: Buffer): void {
    if (this.server?.send(bytes) === false) this.#socket.pause();
  }

  // ------------------------------------------------------------------------------------------------ prepared statements

  /** A message that may name a statement. */
  #named(server: ServerConnection, type: number, bodyLength: number, bytes: Buffer): Fate {
    const plain = (): Fate => {
      server.requests.sent({ type, own: false });
      return PASS;
    };
    if (type === parse) {
      const [nameEnd, sqlEnd] = ends(bytes, HEADER);
      if (sqlEnd < 0) return this.#malformed();
      if (nameEnd === HEADER) return plain();
      const name = bytes.toString('utf8', HEADER, nameEnd);
      const before = this.statements.get(name);
      const statement = this.statements.prepare(name, bytes.subarray(nameEnd + 1, sqlEnd), bytes.subarray(sqlEnd + 1));
      const failed = (lost: boolean): void => {
        if (!lost || this.state === 'closed' || this.statements.get(name) !== statement) return;
        this.statements.forget(name);
        if (before !== undefined) this.statements.restore(name, before);
      };
      this.#splitter.flush();
      if (server.statements.has(statement.name, server.requests.segment)) server.answer(PARSE_COMPLETE, failed);
      else this.#prepare(server, statement.name, false, parseMessage(statement.name, statement.sql, statement.types), failed);
      return DROP;
    }
    if (type === bind) {
      const [portalEnd, nameEnd] = ends(bytes, HEADER);
      if (nameEnd < 0) return this.#malformed();
      const statement = this.#present(server, bytes.toString('utf8', portalEnd + 1, nameEnd));
      if (statement === undefined) return plain();
      // The names change, and with them the length; the parameters behind them go through as they come.
      const portal = bytes.subarray(HEADER, portalEnd + 1);
      const shown = bytes.subarray(nameEnd + 1);
      const head = message(bind, portal, text(statement), shown);
      head.writeInt32BE(head.length - 1 + (bodyLength - (bytes.length - HEADER)), 1);
      this.#splitter.flush();
      server.request(head, { type, own: false });
      return REST;
    }
    const kind = bytes[HEADER];
    const name = bytes.toString('utf8', HEADER + 1, bytes.length - 1);
    if (kind !== 0x53) return plain();
    if (type === close) {
      const closed = this.statements.get(name);
      if (closed === undefined) return plain();
      this.statements.forget(name);
      this.#splitter.flush();
      server.answer(CLOSE_COMPLETE, (lost) => {
        if (lost && this.state !== 'closed' && this.statements.get(name) === undefined) this.statements.restore(name, closed);
      });
      return DROP;
    }
    const statement = this.#present(server, name);
    if (statement === undefined) return plain();
    this.#splitter.flush();
    server.request(message(describe, 'S', text(statement)), { type, own: false });
    return DROP;
  }

  /** The server's name of a statement of the client's, prepared there if it is not; undefined if the client has none of that name. */
  #present(server: ServerConnection, name: string): string | undefined {
    const statement = name === '' ? undefined : this.statements.get(name);
    if (statement === undefined) return undefined;
    if (server.statements.has(statement.name, server.requests.segment)) server.statements.touch(statement.name);
    else {
      this.#splitter.flush();
      this.#prepare(server, statement.name, true, parseMessage(statement.name, statement.sql, statement.types));
    }
    return statement.name;
  }

  #prepare(server: ServerConnection, name: string, own: boolean, bytes: Buffer, done?: (failed: boolean) => void): void {
    const { statements, requests } = server;
    if (statements.isUnsure(name, requests.segment)) server.request(closeMessage('S', name), { type: close, own: true, statement: name });
    // A copy: where an error makes the server ignore all of this, what was to go is there again at once.
    for (const oldest of [...statements.names()]) {
      if (statements.size < this.#init.maxPreparedStatements) break;
      server.request(closeMessage('S', oldest), { type: close, own: true, statement: oldest });
    }
    server.request(bytes, { type: parse, own, statement: name, ...(done === undefined ? {} : { done }) });
  }

  #malformed(): Fate {
    this.fail({ severity: 'FATAL', code: '08P01', message: 'malformed packet' }, 'malformed packet');
    return DROP;
  }

  // --------------------------------------------------------------------------------------------------- from the server

  fromServer(bytes: Buffer): boolean {
    this.bytesSent += bytes.length;
    return this.#socket.write(bytes);
  }

  parameter(name: string, value: string): void {
    if (this.#init.tracked.has(name.toLowerCase())) this.#init.parameters.set(name, value);
  }

  discarded(): void {
    this.statements.clear();
  }

  mayContinue(status: number): boolean {
    if (this.#init.mode !== 'statement' || status === TRANSACTION.idle) return true;
    const message = 'transaction blocks not allowed in statement pooling mode';
    this.fail({ severity: 'FATAL', code: '08P01', message }, message);
    return false;
  }

  ready(status: number): void {
    const outside = status === TRANSACTION.idle;
    this.#deadlines.now(outside ? 'idle' : 'idleInTransaction');
    if (this.#init.mode !== 'session' && outside && this.#splitter.isAtBoundary) this.#unlink();
  }

  serverLost(reason: string): void {
    this.#lease?.destroy(new Error(reason));
    this.#lease = undefined;
    this.fail({ severity: 'FATAL', code: '08P01', message: reason }, `server lost: ${reason}`);
  }

  /** Gives the server connection back, as soon as no cancel can hit it any more. */
  #unlink(): void {
    const lease = this.#lease!;
    this.#lease = undefined;
    this.state = 'idle';
    giveBack(lease);
  }

  // --------------------------------------------------------------------------------------------------------- the end

  #overdue(what: Overdue): void {
    if (what === 'wait') {
      const words = 'No server connection available in postgres backend, client being queued';
      this.#socket.write(noticeResponse({ code: '00000', message: words }));
      return;
    }
    this.fail({ severity: 'FATAL', code: what === 'query timeout' ? '57014' : '08P01', message: what }, what);
  }

  /** Tells the client why, and ends it. */
  fail(report: Report, reason: string): void {
    if (this.state === 'closed') return;
    if (this.#socket.writable) this.#socket.end(errorResponse(report));
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#deadlines.stop();
    this.#held = [];
    this.#leave?.();
    this.statements.clear();
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) {
      const server = lease.resource;
      server.link = undefined;
      // In the middle of something nobody knows how it would end.
      if (server.isQuiet && server.status === TRANSACTION.idle) giveBack(lease);
      else lease.destroy(new Error('client disconnected in the middle of a transaction'));
    }
    this.#socket.destroySoon();
    this.#init.closed(reason);
  }
}

function giveBack(lease: Lease<ServerConnection>): void {
  const server = lease.resource;
  server.link = undefined;
  server.onDrain = undefined;
  server.socket.resume();
  if (server.cancels === 0) lease.release();
  else server.onQuiet = () => lease.release();
}

/** Where the first and the second text end that begin at `at`; -1 if they do not. */
function ends(bytes: Buffer, at: number): readonly [number, number] {
  const first = bytes.indexOf(0, at);
  return [first, first < 0 ? -1 : bytes.indexOf(0, first + 1)];
}
