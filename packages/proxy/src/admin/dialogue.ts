// What is said in the console, by the protocol: simple queries, and the extended protocol that drivers use, with statements that have no
// parameters. An error in the extended protocol takes everything up to the next Sync along. Commands are run one after the other.

import type { Reader } from '../wire/pg/read.ts';
import { FROM_CLIENT, FROM_SERVER, TRANSACTION } from '../wire/pg/types.ts';
import {
  commandComplete, dataRow, emptyQueryResponse, errorResponse, message, noticeResponse, readyForQuery, rowDescription, type Formats,
} from '../wire/pg/write.ts';
import { isShow } from './parse.ts';
import { CommandError, type Answer } from './table.ts';

interface Portal {
  readonly text: string;
  readonly formats: Formats;
  /** What it has answered, and how many of its rows have been told. */
  answer: Answer | undefined;
  told: number;
}

const NOTHING = Buffer.alloc(0);
const PARAMETERS_NONE = Buffer.from([0, 0]);
/** Drivers keep statements and close them; nobody may keep any number. */
const MAX_KEPT = 1_000;

export class Dialogue {
  readonly #run: (text: string) => Promise<Answer> | Answer;
  readonly #statements = new Map<string, string>();
  readonly #portals = new Map<string, Portal>();
  #skipping = false;

  /** `run` rejects with {@link CommandError} for what the client is told; anything else ends the connection. */
  constructor(run: (text: string) => Promise<Answer> | Answer) {
    this.#run = run;
  }

  /** A message of the client's; what it is answered. */
  async take(type: number, body: Reader): Promise<Buffer> {
    if (type === FROM_CLIENT.sync) {
      this.#skipping = false;
      this.#portals.clear();
      return readyForQuery(TRANSACTION.idle);
    }
    if (type === FROM_CLIENT.query) return Buffer.concat([await this.#query(body.text()), readyForQuery(TRANSACTION.idle)]);
    if (this.#skipping) return NOTHING;
    try {
      return await this.#extended(type, body);
    } catch (error) {
      this.#skipping = true;
      return told(error);
    }
  }

  async #query(text: string): Promise<Buffer> {
    if (isEmpty(text)) return emptyQueryResponse();
    try {
      const { table, notice, tag } = await this.#run(text);
      const rows = table === undefined ? [] : [rowDescription(table.columns), ...table.rows.map((row) => dataRow(row))];
      return Buffer.concat([...(notice === undefined ? [] : [noticeResponse(notice)]), ...rows, commandComplete(tag)]);
    } catch (error) {
      return told(error);
    }
  }

  async #extended(type: number, body: Reader): Promise<Buffer> {
    switch (type) {
      case FROM_CLIENT.parse: return this.#parse(body);
      case FROM_CLIENT.bind: return this.#bind(body);
      case FROM_CLIENT.describe: return this.#describe(body);
      case FROM_CLIENT.execute: return this.#execute(this.#portal(body.text()), body.int32());
      case FROM_CLIENT.close: {
        const kept = body.byte() === 0x53 ? this.#statements : this.#portals;
        kept.delete(body.text());
        return message(FROM_SERVER.closeComplete);
      }
      case FROM_CLIENT.flush: return NOTHING;
      default: throw new CommandError(`unsupported packet type for admin console: ${type}`);
    }
  }

  #parse(body: Reader): Buffer {
    const [name, text] = [body.text(), body.text()];
    if (this.#statements.size >= MAX_KEPT && !this.#statements.has(name)) throw new CommandError('too many prepared statements');
    this.#statements.set(name, text);
    return message(FROM_SERVER.parseComplete);
  }

  #bind(body: Reader): Buffer {
    const [name, text] = [body.text(), this.#statement(body.text())];
    for (let left = body.int16(); left > 0; left--) body.int16();
    if (body.int16() !== 0) throw new CommandError('the console takes no parameters');
    const formats = Array.from({ length: Math.max(0, body.int16()) }, () => body.int16() === 1);
    this.#portals.set(name, { text, formats, answer: undefined, told: 0 });
    return message(FROM_SERVER.bindComplete);
  }

  /** Looking does no harm, so what a SHOW would show is found out by showing it; everything else has no rows. */
  async #describe(body: Reader): Promise<Buffer> {
    if (body.byte() === 0x53) {
      const text = this.#statement(body.text());
      const shown = isShow(text) ? await this.#run(text) : undefined;
      return Buffer.concat([message(FROM_SERVER.parameterDescription, PARAMETERS_NONE), description(shown, [])]);
    }
    const portal = this.#portal(body.text());
    if (isShow(portal.text)) portal.answer ??= await this.#run(portal.text);
    return description(portal.answer, portal.formats);
  }

  async #execute(portal: Portal, most: number): Promise<Buffer> {
    if (isEmpty(portal.text)) return emptyQueryResponse();
    portal.answer ??= await this.#run(portal.text);
    const { table, notice, tag } = portal.answer;
    const said = notice === undefined || portal.told > 0 ? [] : [noticeResponse(notice)];
    if (table === undefined) return Buffer.concat([...said, commandComplete(tag)]);
    const types = table.columns.map(([, type]) => type);
    const formats = formatsOf(portal.formats, types.length);
    const end = most > 0 ? Math.min(table.rows.length, portal.told + most) : table.rows.length;
    const rows = table.rows.slice(portal.told, end).map((row) => dataRow(row, formats, types));
    const rest = table.rows.length > end;
    portal.told = end;
    return Buffer.concat([...said, ...rows, rest ? message(FROM_SERVER.portalSuspended) : commandComplete(tag)]);
  }

  #statement(name: string): string {
    const text = this.#statements.get(name);
    if (text === undefined) throw new CommandError(`prepared statement "${name}" does not exist`, '26000');
    return text;
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (portal === undefined) throw new CommandError(`portal "${name}" does not exist`, '34000');
    return portal;
  }
}

function description(answer: Answer | undefined, formats: Formats): Buffer {
  const columns = answer?.table?.columns;
  return columns === undefined ? message(FROM_SERVER.noData) : rowDescription(columns, formatsOf(formats, columns.length));
}

/** One format is for all columns. */
function formatsOf(formats: Formats, columns: number): Formats {
  return formats.length === 1 ? Array.from({ length: columns }, () => formats[0]!) : formats;
}

function told(error: unknown): Buffer {
  if (!(error instanceof CommandError)) throw error;
  return errorResponse({ code: error.code, message: error.message });
}

function isEmpty(text: string): boolean {
  return /^[\s;]*$/.test(text);
}
