// A query of the proxy's own whose rows are of interest, with one parameter. It uses a server connection as a client does, as its link, so
// that nothing needs to be known of it elsewhere. No parameters are set for it: what an unknown client asks for has no place here.

import { Reader, reportFields } from '../wire/pg/read.ts';
import { FROM_CLIENT, FROM_SERVER } from '../wire/pg/types.ts';
import { message, parse, text } from '../wire/pg/write.ts';
import type { Link, ServerConnection } from './connection.ts';

export type Row = readonly (string | null)[];

/** What an answer may have in bytes: a name and a secret are all that anybody asks for. */
const MAX_ANSWER = 1_048_576;

/** The server did not like the query. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
}

/** The rows that a query gives for a value of its only parameter. Rejects with {@link QueryError}, or when the connection is lost. */
export function ask(server: ServerConnection, sql: string, value: string, timeoutMs: number): Promise<readonly Row[]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => server.socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    server.used = true;
    server.link = new Question(server, (answer) => {
      clearTimeout(timer);
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    });
    const { parse: parsed, bind, execute, sync } = FROM_CLIENT;
    for (const type of [parsed, bind, execute, sync]) server.requests.sent({ type, own: false });
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    server.send(Buffer.concat([
      parse('', Buffer.from(sql), Buffer.alloc(2)),
      // The parameter and what comes back are text: no formats, one value, no formats.
      message(bind, text(''), text(''), Buffer.from([0, 0, 0, 1]), length, bytes, Buffer.alloc(2)),
      message(execute, text(''), Buffer.alloc(4)),
      message(sync),
    ]));
  });
}

class Question implements Link {
  readonly stalled = false;
  readonly #server: ServerConnection;
  readonly #answered: (answer: readonly Row[] | Error) => void;
  readonly #parts: Buffer[] = [];
  #length = 0;

  constructor(server: ServerConnection, answered: (answer: readonly Row[] | Error) => void) {
    this.#server = server;
    this.#answered = answered;
  }

  fromServer(bytes: Buffer): boolean {
    this.#length += bytes.length;
    if (this.#length > MAX_ANSWER) this.#server.socket.destroy(new Error('the answer is longer than anything that was asked for'));
    else this.#parts.push(Buffer.from(bytes));
    return true;
  }

  mayContinue(): boolean {
    return false;
  }

  ready(): void {
    this.#server.link = undefined;
    try {
      this.#answered(rowsOf(Buffer.concat(this.#parts)));
    } catch (error) {
      this.#answered(error instanceof Error ? error : new Error(String(error)));
    }
  }

  goOn(): void { /* has no more to say */ }

  parameter(): void { /* is the server connection's business */ }

  completed(): void { /* leaves nothing behind that anybody would miss */ }

  failed(): boolean {
    return false;
  }

  outdated(): void { /* it is over in a moment */ }

  serverLost(reason: string): void {
    this.#answered(new Error(reason));
  }
}

function rowsOf(bytes: Buffer): readonly Row[] {
  const reader = new Reader(bytes);
  const rows: Row[] = [];
  while (reader.left > 0) {
    const type = reader.byte();
    const body = new Reader(reader.bytes(reader.int32() - 4));
    if (type === FROM_SERVER.errorResponse) throw new QueryError(reportFields(body.rest()).get('M') ?? 'an error without a text');
    if (type === FROM_SERVER.dataRow) rows.push(rowOf(body));
  }
  return rows;
}

function rowOf(body: Reader): Row {
  return Array.from({ length: body.int16() }, () => {
    const length = body.int32();
    return length < 0 ? null : body.bytes(length).toString();
  });
}
