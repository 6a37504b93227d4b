// The shapes of node-postgres, as far as callers meet them. They are structural: the declarations of this package do not need `pg` or
// its types, and whoever has them can pass `pg.Client` and get it back typed.

import type { Duplex } from 'node:stream';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { AcquireOptions, PoolOptions } from '../../index.ts';
import type { DeadManOptions, RuntimeOptions } from '../common/runtime.ts';

// `any` and not `unknown`: what a row holds is known to the caller alone, and node-postgres' own types say the same.
/* oxlint-disable typescript/no-explicit-any */

/** For what is not said to have a type. */
export type PgAnyRow = any;

/** A row by column name. */
export interface PgRow {
  [column: string]: any;
}

export interface PgField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

/** What a statement returned, as node-postgres has it. */
export interface PgResult<R extends PgRow = any> {
  rows: R[];
  /** Rows returned or changed; null for commands that have no such number. */
  rowCount: number | null;
  /** `SELECT`, `INSERT`, … */
  command: string;
  fields: PgField[];
}

/** A statement with what node-postgres takes besides text and values. */
export interface PgQueryConfig {
  readonly text: string;
  readonly values?: readonly any[];
  /** Prepares the statement under this name, once per connection. */
  readonly name?: string;
  /** Rows as arrays instead of objects. */
  readonly rowMode?: 'array';
  /** Parsers of its own for the values of this result. */
  readonly types?: any;
  /** Use the extended protocol even without values. */
  readonly queryMode?: 'extended';
  readonly binary?: boolean;
}

/** What this adapter needs of a client. `pg.Client` has it. */
export interface PgClient {
  query<R extends PgRow = any>(text: string, values?: any[]): Promise<PgResult<R>>;
  query<R extends PgRow = any>(config: { text: string; values?: any[]; name?: string }): Promise<PgResult<R>>;
  on(event: 'notification', listener: (message: { processId: number; channel: string; payload?: string | undefined }) => void): any;
  on(event: 'notice', listener: (notice: any) => void): any;
  on(event: 'error', listener: (error: Error) => void): any;
  on(event: 'end', listener: () => void): any;
  removeListener(event: string, listener: (...args: any[]) => void): any;
  /** The process at the server that serves this connection. */
  readonly processID?: number | null;
}

/** The class `pg.Client`, or one derived from it. */
export type PgClientClass<C extends PgClient = PgClient> = new (config?: any) => C;

/**
 * node-postgres' own connect options, passed on to its Client as they are. What is left out comes from the environment (PGHOST, PGUSER,
 * PGPASSWORD, …), as it always does there.
 */
export interface PgConnectOptions {
  /** A URL. What it says wins over the other options. */
  readonly connectionString?: string;
  /** Name, address, or the folder of a Unix socket. */
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  /** A function is asked on each connect. */
  readonly password?: string | (() => string | Promise<string>);
  readonly database?: string;
  readonly ssl?: boolean | TlsOptions;
  /** `'direct'` starts with TLS at once (PostgreSQL 17, pg 8.19 or newer). */
  readonly sslnegotiation?: 'postgres' | 'direct';
  readonly enableChannelBinding?: boolean;
  readonly scramMaxIterations?: number;
  readonly application_name?: string;
  readonly fallback_application_name?: string;
  /** Command-line options for the session, e.g. `-c search_path=app`. They survive `reset: 'discard'`; a `SET` does not. */
  readonly options?: string;
  readonly client_encoding?: string;
  readonly replication?: string;
  /** Milliseconds; ends the statement at the server. */
  readonly statement_timeout?: false | number;
  readonly lock_timeout?: number;
  readonly idle_in_transaction_session_timeout?: number;
  /** Milliseconds; node-postgres gives the statement up, the server goes on. Prefer `timeoutMs` of `query()`, which ends it at both. */
  readonly query_timeout?: number;
  /** node-postgres' own connect timeout. Prefer the pool's `createTimeoutMs`, which is on by default. */
  readonly connectionTimeoutMillis?: number;
  /** TCP keep-alive. Default true (node-postgres: false): an idle connection must notice that its server has vanished. */
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelayMillis?: number;
  /** Parsers for the values of results. */
  readonly types?: any;
  readonly binary?: boolean;
  /** Makes the stream of each connection, e.g. through a tunnel. */
  readonly stream?: (config?: any) => Duplex;
}

/**
 * What happens to a connection that comes back. In each case one that is given back while a statement runs is closed and never lent
 * again, and listeners that the borrower added to the client are removed.
 *
 * - `'rollback'`: an open or failed transaction is rolled back; without one nothing is sent.
 * - `'discard'`: besides, `DISCARD ALL` precedes the next borrower's first statement in the same write: settings, temporary tables,
 *   prepared statements, advisory locks and LISTEN do not reach the next borrower, at the price of no round trip.
 * - `'none'`: nothing is sent. An open transaction reaches the next borrower: only where something else sees to it.
 */
export type PgReset = 'none' | 'rollback' | 'discard';

/** What {@link pgFactory} takes. */
export interface PgFactoryOptions<C extends PgClient = PgClient> extends PgConnectOptions, Omit<DeadManOptions, 'runtime'> {
  /**
   * Where to connect and as whom; adds to the options beside it and wins over them. A function is asked anew for each connection, so that
   * credentials may rotate (IAM tokens): old connections go on, new ones use what it returns.
   */
  readonly connection?: string | PgConnectOptions | (() => string | PgConnectOptions | Promise<string | PgConnectOptions>);
  /** The class of the clients. Default: `Client` of the package `pg`, loaded when the factory is made. */
  readonly Client?: PgClientClass<C>;
  /** Default `'rollback'`. */
  readonly reset?: PgReset;
  /**
   * Runs on each new connection before it is lent; a rejection fails the connect. Listeners that it adds to the client stay. With
   * `reset: 'discard'` what it SETs does not: use `options` for that.
   */
  readonly onConnect?: (client: C) => void | Promise<void>;
  /**
   * Called when a server error means that the server is going away or turned read-only (SQLSTATE 57P01, 57P02, 57P03, 25006): the other
   * connections are then as good as dead. A {@link PgPool} evicts its generation by itself; with a plain `Pool` call its `evict()` here.
   */
  readonly onFailover?: (failover: PgFailover<C>) => void;
}

export interface PgFailover<C extends PgClient = PgClient> {
  /** The connection on which the error came. */
  readonly client: C;
  /** The SQLSTATE. */
  readonly code: string;
}

/** What {@link createPgPool} takes: the pool's options, the connect options and the adapter's, in one object. */
export interface PgPoolOptions<C extends PgClient = PgClient>
  extends Omit<PoolOptions<C>, 'factory' | 'sharing'>, PgFactoryOptions<C>, RuntimeOptions {
  /** Idle connections are pinged this often. Default 120 000 ms; 0 or Infinity: off. */
  readonly keepaliveIntervalMs?: number;
  /**
   * After an abort or a timeout the statement is cancelled at the server; a connection whose server has not confirmed the end of the
   * statement within this is closed. Default 2 000 ms.
   */
  readonly cancelTimeoutMs?: number;
  /**
   * `query()` prepares statements that recur: from the second time on, each connection parses and plans a text once. A number: how many are
   * kept per connection, the least recently used one going first. Default true, which is 128; false or 0: none are prepared. Names are made
   * from the text, so that a pooler between the server and this pool may mix them; what it loses is prepared again, and if it keeps losing
   * them, preparing ends with a warning. With `reset: 'discard'` none are prepared,
   * nor where `client.query` is wrapped or overridden: whoever looks at it goes on seeing every statement.
   */
  readonly prepare?: boolean | number;
  /**
   * `query()` shares connections, with several statements in flight on each, where the text is one query or one change of data; everything
   * else, `acquire()`, `use()` and `transaction()` have a connection of their own as ever. Not with `reset: 'discard'`, which promises that
   * sessions are not shared. Default false.
   */
  readonly pipeline?: boolean;
  /**
   * How many connections carry such statements while these are quick; those that are stuck with a slow one do not count. While what is in
   * flight on all of them takes longer than a few milliseconds, there are more, up to `max`. Default 4.
   */
  readonly pipelineConnections?: number;
  /** How many statements may be in flight on each; the others wait their turn. Default 16. */
  readonly pipelineDepth?: number;
  /**
   * A connection whose statement has run for this long takes no new ones. In milliseconds, looked at in steps of half of it; default 20.
   */
  readonly pipelineStallMs?: number;
}

export interface PgQueryOptions extends Omit<AcquireOptions, 'timeoutMs'> {
  /**
   * The one deadline for everything: waiting for a connection and the statement itself. Default: acquireTimeoutMs for the wait, none
   * for the statement.
   */
  readonly timeoutMs?: number;
}

export interface PgTransactionOptions extends PgQueryOptions {
  /** Default: the server's (`read committed`, unless configured otherwise). */
  readonly isolation?: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';
  /** `READ ONLY`. Default: the server's. */
  readonly readOnly?: boolean;
  /** `DEFERRABLE`: with `serializable` and `readOnly`, wait for a snapshot that cannot fail. */
  readonly deferrable?: boolean;
  /**
   * How often to run it again from the start when the server says that it lost against a concurrent one (SQLSTATE 40001, 40P01).
   * Default 0; `true`: 5. Then `fn` must do nothing that cannot be done twice.
   */
  readonly retry?: boolean | number;
}
