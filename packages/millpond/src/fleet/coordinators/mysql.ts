// A fleet's coordinator on MySQL (8) or MariaDB (10.6 or newer): one CALL, one round trip, for each heartbeat. It creates what it needs in
// the database of the connection when that is missing or older.

import type { Coordinator, FleetView, Heartbeat, Reply } from '../protocol.ts';
import { unlessLost, whileAwaited, type CoordinatorClock } from './common.ts';
import { CLOCK, mysqlProcedure, mysqlTables, mysqlViews, SCHEMA_VERSION } from './mysql-schema.ts';
import { EMPTY_VIEW, numbersOf, replyFrom, termsText, viewFrom, type ViewRow } from './sql.ts';

/** A pool of mysql2 (with promises or callbacks) or of `millpond/mysql`. Not the pool that the budget is for. */
export interface MysqlFleetClient {
  query(...args: never[]): unknown;
}

export interface MysqlCoordinatorOptions {
  /** Of the budget. At most 255 bytes. */
  readonly key: string;
}

/** Throws a TypeError for what is no pool, or for a key that cannot be one. */
export function mysqlCoordinator(client: MysqlFleetClient, options: MysqlCoordinatorOptions): Coordinator {
  return new MysqlCoordinator(client, options);
}

/** No such procedure, no such table, no such column. */
const MISSING = new Set([1305, 1146, 1054]);
/** Lost against a concurrent one, which happens to those who come first; a table or the procedure has changed just now. */
const UNDONE = new Set([1213, 1412, 1615]);
const ATTEMPTS = 3;
/** The procedure, the table exists; somebody else was quicker. */
const THERE = new Set([1304, 1050]);
/** May not: in this database, this table, this routine; log_bin_trust_function_creators. */
const DENIED = new Set([1044, 1142, 1227, 1370, 1419]);

/** Of text, whatever the mode and the character set of the connection. */
const literal = (text: string): string => text === '' ? "''" : `x'${Buffer.from(text).toString('hex')}'`;

/** @internal */
export class MysqlCoordinator implements Coordinator {
  readonly #query: Query;
  readonly #key: string;
  readonly #clock: CoordinatorClock | undefined;
  #prepared: Promise<void> | undefined = undefined;

  constructor(client: MysqlFleetClient, { key }: MysqlCoordinatorOptions, clock?: CoordinatorClock) {
    if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > 255) {
      throw new TypeError('key must be a text of at most 255 bytes');
    }
    this.#query = queryOf(client);
    this.#key = literal(key);
    this.#clock = clock;
  }

  async heartbeat(request: Heartbeat, signal?: AbortSignal): Promise<Reply> {
    const { member, name, identity } = request;
    const texts = [member, name.slice(0, 255), identity, termsText(request)].map(literal);
    const told = this.#clock === undefined ? ['NULL', 'NULL'] : [this.#clock.now(), literal(this.#clock.identity())];
    const call = `CALL millpond_fleet_heartbeat(${[this.#key, ...texts, ...numbersOf(request), ...told].join(', ')})`;
    const [rows] = await this.#onSchema(() => this.#query<readonly { readonly reply: string }[]>(call, signal), signal);
    const { version, reply } = replyFrom(rows![0]!.reply);
    if (version < SCHEMA_VERSION) this.#prepared = undefined;
    return reply;
  }

  async view(signal?: AbortSignal): Promise<FleetView> {
    const now = this.#clock?.now() ?? CLOCK;
    const text = `SELECT identity, terms, ${now} AS now, learning_until, s.reserved, members, CONVERT(m.member USING utf8mb4) AS member,
      m.name, m.held, m.permit, m.reserved AS keeps, m.base, m.demand, m.weight, m.lends, m.leaving, m.short_ms, m.heard_at
      FROM millpond_fleet_state s LEFT JOIN millpond_fleet_seat m ON m.fleet = s.fleet WHERE s.fleet = ${this.#key} AND terms <> ''`;
    interface Row extends Omit<ViewRow, 'seats'> {
      readonly member: string | null;
      readonly keeps: number;
    }
    const rows = await this.#onSchema(() => this.#query<Row>(text, signal), signal);
    if (rows.length === 0) return EMPTY_VIEW;
    const seats = rows.filter(({ member }) => member !== null).map((row) => ({ ...row, reserved: row.keeps }));
    return viewFrom({ ...rows[0]!, seats: seats as unknown as ViewRow['seats'] });
  }

  async #onSchema<R>(run: () => Promise<R>, signal: AbortSignal | undefined): Promise<R> {
    for (let attempt = 1; ; attempt++) {
      await this.#prepare(signal);
      try {
        return await run();
      } catch (error) {
        const errno = errnoOf(error);
        if (attempt === ATTEMPTS || !(MISSING.has(errno) || UNDONE.has(errno))) throw error;
        if (MISSING.has(errno)) this.#prepared = undefined;
        signal?.throwIfAborted();
      }
    }
  }

  /** Once, however many ask at once; again after a failure. */
  #prepare(signal: AbortSignal | undefined): Promise<void> {
    this.#prepared ??= this.#create(signal).catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  async #create(signal: AbortSignal | undefined): Promise<void> {
    const found = `SELECT (SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES
        WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME = 'millpond_fleet_heartbeat') AS comment,
      (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
        AND TABLE_NAME IN ('millpond_fleet_state', 'millpond_fleet_seat', 'millpond_fleet_ends')) AS tables, VERSION() AS version`;
    const [row] = await this.#query<{ readonly comment: string | null; readonly tables: number; readonly version: string }>(found, signal);
    const version = Number(/^millpond fleet (\d+)$/.exec(String(row?.comment ?? ''))?.[1] ?? 0);
    if (version >= SCHEMA_VERSION && Number(row?.tables) === 3) return;
    for (const statement of mysqlTables()) await this.#define(statement, signal);
    if (version < SCHEMA_VERSION) {
      // One that was not there may be somebody else's by now, who uses it.
      if (row?.comment != null) await this.#define('DROP PROCEDURE IF EXISTS millpond_fleet_heartbeat', signal);
      await this.#define(mysqlProcedure(/mariadb/i.test(row?.version ?? '')), signal);
    }
    for (const statement of mysqlViews()) await this.#define(statement, signal, true);
  }

  async #define(statement: string, signal: AbortSignal | undefined, isOptional = false): Promise<void> {
    try {
      await this.#query(statement, signal);
    } catch (error) {
      if (THERE.has(errnoOf(error)) || (isOptional && DENIED.has(errnoOf(error)))) return;
      if (!DENIED.has(errnoOf(error))) throw error;
      const what = 'may not create its tables and its procedure here. Grant it CREATE, CREATE ROUTINE and ALTER ROUTINE once';
      const or = 'or have mysqlFleetSchema() run; afterwards it needs EXECUTE, SELECT, INSERT, UPDATE and DELETE';
      throw new Error(`The user of the fleet's coordinator ${what}, ${or}.`, { cause: error });
    }
  }
}

/** The statements that a database needs, for a user who may not create them. Run them again after an upgrade of this library. */
export function mysqlFleetSchema(options: { readonly isMariadb: boolean }): readonly string[] {
  const { isMariadb } = options;
  return [...mysqlTables(), 'DROP PROCEDURE IF EXISTS millpond_fleet_heartbeat', mysqlProcedure(isMariadb), ...mysqlViews()];
}

function errnoOf(error: unknown): number {
  return Number((error as { readonly errno?: unknown } | null)?.errno);
}

// ------------------------------------------------------------------------------------------------------- the clients, by structure

type Query = <R>(text: string, signal: AbortSignal | undefined) => Promise<readonly R[]>;

interface Asking {
  query(config: object, values?: undefined, options?: { signal?: AbortSignal }): Promise<[unknown, unknown]>;
}

interface Lending {
  getConnection(): Promise<Asking & { release(): void; destroy(): void }>;
}

function queryOf(client: unknown): Query {
  if (typeof client === 'object' && client !== null) {
    if ('tryAcquire' in client && 'query' in client) return viaMillpond(client as unknown as Asking);
    if ('promise' in client && typeof client.promise === 'function') return queryOf((client.promise as () => unknown).call(client));
    if ('getConnection' in client) {
      const query = viaPool(client as unknown as Lending);
      return (text, signal) => whileAwaited(query(text, signal), signal);
    }
  }
  throw new TypeError('the client must be a pool of mysql2 or of millpond/mysql');
}

/** Whatever the pool does to rows by default. */
const plain = (sql: string): object => ({ sql, rowsAsArray: false, nestTables: false, typeCast: true, namedPlaceholders: false });

function viaMillpond(pool: Asking): Query {
  return async <R>(text: string, signal: AbortSignal | undefined) => (
    (await pool.query(plain(text), undefined, signal === undefined ? {} : { signal }))[0] as readonly R[]);
}

/** What waited for a connection until nobody waits for it is not sent. */
function viaPool(pool: Lending): Query {
  return async <R>(text: string, signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    const connection = await pool.getConnection();
    let isGood = true;
    try {
      signal?.throwIfAborted();
      return (await unlessLost(connection.query(plain(text)), signal, () => connection.destroy()))[0] as readonly R[];
    } catch (error) {
      isGood = (error as { readonly fatal?: boolean }).fatal !== true;
      throw error;
    } finally {
      if (isGood) connection.release();
      else connection.destroy();
    }
  };
}
