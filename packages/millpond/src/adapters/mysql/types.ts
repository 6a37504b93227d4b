// The shapes of mysql2, as far as callers meet them. They are structural: the declarations of this package do not need `mysql2`, and
// whoever has it can pass it as `driver` and get its connections back typed.

import type { Duplex, Readable } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import type { AcquireOptions, PoolOptions } from '../../index.ts';
import type { DeadManOptions, RuntimeOptions } from '../common/runtime.ts';

// `any` and not `unknown`: what a row holds is known to the caller alone, and mysql2's own types say the same.
/* oxlint-disable typescript/no-explicit-any */

/** For what is not said to have a type. */
export type MysqlAnyRows = any;

export interface MysqlField {
  readonly name: string;
  readonly table: string;
  readonly orgName: string;
  readonly orgTable: string;
  readonly columnType?: number;
  readonly decimals: number;
}

/** What a statement returned, as mysql2 has it: the rows (or what an INSERT or UPDATE did), and the columns. */
export type MysqlResult<R = any> = [R, MysqlField[]];

/** A statement with what mysql2 takes besides text and values. */
export interface MysqlQueryConfig {
  readonly sql: string;
  readonly values?: any;
  /** Rows as arrays instead of objects. */
  readonly rowsAsArray?: boolean;
  /** Columns grouped by their table. */
  readonly nestTables?: boolean | string;
  /** Parsers of its own for the values of this result. */
  readonly typeCast?: any;
  /** `:name` in the text and an object as values. */
  readonly namedPlaceholders?: boolean;
  /** mysql2's own: it stops waiting after so many milliseconds. Prefer `timeoutMs`, which is over waiting for a connection as well. */
  readonly timeout?: number;
  /** For LOAD DATA LOCAL. */
  readonly infileStreamFactory?: (path: string) => Readable;
}

/** What this adapter needs of a connection. `Connection` of `mysql2/promise` has it, and is what is lent. */
export interface MysqlConnection {
  query(sql: string, values?: any): Promise<any>;
  query(config: { sql: string; values?: any }, values?: any): Promise<any>;
  execute(sql: string, values?: any): Promise<any>;
  execute(config: { sql: string; values?: any }, values?: any): Promise<any>;
  beginTransaction(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  escape(value: any): string;
  format(sql: string, values?: any): string;
  on(event: string, listener: (...args: any[]) => void): any;
  removeListener(event: string, listener: (...args: any[]) => void): any;
  /** The connection's id at the server, as KILL and the process list have it. */
  readonly threadId: number;
}

/** The package `mysql2`, as far as it is needed. */
export interface MysqlDriver<C extends MysqlConnection = MysqlConnection> {
  createConnection(options: any): { promise(): C };
}

/**
 * mysql2's own connect options, passed on as they are. Three defaults differ: `connectTimeout` (off: the pool's `createTimeoutMs` is in
 * charge), `maxPreparedStatements` (128), and LOAD DATA LOCAL, which is refused unless there is an `infileStreamFactory`.
 */
export interface MysqlConnectOptions {
  /** A URL, `mysql://user:password@host:3306/database`. The other options win over what it says. */
  readonly uri?: string;
  readonly host?: string;
  readonly port?: number;
  /** A Unix socket, instead of host and port. */
  readonly socketPath?: string;
  readonly localAddress?: string;
  readonly user?: string;
  readonly password?: string;
  readonly password1?: string;
  readonly password2?: string;
  readonly password3?: string;
  readonly passwordSha1?: any;
  readonly database?: string;
  readonly ssl?: string | (TlsOptions & { readonly verifyIdentity?: boolean });
  readonly charset?: string;
  readonly charsetNumber?: number;
  readonly timezone?: string;
  readonly compress?: boolean;
  readonly connectAttributes?: Readonly<Record<string, string>>;
  /** Milliseconds; mysql2's own connect timeout. */
  readonly connectTimeout?: number;
  /** TCP keep-alive, on by default as in mysql2: an idle connection must notice that its server has vanished. */
  readonly enableKeepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
  /** Capabilities to add, or with a `-` in front to leave out. */
  readonly flags?: string | readonly string[];
  /** Several statements in one text: an SQL injection then can do more. Default false. */
  readonly multipleStatements?: boolean;
  /** Makes the stream of what LOAD DATA LOCAL asks for; without it the server is told that this client does not take part. */
  readonly infileStreamFactory?: (path: string) => Readable;
  /** How many statements of `execute` a connection keeps prepared, the least recently used one going first. Default 128. */
  readonly maxPreparedStatements?: number;
  readonly namedPlaceholders?: boolean;
  readonly nestTables?: boolean | string;
  readonly rowsAsArray?: boolean;
  readonly typeCast?: any;
  readonly queryFormat?: any;
  readonly supportBigNumbers?: boolean;
  readonly bigNumberStrings?: boolean;
  readonly decimalNumbers?: boolean;
  readonly dateStrings?: boolean | readonly string[];
  readonly jsonStrings?: boolean;
  readonly stringifyObjects?: boolean;
  readonly disableEval?: boolean;
  readonly insecureAuth?: boolean;
  readonly enableCleartextPlugin?: boolean;
  readonly authPlugins?: any;
  readonly authSwitchHandler?: any;
  readonly trace?: boolean;
  readonly debug?: any;
  /** Makes the stream of each connection, e.g. through a tunnel. */
  readonly stream?: (options?: any) => Duplex;
}

/**
 * What happens to a connection that comes back. In each case one that is given back while a statement runs is closed and never lent
 * again, and listeners that the borrower added are removed.
 *
 * - `'rollback'`: an open transaction is rolled back and `autocommit` put back; without one nothing is sent. Whether there is one is what
 *   the server said with its last answer.
 * - `'reset'`: if anything was sent, the session is reset (COM_RESET_CONNECTION): transaction, settings, user variables, temporary tables,
 *   locks and prepared statements do not reach the next borrower, nor does a `USE`. It costs a round trip that the releaser does not wait
 *   for, and statements of `execute` are prepared anew.
 * - `'none'`: nothing is sent. An open transaction reaches the next borrower: only where something else sees to it.
 */
export type MysqlReset = 'none' | 'rollback' | 'reset';

/** What {@link mysqlFactory} takes. */
export interface MysqlFactoryOptions<C extends MysqlConnection = MysqlConnection>
  extends MysqlConnectOptions, Omit<DeadManOptions, 'runtime'> {
  /**
   * Where to connect and as whom; adds to the options beside it and wins over them. A function is asked anew for each connection, so that
   * credentials may rotate (IAM tokens): old connections go on, new ones use what it returns.
   */
  readonly connection?: string | MysqlConnectOptions | (() => string | MysqlConnectOptions | Promise<string | MysqlConnectOptions>);
  /** The package `mysql2`: for a bundle, and for types. Default: loaded when the factory is made. */
  readonly driver?: MysqlDriver<C>;
  /** Default `'rollback'`. */
  readonly reset?: MysqlReset;
  /**
   * Runs on each new connection before it is lent; a rejection fails the connect. Listeners that it adds stay. With `reset: 'reset'` what
   * it SETs does not.
   */
  readonly onConnect?: (connection: C) => void | Promise<void>;
  /**
   * Called when a server error means that the server is going away (1053, 1077, 1079, 1080, 3032) or turned read-only (1290, 1792, 1836):
   * the other connections are then as good as dead. A {@link MysqlPool} evicts its generation by itself; with a plain `Pool` call its
   * `evict()` here.
   */
  readonly onFailover?: (failover: MysqlFailover<C>) => void;
}

export interface MysqlFailover<C extends MysqlConnection = MysqlConnection> {
  /** The connection on which the error came. */
  readonly connection: C;
  /** The server's error number. */
  readonly errno: number;
}

/** What {@link createMysqlPool} takes: the pool's options, the connect options and the adapter's, in one object. */
export interface MysqlPoolOptions<C extends MysqlConnection = MysqlConnection>
  extends Omit<PoolOptions<C>, 'factory' | 'sharing'>, MysqlFactoryOptions<C>, RuntimeOptions {
  /** Idle connections are pinged this often. Default 120 000 ms; 0 or Infinity: off. */
  readonly keepaliveIntervalMs?: number;
  /**
   * After an abort or a timeout the statement is ended at the server with KILL QUERY; a connection whose statement has not ended within
   * this is closed. Default 2 000 ms.
   */
  readonly cancelTimeoutMs?: number;
}

export interface MysqlQueryOptions extends Omit<AcquireOptions, 'timeoutMs'> {
  /**
   * The one deadline for everything: waiting for a connection and the statement itself. Default: acquireTimeoutMs for the wait, none
   * for the statement.
   */
  readonly timeoutMs?: number;
}

export interface MysqlTransactionOptions extends MysqlQueryOptions {
  /** Default: the server's (`repeatable read`, unless configured otherwise). It costs a round trip. */
  readonly isolation?: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';
  /** `READ ONLY`. Default: the server's. */
  readonly readOnly?: boolean;
  /**
   * How often to run it again from the start when the server says that it lost against a concurrent one: deadlock (1213), lock wait timeout
   * (1205), changed since last read (1020). Default 0; `true`: 5. Then `fn` must do nothing that cannot be done twice.
   */
  readonly retry?: boolean | number;
}
