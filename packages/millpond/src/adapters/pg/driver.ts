// What this adapter knows of the inside of node-postgres, from 8.11 on. Everything that is not in its documentation is named here and
// nowhere else: a new version of it is checked against this file.

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import { PoolError } from '../../index.ts';
import type { PgClient, PgClientClass, PgField, PgResult } from './types.ts';
import type { ValueMapper } from './wire.ts';

/** An ErrorResponse of the server. */
export interface ServerError extends Error {
  /** SQLSTATE. */
  readonly code?: string;
}

/** The server ended a session that was silent for too long: whatever was on its way to it then has not been read, and did not run. */
export function wasUnread(error: unknown): boolean {
  return (error as ServerError | null | undefined)?.code === '57P05';
}

/** A net.Socket, a TLSSocket, or what the `stream` option made. */
export interface DriverStream extends Duplex {
  readonly remoteAddress?: string | undefined;
  ref?(): unknown;
  unref?(): unknown;
}

export interface DriverConnection extends EventEmitter {
  /** Replaced when TLS begins. */
  readonly stream: DriverStream;
  /** Names of statements that are prepared on this connection, or about to be; asked before each named statement. */
  parsedStatements: Record<string, string>;
  submittedNamedStatements?: Record<string, string>;
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  /** Terminate, then the end of the stream. */
  end(): void;
}

export type QueryCallback = (error: Error | null | undefined, result: PgResult) => void;

export interface DriverClient extends EventEmitter {
  readonly connection: DriverConnection;
  readonly host: string;
  readonly port: number;
  readonly ssl: boolean | { readonly key?: unknown; readonly servername?: string };
  readonly sslNegotiation?: 'postgres' | 'direct';
  readonly processID: number | null;
  readonly secretKey: number | null;
  /** All results of this client as bytes: nothing here knows how to read them. */
  readonly binary?: boolean;
  /** Everything that a connect goes by, from the options, the connection string and the environment. */
  readonly connectionParameters?: { readonly query_timeout?: unknown; options?: string };
  /** The parsers of this client; where it has another name, the client itself serves as well. */
  readonly _types?: DriverTypes;
  getTypeParser(oid: number, format: string): (value: string) => unknown;
  /** Between the ReadyForQuery of one statement and the sending of the next. */
  readonly readyForQuery?: boolean;
  readonly _queryable?: boolean;
  readonly _ending?: boolean;
  // Up to 8.16 these two had no underscore; the old names now warn when they are read.
  readonly _activeQuery?: unknown;
  readonly _queryQueue?: readonly unknown[];
  readonly activeQuery?: unknown;
  readonly queryQueue?: readonly unknown[];
  /** Sent and not answered, with `pipeline`. */
  readonly _sentQueryQueue?: readonly unknown[];
  connect(callback: (error?: Error | null) => void): void;
  query(config: string | object, callback: QueryCallback): void;
  query(config: string | object, values: readonly unknown[] | undefined, callback: QueryCallback): void;
  getTransactionStatus?(): TransactionStatus | null;
}

/** Of ReadyForQuery: no transaction, in one, in one that failed. */
export type TransactionStatus = 'I' | 'T' | 'E';

/** Is a statement running or queued? One that failed and is merely not wound up yet does not count. */
export function isBusy(client: DriverClient): boolean {
  return (client._queryQueue === undefined ? client.activeQuery : client._activeQuery) != null || isQueued(client);
}

/** Is a statement queued, or sent behind the running one? */
export function isQueued(client: DriverClient): boolean {
  if (client._queryQueue === undefined) return (client.queryQueue?.length ?? 0) > 0;
  return client._queryQueue.length > 0 || (client._sentQueryQueue?.length ?? 0) > 0;
}

/** The class `Client` of the package `pg`. */
export function loadClientClass(): PgClientClass {
  let pg: { readonly Client?: PgClientClass };
  try {
    pg = createRequire(import.meta.url)('pg') as typeof pg;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw missing('millpond/pg needs the package `pg`, 8.11 or newer: run `npm install pg`, or pass its class as Client.', error);
  }
  if (typeof pg.Client !== 'function') throw missing('The package `pg` has no class Client.', undefined);
  return pg.Client;
}

function missing(message: string, cause: unknown): PoolError {
  return new PoolError(message, { code: 'ERR_POOL_DRIVER_MISSING', pool: 'pg', ...(cause === undefined ? {} : { cause }) });
}

/** Callers see the public shape, this adapter the whole. */
export function inside(client: PgClient): DriverClient {
  return client as unknown as DriverClient;
}

// ----------------------------------------------------------------------------------------- what our own statements take from it

/** Finds the parser of a type. */
export interface DriverTypes {
  getTypeParser(oid: number, format: string): (value: string) => unknown;
}

export type DriverField = PgField;

/** A result while it is being filled; what callers get. */
export interface DriverResult extends PgResult {
  _types: DriverTypes | undefined;
  /** Found out by `addFields`: a parser per column, and a row without values. */
  _parsers: readonly ((value: string) => unknown)[] | undefined;
  _prebuiltEmptyResultObject: object | null;
  addFields(fields: readonly DriverField[]): void;
  parseRow(values: readonly (string | null)[]): PgResult['rows'][number];
  addCommandComplete(message: { readonly text: string }): void;
}

/** Two things that node-postgres does to each statement and that ours must have exactly as it does them. */
export interface DriverParts {
  readonly Result: new (rowMode: 'array' | undefined, types: DriverTypes | undefined) => DriverResult;
  readonly mapValue: ValueMapper;
}

interface DriverQuery {
  readonly _result?: DriverResult;
  prepare(connection: object): void;
}

const partsByQuery = new WeakMap<object, DriverParts>();

/** Undefined: this class of clients is built differently. */
export function partsOf(Client: PgClientClass): DriverParts | undefined {
  const { Query } = Client as { readonly Query?: new (config: object) => DriverQuery };
  if (typeof Query !== 'function') return undefined;
  const known = partsByQuery.get(Query);
  if (known !== undefined) return known;
  const parts = findParts(Query);
  if (parts !== undefined) partsByQuery.set(Query, parts);
  return parts;
}

/**
 * Is this the driver's own `query`? Tracing (OpenTelemetry and its likes) wraps it, classes derived from Client override it, to see every
 * statement; these must go on seeing them. Whoever wrapped it before we came cannot be told from identity, so its source is looked at.
 */
export function isDriversQuery(query: unknown): boolean {
  return typeof query === 'function' && Function.prototype.toString.call(query).includes('_pulseQueryQueue');
}

/** Lets a statement of its own be sent to nobody, and looks at what it would have sent. */
function findParts(Query: new (config: object) => DriverQuery): DriverParts | undefined {
  let mapValue: unknown;
  const ignored = (): void => undefined;
  const nobody = {
    parsedStatements: {},
    submittedNamedStatements: {},
    bind: (config: { readonly valueMapper?: unknown }) => {
      mapValue = config.valueMapper;
    },
    parse: ignored, describe: ignored, execute: ignored, sync: ignored, flush: ignored, close: ignored,
  };
  try {
    const query = new Query({ text: '', values: [null] });
    query.prepare(nobody);
    const result = query._result;
    if (typeof mapValue !== 'function' || result === undefined) return undefined;
    if ([result.addFields, result.parseRow, result.addCommandComplete].some((member) => typeof member !== 'function')) return undefined;
    const Result = result.constructor as DriverParts['Result'];
    const map = mapValue as (value: unknown) => string | Buffer | null;
    return { Result, mapValue: (value) => map(value) }; // with one argument: its second one is for its own recursion
  } catch {
    return undefined; // not the inside that is known here
  }
}
