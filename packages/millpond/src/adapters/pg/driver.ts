// What this adapter knows of the inside of node-postgres, from 8.11 on. Everything that is not in its documentation is named here and
// nowhere else: a new version of it is checked against this file.

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import { PoolError } from '../../index.ts';
import type { PgClient, PgClientClass, PgResult } from './types.ts';

/** An ErrorResponse of the server. */
export interface ServerError extends Error {
  /** SQLSTATE. */
  readonly code?: string;
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
