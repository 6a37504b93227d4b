// Prepared statements while server connections change beneath the client. A client prepares a statement under a name of its own; at
// servers the same text has the same name for all clients, so that what one has prepared serves the next, and it is prepared again
// wherever it is missing. Pure: names in, names out.

/** A statement as servers know it. */
export interface Statement {
  /** At servers. */
  readonly name: string;
  readonly sql: Buffer;
  /** Number and oids of its parameters' types, as they stood in the Parse. */
  readonly types: Buffer;
}

/** All statements that some client has prepared, by text and types. */
export class StatementNames {
  readonly #known = new Map<string, { readonly statement: Statement; users: number }>();
  #next = 1;

  get size(): number {
    return this.#known.size;
  }

  /** The statement with this text; one user more. */
  enter(sql: Buffer, types: Buffer): Statement {
    const key = keyOf(sql, types);
    const known = this.#known.get(key);
    if (known !== undefined) {
      known.users++;
      return known.statement;
    }
    // Copies: what came from a socket is part of a larger buffer.
    const statement = { name: `PGBOUNCER_${this.#next++}`, sql: Buffer.from(sql), types: Buffer.from(types) };
    this.#known.set(key, { statement, users: 1 });
    return statement;
  }

  /** One user less; without users it is forgotten. */
  leave({ sql, types }: Statement): void {
    const key = keyOf(sql, types);
    const known = this.#known.get(key);
    if (known !== undefined && --known.users === 0) this.#known.delete(key);
  }
}

function keyOf(sql: Buffer, types: Buffer): string {
  return `${sql.toString('latin1')}\0${types.toString('latin1')}`;
}

/** What one client has prepared, by its own names. */
export class ClientStatements {
  readonly #names: StatementNames;
  readonly #own = new Map<string, Statement>();
  #over = false;

  constructor(names: StatementNames) {
    this.#names = names;
  }

  get size(): number {
    return this.#own.size;
  }

  get(name: string): Statement | undefined {
    return this.#own.get(name);
  }

  /** Whether it is this that the client has under this name. */
  is(name: string, { sql, types }: Statement): boolean {
    const own = this.#own.get(name);
    return own !== undefined && own.sql.equals(sql) && own.types.equals(types);
  }

  prepare(name: string, sql: Buffer, types: Buffer): Statement {
    const statement = this.#names.enter(sql, types);
    this.forget(name);
    this.#own.set(name, statement);
    return statement;
  }

  forget(name: string): void {
    const statement = this.#own.get(name);
    if (statement === undefined) return;
    this.#own.delete(name);
    this.#names.leave(statement);
  }

  /** An error has taken along what took this statement's place, or closed it. */
  restore(name: string, { sql, types }: Statement): void {
    if (!this.#over) this.prepare(name, sql, types);
  }

  /** Forgets all, for good: the client has gone. */
  end(): void {
    this.#over = true;
    this.clear();
  }

  /** Forgets all but those with these names at servers. */
  clear(but?: ReadonlySet<string>): void {
    for (const [name, statement] of [...this.#own]) if (but?.has(statement.name) !== true) this.forget(name);
  }
}
