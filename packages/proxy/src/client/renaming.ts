// What a client says of its prepared statements, said to a server: under the name that servers know them by, prepared where they are
// missing, and answered here where the server has nothing to do. Everything else passes as it is.

import type { ServerConnection } from '../server/connection.ts';
import type { Request } from '../server/requests.ts';
import type { Counts } from '../stats/counts.ts';
import { DROP, HEADER, HOLD, PASS, REST, type Fate } from '../wire/pg/splitter.ts';
import { FROM_CLIENT, FROM_SERVER, TRANSACTION } from '../wire/pg/types.ts';
import { close as closeMessage, message, parse as parseMessage, text } from '../wire/pg/write.ts';
import type { ClientStatements } from './statements.ts';

export interface RenamingInit {
  readonly statements: ClientStatements;
  readonly counts: Counts;
  readonly live: { readonly maxPreparedStatements: number };
  /** Passes on what came before the message at hand: what is sent here stands behind it. */
  readonly flush: () => void;
  /** The client has gone: what it had is forgotten. */
  readonly isOver: () => boolean;
  readonly warn: (words: string) => void;
  /** The message makes no sense. */
  readonly malformed: () => void;
}

/** S: of a Describe or Close that is about a statement. */
const STATEMENT = 0x53;
const WHOLE = Number.POSITIVE_INFINITY;
/** As much of a Bind as its two names may need. */
const NAMES = 1_024;
const PARSE_COMPLETE = message(FROM_SERVER.parseComplete);
const CLOSE_COMPLETE = message(FROM_SERVER.closeComplete);
const { bind, close, describe, parse } = FROM_CLIENT;

export class Renaming {
  readonly #init: RenamingInit;
  /** The first Bind since somebody has set this to undefined. */
  firstBind: Request | undefined = undefined;

  /**
   * What the client has changed and the server has not answered, by the client's name: between which Syncs it stands. What comes behind the
   * next Sync does not fail with it, and cannot be said before it is known what became of it.
   */
  readonly #changes = new Map<string, number[]>();
  /** Of the names that the client has given to statements. */
  #longest = 0;

  constructor(init: RenamingInit) {
    this.#init = init;
  }

  /** A change is under way; returns what is to be called when it has been answered. */
  #changing(name: string, segment: number): () => void {
    const segments = this.#changes.get(name) ?? [];
    segments.push(segment);
    this.#changes.set(name, segments);
    return () => {
      segments.splice(segments.indexOf(segment), 1);
      if (segments.length === 0) this.#changes.delete(name);
    };
  }

  #isUnsure(name: string, segment: number): boolean {
    return this.#changes.size > 0 && this.#changes.get(name)?.some((each) => each < segment) === true;
  }

  /** How much of a message of this type has to be seen. */
  wants(type: number): number {
    switch (type) {
      case parse: case describe: case close: return WHOLE;
      case bind: return NAMES + this.#longest;
      default: return 0;
    }
  }

  /** A message that may name a statement. */
  message(server: ServerConnection, type: number, bodyLength: number, bytes: Buffer): Fate {
    switch (type) {
      case parse: return this.#parse(server, bytes);
      case bind: return this.#bind(server, bodyLength, bytes);
    }
    const name = bytes.toString('utf8', HEADER + 1, bytes.length - 1);
    if (bytes[HEADER] !== STATEMENT) return plain(server, type);
    if (this.#isUnsure(name, server.requests.segment)) return HOLD;
    if (type === close) return this.#close(server, name);
    const statement = this.#present(server, name);
    if (statement === undefined) return plain(server, type, name !== '');
    this.#init.flush();
    server.request(message(describe, 'S', text(statement)), { type, own: false });
    return DROP;
  }

  #parse(server: ServerConnection, bytes: Buffer): Fate {
    const [nameEnd, sqlEnd] = ends(bytes, HEADER);
    if (sqlEnd < 0) return this.#malformed();
    if (nameEnd === HEADER) return plain(server, parse);
    const name = bytes.toString('utf8', HEADER, nameEnd);
    const [sql, types] = [bytes.subarray(nameEnd + 1, sqlEnd), bytes.subarray(sqlEnd + 1)];
    const { statements, counts } = this.#init;
    const { segment } = server.requests;
    if (this.#isUnsure(name, segment)) return HOLD;
    this.#longest = Math.max(this.#longest, nameEnd - HEADER);
    counts.clientParses++;
    const taken = this.#present(server, name);
    this.#init.flush();
    if (taken !== undefined) return this.#refuseTaken(server, name, taken, sql, types);
    const statement = statements.prepare(name, sql, types);
    const changed = this.#changing(name, segment);
    const done = (lost: boolean): void => {
      changed();
      if (lost && statements.is(name, statement)) statements.forget(name);
    };
    if (server.status !== TRANSACTION.failed && server.statements.has(statement.name, segment)) server.answer(PARSE_COMPLETE, done);
    else this.#prepare(server, statement.name, false, parseMessage(statement.name, statement.sql, statement.types), done);
    return DROP;
  }

  /** The client has a statement of this name already: the server says so, when it comes to that. */
  #refuseTaken(server: ServerConnection, name: string, taken: string, sql: Buffer, types: Buffer): Fate {
    this.#init.warn(`prepared statement '${name}' was already prepared`);
    const [ownSql, ownTypes] = [Buffer.from(sql), Buffer.from(types)];
    const done = (lost: boolean): void => {
      if (lost || this.#init.isOver()) return;
      // What was sent before has dropped it: the name belongs to another text, and the client to its new one.
      closeAt(server, taken);
      this.#init.statements.restore(name, { name: taken, sql: ownSql, types: ownTypes });
    };
    server.request(parseMessage(taken, ownSql, ownTypes), { type: parse, own: false, done });
    return DROP;
  }

  #bind(server: ServerConnection, bodyLength: number, bytes: Buffer): Fate {
    const [portalEnd, nameEnd] = ends(bytes, HEADER);
    if (nameEnd < 0) return this.#malformed();
    const name = bytes.toString('utf8', portalEnd + 1, nameEnd);
    if (this.#isUnsure(name, server.requests.segment)) return HOLD;
    const statement = this.#present(server, name);
    if (statement === undefined) return plain(server, bind, name !== '');
    this.#init.counts.binds++;
    // The names change, and with them the length; the parameters behind them go through as they come.
    const portal = bytes.subarray(HEADER, portalEnd + 1);
    const shown = bytes.subarray(nameEnd + 1);
    const head = message(bind, portal, text(statement), shown);
    head.writeInt32BE(head.length - 1 + (bodyLength - (bytes.length - HEADER)), 1);
    this.#init.flush();
    const request: Request = { type: bind, own: false, bound: statement };
    this.firstBind ??= request;
    server.request(head, request);
    return REST;
  }

  #close(server: ServerConnection, name: string): Fate {
    const { statements } = this.#init;
    const closed = statements.get(name);
    if (closed === undefined) return plain(server, close);
    statements.forget(name);
    this.#init.flush();
    const changed = this.#changing(name, server.requests.segment);
    // An error before it takes it along: then it is still there.
    server.answer(CLOSE_COMPLETE, (lost) => {
      changed();
      if (lost && !this.#init.isOver()) statements.restore(name, closed);
    });
    return DROP;
  }

  /** The server's name of a statement of the client's, prepared there if it is not; undefined if the client has none of that name. */
  #present(server: ServerConnection, name: string): string | undefined {
    const statement = name === '' ? undefined : this.#init.statements.get(name);
    if (statement === undefined) return undefined;
    const { statements, requests } = server;
    if (statements.has(statement.name, requests.segment) || statements.isPromised(statement.name)) statements.touch(statement.name);
    else {
      this.#init.flush();
      this.#prepare(server, statement.name, true, parseMessage(statement.name, statement.sql, statement.types));
    }
    return statement.name;
  }

  #prepare(server: ServerConnection, name: string, own: boolean, bytes: Buffer, done?: (failed: boolean) => void): void {
    const { statements, requests } = server;
    // It may be there in spite of what is expected.
    if (statements.isThere(name) || statements.isUnsure(name, requests.segment)) closeAt(server, name);
    if (statements.size >= this.#init.live.maxPreparedStatements) this.#makeRoom(server);
    this.#init.counts.serverParses++;
    server.request(bytes, { type: parse, own, statement: name, ...(done === undefined ? {} : { done }) });
  }

  #makeRoom(server: ServerConnection): void {
    // A copy: where an error makes the server ignore all of this, what was to go is there again at once.
    for (const oldest of [...server.statements.names()]) {
      if (server.statements.size < this.#init.live.maxPreparedStatements) break;
      closeAt(server, oldest);
    }
  }

  #malformed(): Fate {
    this.#init.malformed();
    return DROP;
  }
}

/** Ends a statement, by its name at servers. */
function closeAt(server: ServerConnection, name: string): void {
  server.request(closeMessage('S', name), { type: close, own: true, statement: name });
}

/** It passes as it is. `unknown`: it names a statement that the client has not prepared. */
function plain(server: ServerConnection, type: number, unknown = false): Fate {
  server.requests.sent(unknown ? { type, own: false, unknown } : { type, own: false });
  return PASS;
}

/** Where the first and the second text end that begin at `at`; -1 if they do not. */
function ends(bytes: Buffer, at: number): readonly [number, number] {
  const first = bytes.indexOf(0, at);
  return [first, first < 0 ? -1 : bytes.indexOf(0, first + 1)];
}
