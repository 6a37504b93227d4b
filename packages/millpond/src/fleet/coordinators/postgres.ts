// A fleet's coordinator on PostgreSQL (12 or newer): one function call, one round trip, for each heartbeat. It creates what it needs when
// that is missing or older, under an advisory lock.
//
// A statement of its own is a transaction of its own, and the server brings it to its end whether or not the client is still there: a
// member that is frozen in the middle of it holds nobody up.

import type { Coordinator, FleetView, Heartbeat, Reply } from '../protocol.ts';
import { unlessLost, whileAwaited, type CoordinatorClock } from './common.ts';
import { postgresSchema, SCHEMA_VERSION } from './postgres-schema.ts';
import { EMPTY_VIEW, numbersOf, replyFrom, termsText, viewFrom, type ViewRow } from './sql.ts';

/** A `Pool` or a connected `Client` of node-postgres, or a pool of `millpond/pg`. Not the pool that the budget is for. */
export interface PostgresFleetClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

export interface PostgresCoordinatorOptions {
  /** Of the budget. */
  readonly key: string;
  /** Where its tables are; created when it is missing. Letters, digits and underscores. Default `millpond`. */
  readonly schema?: string;
}

/** Throws a TypeError for what has no `query`, or for a key or a schema that cannot be one. */
export function postgresCoordinator(client: PostgresFleetClient, options: PostgresCoordinatorOptions): Coordinator {
  return new PostgresCoordinator(client, options);
}

/** The schema, a function, a table or a column is not there. */
const MISSING = new Set(['3F000', '42883', '42P01', '42703']);
/** Two have created the same at once: the lock is per database, and a role may not be able to see what is there. */
const LOCK = 1_835_625_589;

/** @internal */
export class PostgresCoordinator implements Coordinator {
  readonly #query: Query;
  readonly #key: string;
  readonly #schema: string;
  readonly #clock: CoordinatorClock | undefined;
  #prepared: Promise<void> | undefined = undefined;

  constructor(client: PostgresFleetClient, { key, schema = 'millpond' }: PostgresCoordinatorOptions, clock?: CoordinatorClock) {
    if (typeof key !== 'string' || key === '') throw new TypeError('key must be a text');
    if (!/^[a-z_][a-z0-9_]*$/.test(schema)) throw new TypeError('schema must be lower-case letters, digits and underscores');
    this.#query = queryOf(client);
    this.#key = key;
    this.#schema = schema;
    this.#clock = clock;
  }

  async heartbeat(request: Heartbeat, signal?: AbortSignal): Promise<Reply> {
    const { member, name, identity } = request;
    const told = [this.#clock?.now() ?? null, this.#clock?.identity() ?? null];
    const values = [this.#key, member, name, identity, termsText(request), numbersOf(request), ...told];
    const call = `SELECT ${this.#schema}.fleet_heartbeat($1, $2, $3, $4, $5, $6, $7, $8) AS reply`;
    const [row] = await this.#onSchema(() => this.#query<{ readonly reply: string }>(call, values, signal), signal);
    const { version, reply } = replyFrom(row!.reply);
    // Somebody has put back what an older library had made.
    if (version < SCHEMA_VERSION) this.#prepared = undefined;
    return reply;
  }

  async view(signal?: AbortSignal): Promise<FleetView> {
    const now = this.#clock === undefined ? 'extract(epoch FROM clock_timestamp()) * 1000' : String(this.#clock.now());
    const text = `SELECT row_to_json(v)::text AS view FROM (
      SELECT identity, terms, floor(${now})::bigint AS now, learning_until, reserved, members,
        coalesce((SELECT json_agg(m) FROM ${this.#schema}.fleet_seat m WHERE m.fleet = s.fleet), '[]') AS seats
      FROM ${this.#schema}.fleet_state s WHERE fleet = $1 ORDER BY n DESC LIMIT 1) v`;
    const [row] = await this.#onSchema(() => this.#query<{ readonly view: string }>(text, [this.#key], signal), signal);
    return row === undefined ? EMPTY_VIEW : viewFrom(JSON.parse(row.view) as ViewRow);
  }

  async #onSchema<R>(run: () => Promise<R>, signal: AbortSignal | undefined): Promise<R> {
    await this.#prepare(signal);
    try {
      return await run();
    } catch (error) {
      if (!MISSING.has(String((error as { readonly code?: unknown }).code))) throw error;
      this.#prepared = undefined;
      await this.#prepare(signal);
      return run();
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
    const found = `SELECT obj_description(p.oid, 'pg_proc') AS comment FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = $1 AND p.proname = 'fleet_heartbeat' AND to_regclass($1 || '.fleet_state') IS NOT NULL
        AND to_regclass($1 || '.fleet_seat') IS NOT NULL`;
    const [row] = await this.#query<{ readonly comment: string | null }>(found, [this.#schema], signal);
    if (Number(/^millpond fleet (\d+)$/.exec(row?.comment ?? '')?.[1] ?? 0) >= SCHEMA_VERSION) return;
    // Several statements in one text are one transaction.
    const create = `SELECT pg_advisory_xact_lock(${LOCK}); ${postgresSchema(this.#schema)}`;
    try {
      await this.#query(create, undefined, signal);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== '42501') throw error;
      const what = `may not create the schema ${this.#schema} with its tables and function: have it created once, by`;
      const then = 'postgresFleetSchema(), and grant USAGE on the schema, and SELECT, INSERT and DELETE on its tables';
      throw new Error(`The role of the fleet's coordinator ${what} ${then}`, { cause: error });
    }
  }
}

/** What a database needs, for a role that may not create it itself. Run it again after an upgrade of this library. */
export function postgresFleetSchema(schema = 'millpond'): string {
  return postgresSchema(schema).trim();
}

// ------------------------------------------------------------------------------------------------------- the clients, by structure

type Query = <R>(text: string, values: unknown[] | undefined, signal: AbortSignal | undefined) => Promise<readonly R[]>;

interface Answer {
  readonly rows: readonly never[];
}

interface Asking {
  query(text: string, values?: unknown[], options?: { signal?: AbortSignal }): Promise<Answer>;
}

interface Lent extends Asking {
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
  release(error?: Error | boolean): void;
  /** In the middle of a query it is cut. */
  end(): Promise<void>;
}

interface Lending extends Asking {
  connect(): Promise<Lent>;
}

function queryOf(client: unknown): Query {
  if (typeof client !== 'object' || client === null || typeof (client as Partial<Asking>).query !== 'function') {
    throw new TypeError('the client must be a Pool or a Client of node-postgres, or a pool of millpond/pg');
  }
  if ('tryAcquire' in client) return viaMillpond(client as unknown as Asking);
  const query = 'totalCount' in client ? viaPool(client as unknown as Lending) : viaClient(client as unknown as Asking);
  return (text, values, signal) => whileAwaited(query(text, values, signal), signal);
}

function viaMillpond(pool: Asking): Query {
  return async (text, values, signal) => (await pool.query(text, values, signal === undefined ? {} : { signal })).rows;
}

/** What waited for a connection until nobody waits for it is not sent. */
function viaPool(pool: Lending): Query {
  return async (text, values, signal) => {
    signal?.throwIfAborted();
    const client = await pool.connect();
    let failed: Error | undefined;
    // The pool does not listen while it is lent, and an error that nobody listens for ends the process.
    const onError = (error: Error): void => {
      failed = error;
    };
    client.on('error', onError);
    try {
      signal?.throwIfAborted();
      // Whoever waits for a connection then would wait until the system has noticed, for a quarter of an hour or so.
      const { rows } = await unlessLost(client.query(text, values), signal, () => void client.end());
      return rows;
    } catch (error) {
      if (error !== signal?.reason && !isAnswer(error)) failed = error as Error;
      throw error;
    } finally {
      client.off('error', onError);
      client.release(failed);
    }
  };
}

/** An error of the server has a code of five letters, and the connection is as good as before, unless it says that it is over. */
function isAnswer(error: unknown): boolean {
  return /^(?!57P|08)[0-9A-Z]{5}$/.test(String((error as { readonly code?: unknown }).code));
}

function viaClient(client: Asking): Query {
  return async (text, values, signal) => {
    signal?.throwIfAborted();
    return (await client.query(text, values)).rows;
  };
}
