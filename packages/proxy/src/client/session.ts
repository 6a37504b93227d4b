// A client that is logged in. It has a server connection while it needs one: for a statement, a transaction or as long as it is there, by
// its pool mode. What it sends is cut into messages only to know what the server will owe an answer to, and to give prepared statements
// the names that servers know them by.
//
//   idle ── something to do ──▶ waiting ── a server connection ──▶ linked ── nothing owed, outside of a transaction ──▶ idle
//                                  │                                  │
//                                  └── query_wait_timeout ──▶ closed ◀┴── the server is lost, the client goes

import type { Socket } from 'node:net';
import type { PoolMode } from '../config/config.ts';
import type { ServerConnection, Link } from '../server/connection.ts';
import type { Borrower, Loan, ServerPool } from '../server/pool.ts';
import type { Request } from '../server/requests.ts';
import type { Meter } from '../stats/counts.ts';
import { farewell } from '../wire/farewell.ts';
import { feed } from '../wire/pg/feed.ts';
import { DROP, HEADER, PASS, Splitter, type Fate, type Sink } from '../wire/pg/splitter.ts';
import { FROM_CLIENT, TRANSACTION } from '../wire/pg/types.ts';
import { close as closeMessage, errorResponse, noticeResponse, type Report } from '../wire/pg/write.ts';
import { Deadlines, type Limits, type Overdue } from './deadlines.ts';
import { Following } from './following.ts';
import { Lasting, LOOKED_AT, type SessionFeature } from './lasting.ts';
import { Leftovers } from './leftovers.ts';
import { Renaming } from './renaming.ts';
import { ClientStatements, type StatementNames } from './statements.ts';

/** Settings that sessions look at while they run; one object for all of them, changed in place. */
export interface Live {
  /** 0: clients' own names go through. */
  maxPreparedStatements: number;
  /** Connections that are to be replaced are closed under clients in session mode, too. */
  fastClose: boolean;
  /** A client that does what one transaction cannot hold keeps its server connection. */
  pins: boolean;
}

export interface SessionInit {
  readonly socket: Socket;
  /** Where its server connections come from; it may become another one while it is connected. */
  readonly target: { readonly pool: ServerPool | undefined };
  /** Tracked parameters, by the spelling of servers. The session follows what the client sets. */
  readonly parameters: Map<string, string>;
  readonly tracked: ReadonlyMap<string, string>;
  readonly statementNames: StatementNames;
  readonly maxPacketSize: number;
  readonly live: Readonly<Live>;
  readonly limits: Limits;
  /** Counts what is done here. */
  readonly meter: Meter;
  /** Asks for a server connection, which may come at once. */
  readonly borrow: (borrower: Borrower) => void;
  /** What was borrowed is not needed any more, and may have to be cleaned. */
  readonly giveBack: (loan: Loan) => void;
  /** What to tell a client that gets no server connection; undefined: it has been asked for once more, somewhere else. */
  readonly refusal: (error: unknown) => Report | undefined;
  /** What the client has left unfinished at the server is to be ended there. Rejects if that cannot be. */
  readonly recover: (server: ServerConnection) => Promise<void>;
  readonly detected: (feature: SessionFeature) => void;
  readonly debug: (words: string) => void;
  readonly warn: (words: string) => void;
  /** Called once, when it is over; with what the client was told, if it was. */
  readonly closed: (reason: string, told?: Report) => void;
}

export type SessionState = 'idle' | 'waiting' | 'linked' | 'closed';

const INVALID_STATEMENT_NAME = '26000';
const FEATURE_NOT_SUPPORTED = '0A000';
const { bind, close, copyData, describe, flush, parse, query, terminate } = FROM_CLIENT;
/** What there is to remember of a message of each type that is passed on as it is; undefined: there is no such type. */
const PLAIN: readonly (Request | undefined)[] = plainRequests();

export class ClientSession implements Link, Sink, Borrower {
  readonly statements: ClientStatements;
  state: SessionState = 'idle';
  /** What it has sent last depends on what the server has not answered yet. */
  stalled = false;
  /** When it began to wait, or its transaction to run; of a clock that only counts. */
  since = 0;
  readonly #init: SessionInit;
  readonly #socket: Socket;
  readonly #meter: Meter;
  readonly #splitter: Splitter;
  /** Its statements have other names at servers. */
  #renames = false;
  /** What it asks for is looked at, for what it may leave behind. */
  #looks = false;
  /** It keeps its server connection until it goes. */
  #pinned = false;
  readonly #following: Following;
  readonly #lasting: Lasting;
  /** What could be sent once more if the server will not have a plan: a chunk that is all that the server has to do, and how it begins. */
  #batch: Buffer | undefined = undefined;
  #again: Buffer | undefined = undefined;
  /** What has come and waits for a server connection. */
  #held: Buffer | undefined = undefined;
  #heldMore: Buffer[] | undefined = undefined;
  readonly #leftovers: Leftovers;
  readonly #renaming: Renaming;
  #lease: Loan | undefined = undefined;
  readonly #deadlines: Deadlines;

  constructor(init: SessionInit) {
    this.#init = init;
    this.#socket = init.socket;
    this.#meter = init.meter;
    this.#splitter = new Splitter(this, init.maxPacketSize);
    this.statements = new ClientStatements(init.statementNames);
    this.#leftovers = new Leftovers(init.maxPacketSize, (why) => this.#badPacket(why));
    this.#renaming = new Renaming({
      statements: this.statements, counts: init.meter.counts, live: init.live,
      flush: () => this.#splitter.flush(), isOver: () => this.state === 'closed', warn: init.warn, malformed: () => this.#malformed(),
    });
    this.#lasting = new Lasting({ live: init.live, detected: init.detected });
    this.#following = new Following({
      values: init.parameters, tracked: init.tracked, debug: init.debug,
      refused: (why) => this.fail({ severity: 'FATAL', code: '08P01', message: `invalid server parameter: ${why}` }, why),
    });
    this.#deadlines = new Deadlines(init.limits, (what) => this.#overdue(what));
    this.#deadlines.now('idle');
    feed(init.socket, (chunk) => this.take(chunk));
    init.socket.on('drain', () => this.server?.socket.resume());
    init.socket.on('error', (error) => this.#end(error.message));
    init.socket.on('close', () => this.#end('client unexpected eof'));
    init.socket.on('end', () => this.#end('client unexpected eof'));
  }

  get server(): ServerConnection | undefined {
    return this.#lease?.resource;
  }

  get meter(): Meter {
    return this.#meter;
  }

  /** Bytes that have come and wait for a server connection. */
  get held(): number {
    return (this.#heldMore ?? []).reduce((sum, { length }) => sum + length, this.#held?.length ?? 0);
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.#init.parameters;
  }

  // --------------------------------------------------------------------------------------------------- from the client

  take(chunk: Buffer): void {
    if (this.state === 'closed') return;
    this.#meter.counts.received += chunk.length;
    if (this.state === 'linked' && !this.stalled) {
      this.#deadlines.now('running');
      this.#push(chunk);
      this.#settle();
      return;
    }
    if (this.state !== 'idle') {
      this.#hold(chunk);
      this.#socket.pause();
      return;
    }
    const rest = this.#leftovers.without(chunk);
    if (rest.length === 0) return;
    // A goodbye needs no server.
    if (rest[0] === terminate) {
      this.#end('client close request');
      return;
    }
    this.#hold(rest);
    this.#ask();
  }

  /** What the client sent last may be nothing that is answered: the rest of a COPY that has failed, a Flush. */
  #settle(): void {
    if (this.state === 'linked' && this.#splitter.isAtBoundary) this.server?.settle();
  }

  /** Begins with a server connection that is its own until it goes. */
  begin(loan: Loan): void {
    this.#pinned = true;
    this.#begin(loan, false);
  }

  #ask(): void {
    this.state = 'waiting';
    this.since = performance.now();
    this.#deadlines.now('waiting');
    this.#init.borrow(this);
  }

  refused(error: unknown): void {
    if (this.state !== 'waiting') return;
    const report = this.#init.refusal(error);
    if (report === undefined) this.#init.borrow(this);
    else this.fail(report, report.message);
  }

  served(loan: Loan): void {
    this.#begin(loan, true);
  }

  #begin(loan: Loan, settles: boolean): void {
    this.#lease = loan;
    this.state = 'linked';
    const server = loan.resource;
    server.link = this;
    server.used = true;
    const session = this.#mode === 'session';
    this.#renames = this.#init.live.maxPreparedStatements > 0 && !session;
    this.#looks = !session && this.#lasting.looks > 0;
    const settings = settles ? this.#following.missingAt(server) : undefined;
    if (settings !== undefined) {
      // In one write with what the client wants.
      server.cork();
      this.#following.adjust(server, settings);
    }
    if (settles) this.#meter.served(performance.now() - this.since);
    this.#deadlines.now(settles ? 'running' : 'idle');
    // Before anything is sent: that may pause it again.
    if (this.#socket.isPaused()) this.#socket.resume();
    if (this.#held !== undefined) {
      this.#pushHeld();
      this.#settle();
    }
    if (settings !== undefined && !server.uncork() && this.server === server) this.#socket.pause();
  }

  #hold(chunk: Buffer): void {
    if (this.#held === undefined) this.#held = chunk;
    else (this.#heldMore ??= []).push(chunk);
  }

  #pushHeld(): void {
    const [first, more] = [this.#held, this.#heldMore];
    if (first === undefined) return;
    this.#held = undefined;
    this.#heldMore = undefined;
    this.#push(first);
    for (const chunk of more ?? []) {
      if (this.stalled) this.#hold(chunk);
      else this.#push(chunk);
    }
  }

  drained(): void {
    if (!this.stalled) this.#socket.resume();
  }

  goOn(): void {
    this.stalled = false;
    this.#pushHeld();
    if (!this.stalled && this.#socket.isPaused()) this.#socket.resume();
  }

  get #mode(): PoolMode {
    return this.#init.target.pool?.mode ?? 'session';
  }

  #push(chunk: Buffer): void {
    const { server } = this;
    // What came before in the same breath has ended it.
    if (server === undefined) return;
    const alone = server.requests.owed === 0 && server.status === TRANSACTION.idle && chunk[0] === bind && this.#splitter.isAtBoundary;
    this.#batch = alone && endsInSync(chunk) ? chunk : undefined;
    this.#renaming.firstBind = undefined;
    const { segment } = server.requests;
    server.cork();
    try {
      this.#split(chunk);
      // More than one Sync: what stands between them would run once more.
      if (this.stalled || server.requests.segment !== segment + 1) this.#batch = undefined;
    } catch (error) {
      // Whatever it is: this client is not understood any more, and the others go on.
      this.#badPacket(error instanceof Error ? error.message : String(error));
    } finally {
      // It may be another client's by now, or nobody's; what was said has to be sent in any case.
      if (!server.uncork() && this.server === server) this.#socket.pause();
    }
  }

  #split(chunk: Buffer): void {
    const rest = this.#splitter.push(chunk);
    if (rest === undefined) return;
    this.stalled = true;
    this.#hold(rest);
  }

  #badPacket(why: string): void {
    this.fail({ severity: 'FATAL', code: '08P01', message: 'bad packet' }, `bad packet: ${why}`);
  }

  wants(type: number): number {
    const looked = this.#looks && (type === query || type === parse) ? LOOKED_AT : 0;
    return this.#renames ? Math.max(looked, this.#renaming.wants(type)) : looked;
  }

  message(type: number, bodyLength: number, bytes: Buffer): Fate {
    const { server } = this;
    if (server === undefined) return DROP;
    const request = PLAIN[type];
    if (request === undefined) {
      this.fail({ severity: 'FATAL', code: '08P01', message: `unknown packet type: ${type}` }, 'unknown packet');
      return DROP;
    }
    switch (type) {
      case terminate:
        this.#splitter.flush();
        this.#end('client close request');
        return DROP;
      case copyData: case flush: return PASS;
    }
    this.#meter.asked();
    if (this.#looks && (type === query || type === parse)) this.#lasting.saw(bytes);
    switch (type) {
      case parse: case bind: case describe: case close:
        if (this.#renames) return this.#renaming.message(server, type, bodyLength, bytes);
    }
    server.requests.sent(request);
    return PASS;
  }

  forward(bytes: Buffer): void {
    if (this.server?.send(bytes) === false) this.#socket.pause();
  }

  #malformed(): void {
    this.fail({ severity: 'FATAL', code: '08P01', message: 'malformed packet' }, 'malformed packet');
  }

  // --------------------------------------------------------------------------------------------------- from the server

  fromServer(bytes: Buffer): boolean {
    this.#meter.counts.sent += bytes.length;
    return this.#socket.write(bytes);
  }

  parameter(name: string, value: string): void {
    this.#following.told(name, value);
  }

  completed(tag: string): void {
    // What was prepared behind it, in the same breath, is not meant.
    if (tag.endsWith(' ALL')) this.statements.clear(this.server!.requests.pendingStatements());
    else if (this.#mode !== 'session') this.#lasting.completed(tag, this.server!);
  }

  failed(request: Request | undefined, fields: ReadonlyMap<string, string>): boolean {
    const code = fields.get('C');
    if (request?.unknown === true && code === INVALID_STATEMENT_NAME) {
      const message = 'prepared statement did not exist';
      this.#init.warn(message);
      this.fromServer(errorResponse({ code, message, detail: fields.get('M') ?? '' }));
      return true;
    }
    // The table is another one since the statement was prepared. The client does not know that servers know its statement for longer.
    if (code !== FEATURE_NOT_SUPPORTED || request?.bound === undefined || request !== this.#renaming.firstBind) return false;
    if (fields.get('R') !== 'RevalidateCachedQuery') return false;
    this.server!.stale = request.bound;
    this.#again = this.#batch;
    return this.#again !== undefined;
  }

  outdated(server: ServerConnection): void {
    if (!this.#init.live.fastClose || !server.isQuiet || server.status !== TRANSACTION.idle) return;
    const words = server.outdated ?? 'database configuration changed';
    this.fail({ severity: 'FATAL', code: '08P01', message: words }, words);
  }

  mayContinue(status: number): boolean {
    this.#lasting.ready(this.#following.changes);
    this.#following.changes = 0;
    if (this.#again !== undefined) return false;
    if (status === TRANSACTION.idle || this.#mode !== 'statement') return true;
    const words = 'transaction blocks not allowed in statement pooling mode';
    this.fail({ severity: 'FATAL', code: '08P01', message: words }, words);
    return false;
  }

  ready(status: number): void {
    if (this.#again !== undefined) {
      this.#repeat(this.#again);
      return;
    }
    const outside = status === TRANSACTION.idle;
    this.#meter.answered(outside);
    this.#deadlines.now(outside ? 'idle' : 'idleInTransaction');
    if (!outside || !this.#splitter.isAtBoundary) return;
    if (this.#mode !== 'session' && !this.#pinned && !this.#lasting.pins) this.#unlink();
    else if (this.server!.outdated !== undefined) this.outdated(this.server!);
  }

  /** Sends what failed for its plan once more, with the statement prepared anew. */
  #repeat(chunk: Buffer): void {
    this.#again = undefined;
    this.#batch = undefined;
    const server = this.server!;
    const { stale } = server;
    server.stale = undefined;
    if (stale !== undefined && server.statements.isThere(stale)) {
      server.request(closeMessage('S', stale), { type: close, own: true, statement: stale });
    }
    this.#split(chunk);
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
    // It may have been paused for a server that did not take more, and does not any more.
    if (this.#socket.isPaused()) this.#socket.resume();
    lease.resource.usedAt = this.#meter.at;
    this.#giveBack(lease);
  }

  #giveBack(loan: Loan): void {
    const server = loan.resource;
    server.link = undefined;
    if (server.socket.isPaused()) server.socket.resume();
    if (server.cancels > 0) server.onQuiet = () => this.#init.giveBack(loan);
    else this.#init.giveBack(loan);
  }

  // --------------------------------------------------------------------------------------------------------- the end

  #overdue(what: Overdue): void {
    if (what === 'wait') {
      const words = 'No server connection available in postgres backend, client being queued';
      this.#socket.write(noticeResponse({ code: '00000', message: words }));
      this.#deadlines.told();
      return;
    }
    this.fail({ severity: 'FATAL', code: what === 'query timeout' ? '57014' : '08P01', message: what }, what);
  }

  /** Tells the client why, and ends it. */
  fail(report: Report, reason: string): void {
    if (this.state === 'closed') return;
    this.#end(reason, report);
  }

  #end(reason: string, told?: Report): void {
    if (this.state === 'closed') return;
    const waited = this.state === 'waiting';
    this.state = 'closed';
    this.#deadlines.stop();
    this.#held = undefined;
    this.#heldMore = undefined;
    if (waited) this.#init.target.pool?.leaveLine(this);
    this.statements.end();
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) this.#leaveBehind(lease);
    // Who goes by itself reads no more: there is nothing to wait for but what could not be sent yet.
    if (told === undefined && this.#socket.writableLength === 0) this.#socket.destroy();
    else farewell(this.#socket, told === undefined ? undefined : errorResponse(told));
    this.#init.closed(reason, told);
  }

  /** What the client had is given back as it is, or, if something runs there, when that has been ended. */
  #leaveBehind(loan: Loan): void {
    const server = loan.resource;
    server.link = undefined;
    server.socket.resume();
    if (this.#pinned || this.#lasting.pins) server.dirty = true;
    if (server.isQuiet && server.status === TRANSACTION.idle) {
      this.#giveBack(loan);
      return;
    }
    // Of a message that has not come to its end nobody knows the rest.
    const recovering = this.#splitter.isAtBoundary && server.broken === undefined
      ? this.#init.recover(server) : Promise.reject(new Error('half a message'));
    recovering.then(() => this.#giveBack(loan), () => {
      server.broken ??= 'client disconnect while server was not ready';
      loan.destroy(new Error(server.broken));
    });
  }
}

function plainRequests(): (Request | undefined)[] {
  const requests = Array.from<Request | undefined>({ length: 256 });
  for (const type of Object.values(FROM_CLIENT)) requests[type] = { type, own: false };
  return requests;
}

/** Its last message is a Sync. */
function endsInSync(chunk: Buffer): boolean {
  const at = chunk.length - HEADER;
  return at > 0 && chunk[at] === FROM_CLIENT.sync && chunk.readInt32BE(at + 1) === HEADER - 1;
}
