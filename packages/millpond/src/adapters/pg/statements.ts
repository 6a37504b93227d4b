// Which statements are prepared, and under which names. A statement that is seen for the second time recurs: from then on each connection
// parses and plans it once, and after that only its values travel. What is seen once (a text with its values written into it) is never
// prepared, so that it cannot push out what recurs. The server keeps what is prepared until its connection ends, so each connection has a
// limit; the least recently used one is closed for a new one.
//
// The name is made from the text. Two connections, two processes, two releases of a program give the same text the same name, and one name
// never stands for two texts: behind a pooler that moves us from one server connection to another, a name that is there already is the
// right one, and one that is missing is an error that says so (26000), upon which the statement is prepared again.

import { createHash } from 'node:crypto';
import type { DriverField, DriverResult } from './driver.ts';

/** Seen before, but not in the last so many different texts: as good as new. */
const REMEMBERED = 1_000;
/** Longer texts are written by programs, for many rows at once: they do not recur, and remembering them would cost what they are long. */
const LONGEST = 10_000;

/**
 * So many names that the server did not know any more, and a twentieth of all executions, are more than a `DEALLOCATE ALL` now and then.
 */
const TOLERATED_LOSSES = 16;
const TOLERATED_SHARE = 1 / 20;

/** What the connections of one pool have in common: which texts recur, and whether preparing them is of any use here. */
export class PreparePolicy {
  /** How many are kept per connection; 0: none are prepared. */
  limit: number;
  // Texts that ran, in two halves: when the younger is full, the older is forgotten.
  private young = new Set<string>();
  private old = new Set<string>();
  private losses = 0;
  private executions = 0;
  private readonly pool: () => string;

  constructor(limit: number, pool: () => string) {
    this.limit = limit;
    this.pool = pool;
  }

  recurs(text: string): boolean {
    return this.young.has(text) || this.old.has(text);
  }

  /** A statement has succeeded without a name. One that fails each time is not worth preparing, and might fail in other words then. */
  ran(text: string): void {
    if (this.limit === 0 || text.length > LONGEST || this.young.has(text)) return;
    if (this.young.size >= REMEMBERED) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(text);
  }

  executed(): void {
    this.executions++;
  }

  /** The server did not know a name that it had been given: somebody deallocates them, or a pooler changes the session under us. */
  lost(): void {
    this.losses++;
    if (this.limit === 0 || this.losses < TOLERATED_LOSSES || this.losses < this.executions * TOLERATED_SHARE) return;
    this.limit = 0;
    process.emitWarning(
      `Pool "${this.pool()}": the server keeps losing prepared statements, so none are prepared any more. Is there a pooler in transaction `
        + 'mode between? Say prepare: false, or let it track prepared statements.',
      { code: 'MILLPOND_PREPARE_OFF' },
    );
  }
}

/** Columns, and what node-postgres makes of them: a parser each, and a row without values. */
export interface Columns {
  readonly fields: readonly DriverField[];
  readonly parsers: DriverResult['_parsers'];
  readonly blank: DriverResult['_prebuiltEmptyResultObject'];
}

/**
 * One statement that is prepared on one connection, or about to be. When the server has lost it, another takes its place under the same
 * name.
 */
export class Prepared {
  readonly text: string;
  readonly name: string;
  /** Parse has been sent. */
  sent = false;
  /** The server has confirmed it. */
  ready = false;
  /** The server may know its name already, with a plan that has gone stale. */
  readonly replaces: boolean;
  /** Its columns, once the server has described them; empty for a statement that returns no rows. */
  fields: readonly DriverField[] | undefined = undefined;
  /** What was found out about them. */
  columns: Columns | undefined = undefined;
  usedAt = 0;

  constructor(text: string, name: string, replaces: boolean) {
    this.text = text;
    this.name = name;
    this.replaces = replaces;
  }
}

/** What is prepared on one connection. */
export class PreparedStatements {
  private readonly byText = new Map<string, Prepared>();
  private readonly limit: number;
  private uses = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  find(text: string): Prepared | undefined {
    const found = this.byText.get(text);
    if (found !== undefined) found.usedAt = ++this.uses;
    return found;
  }

  /** A place for one more. `evicted` is told of the one that has to go for it, whose name must be closed at the server. */
  add(text: string, evicted: (prepared: Prepared) => void): Prepared {
    if (this.byText.size >= this.limit) {
      const least = this.leastRecent();
      this.byText.delete(least.text);
      evicted(least);
    }
    return this.put(new Prepared(text, nameOf(text), false));
  }

  /**
   * It is no good any more: the next execution parses it anew. Those that are under way with it keep it, and what they know of its columns.
   * False: it has been replaced already, on behalf of another.
   */
  replace(prepared: Prepared): boolean {
    if (this.byText.get(prepared.text) !== prepared) return false;
    this.put(new Prepared(prepared.text, prepared.name, true));
    return true;
  }

  /** The server has forgotten all of them (DISCARD ALL). */
  clear(): void {
    this.byText.clear();
  }

  private put(prepared: Prepared): Prepared {
    prepared.usedAt = ++this.uses;
    this.byText.set(prepared.text, prepared);
    return prepared;
  }

  private leastRecent(): Prepared {
    let least: Prepared | undefined;
    for (const each of this.byText.values()) if (least === undefined || each.usedAt < least.usedAt) least = each;
    return least!;
  }
}

function nameOf(text: string): string {
  return `mp_${createHash('sha256').update(text).digest('base64url').slice(0, 16)}`;
}

// ------------------------------------------------------------------------------------------------------------ what may share a connection

// Comments nest in PostgreSQL; one that holds another is not looked through.
const SPACE = String.raw`(?:\s|--[^\n\r]*[\n\r]|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*))*\*\/)*`;
const SHAREABLE = new RegExp(`^${SPACE}(?:\\(${SPACE})*(?:select|insert|update|delete|with|values|merge|table)\\b`, 'i');

/**
 * Whether this text is one statement that is over when it is over: a query or a change of data. Only such share a connection or are
 * prepared; BEGIN, SET, LISTEN, COPY, a procedure that commits, several statements at once and whatever else is not known to be harmless go
 * alone. In doubt no: a semicolon inside of a string is doubt enough.
 */
export function isShareable(text: string): boolean {
  const semicolon = text.indexOf(';');
  if (semicolon !== -1 && text.slice(semicolon + 1).trim() !== '') return false;
  return SHAREABLE.test(text);
}
