// What a client says of its prepared statements, said to a server: under the name that servers know them by, prepared where they are
// missing, and answered here where the server has nothing to do. Everything else passes as it is.

import type { ServerConnection } from '../server/connection.ts';
import type { Request } from '../server/requests.ts';
import type { Counts } from '../stats/counts.ts';
import { DROP, HEADER, PASS, REST, type Fate } from '../wire/pg/splitter.ts';
import { FROM_CLIENT, FROM_SERVER } from '../wire/pg/types.ts';
import { close as closeMessage, message, parse as parseMessage, text } from '../wire/pg/write.ts';
import type { ClientStatements } from './statements.ts';

export interface RenamingInit {
  readonly statements: ClientStatements;
  readonly counts: Counts;
  readonly live: { readonly maxPreparedStatements: number };
  /** Passes on what came before the message at hand: what is sent here stands behind it. */
  readonly flush: () => void;
  /** The message makes no sense. */
  readonly malformed: () => void;
}

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

  constructor(init: RenamingInit) {
    this.#init = init;
  }

  /** How much of a message of this type has to be seen. */
  static wants(type: number): number {
    switch (type) {
      case parse: case describe: case close: return WHOLE;
      case bind: return NAMES;
      default: return 0;
    }
  }

  /** A message that may name a statement. */
  message(server: ServerConnection, type: number, bodyLength: number, bytes: Buffer): Fate {
    const plain = (unknown = false): Fate => {
      server.requests.sent(unknown ? { type, own: false, unknown } : { type, own: false });
      return PASS;
    };
    if (type === parse) {
      const [nameEnd, sqlEnd] = ends(bytes, HEADER);
      if (sqlEnd < 0) return this.#malformed();
      if (nameEnd === HEADER) return plain();
      const name = bytes.toString('utf8', HEADER, nameEnd);
      this.#init.counts.clientParses++;
      const taken = this.#present(server, name);
      if (taken !== undefined) {
        // The server says so, where the client has to be told.
        this.#init.flush();
        server.request(parseMessage(taken, bytes.subarray(nameEnd + 1, sqlEnd), bytes.subarray(sqlEnd + 1)), { type, own: false });
        return DROP;
      }
      const statement = this.#init.statements.prepare(name, bytes.subarray(nameEnd + 1, sqlEnd), bytes.subarray(sqlEnd + 1));
      const failed = (lost: boolean): void => {
        if (lost && this.#init.statements.get(name) === statement) this.#init.statements.forget(name);
      };
      this.#init.flush();
      if (server.statements.has(statement.name)) server.answer(PARSE_COMPLETE, failed);
      else this.#prepare(server, statement.name, false, parseMessage(statement.name, statement.sql, statement.types), failed);
      return DROP;
    }
    if (type === bind) {
      const [portalEnd, nameEnd] = ends(bytes, HEADER);
      if (nameEnd < 0) return this.#malformed();
      const name = bytes.toString('utf8', portalEnd + 1, nameEnd);
      const statement = this.#present(server, name);
      if (statement === undefined) return plain(name !== '');
      this.#init.counts.binds++;
      // The names change, and with them the length; the parameters behind them go through as they come.
      const portal = bytes.subarray(HEADER, portalEnd + 1);
      const shown = bytes.subarray(nameEnd + 1);
      const head = message(bind, portal, text(statement), shown);
      head.writeInt32BE(head.length - 1 + (bodyLength - (bytes.length - HEADER)), 1);
      this.#init.flush();
      const request: Request = { type, own: false, bound: statement };
      this.firstBind ??= request;
      server.request(head, request);
      return REST;
    }
    const kind = bytes[HEADER];
    const name = bytes.toString('utf8', HEADER + 1, bytes.length - 1);
    if (kind !== 0x53) return plain();
    if (type === close) {
      const closed = this.#init.statements.get(name);
      if (closed === undefined) return plain();
      this.#init.statements.forget(name);
      this.#init.flush();
      // An error before it takes it along: then it is still there.
      server.answer(CLOSE_COMPLETE, (lost) => {
        if (lost) this.#init.statements.prepare(name, closed.sql, closed.types);
      });
      return DROP;
    }
    const statement = this.#present(server, name);
    if (statement === undefined) return plain(name !== '');
    this.#init.flush();
    server.request(message(describe, 'S', text(statement)), { type, own: false });
    return DROP;
  }

  /** The server's name of a statement of the client's, prepared there if it is not; undefined if the client has none of that name. */
  #present(server: ServerConnection, name: string): string | undefined {
    const statement = name === '' ? undefined : this.#init.statements.get(name);
    if (statement === undefined) return undefined;
    if (server.statements.has(statement.name)) {
      // It is the one that was used last.
      server.statements.delete(statement.name);
      server.statements.set(statement.name, true);
    } else {
      this.#init.flush();
      this.#prepare(server, statement.name, true, parseMessage(statement.name, statement.sql, statement.types));
    }
    return statement.name;
  }

  #prepare(server: ServerConnection, name: string, own: boolean, bytes: Buffer, done?: (failed: boolean) => void): void {
    for (const oldest of server.statements.keys()) {
      if (server.statements.size < this.#init.live.maxPreparedStatements) break;
      server.statements.delete(oldest);
      server.request(closeMessage('S', oldest), { type: close, own: true });
    }
    server.statements.set(name, true);
    this.#init.counts.serverParses++;
    server.request(bytes, { type: parse, own, statement: name, ...(done === undefined ? {} : { done }) });
  }

  #malformed(): Fate {
    this.#init.malformed();
    return DROP;
  }
}

/** Where the first and the second text end that begin at `at`; -1 if they do not. */
function ends(bytes: Buffer, at: number): readonly [number, number] {
  const first = bytes.indexOf(0, at);
  return [first, first < 0 ? -1 : bytes.indexOf(0, first + 1)];
}
