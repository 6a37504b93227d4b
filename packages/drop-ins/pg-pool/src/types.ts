/// <reference lib="esnext.disposable" preserve="true" />
// The shapes of pg-pool and node-postgres, as far as callers meet them. They are structural: nobody needs the types of `pg` to compile
// against this package, and whoever has them can name `pg.Client` and get it back typed.

import type { AcquireOptions, PoolOptions as EngineOptions } from 'millpond';

// `any` and not `unknown`: what a row holds is known to the caller alone, and node-postgres' own types say the same.
/* oxlint-disable typescript/no-explicit-any */

export interface QueryResultRow {
  [column: string]: any;
}

export interface FieldDef {
  name: string;
  tableID: number;
  columnID: number;
  dataTypeID: number;
  dataTypeSize: number;
  dataTypeModifier: number;
  format: string;
}

export interface QueryResultBase {
  command: string;
  rowCount: number | null;
  oid: number;
  fields: FieldDef[];
}

export interface QueryResult<R extends QueryResultRow = any> extends QueryResultBase {
  rows: R[];
}

export interface QueryArrayResult<R extends any[] = any[]> extends QueryResultBase {
  rows: R[];
}

export type ValuesOf<I> = I extends any[] ? I : never;

export interface QueryConfig<I = any[]> {
  name?: string | undefined;
  text: string;
  values?: ValuesOf<I> | undefined;
  types?: any;
}

export interface QueryArrayConfig<I = any[]> extends QueryConfig<I> {
  rowMode: 'array';
}

/** A query that talks to the connection itself: pg.Query, a cursor, a stream. */
export interface Submittable {
  submit: (connection: any) => void;
}

export type QueryCallback<R> = (error: Error, result: R) => void;

/** Every form in which a statement is given. */
export interface Queries {
  query<S extends Submittable>(queryStream: S): S;
  query<R extends any[] = any[], I = any[]>(queryConfig: QueryArrayConfig<I>, values?: ValuesOf<I>): Promise<QueryArrayResult<R>>;
  query<R extends QueryResultRow = any, I = any[]>(queryConfig: QueryConfig<I>): Promise<QueryResult<R>>;
  query<R extends QueryResultRow = any, I = any[]>(textOrConfig: string | QueryConfig<I>, values?: ValuesOf<I>): Promise<QueryResult<R>>;
  query<R extends any[] = any[], I = any[]>(queryConfig: QueryArrayConfig<I>, callback: QueryCallback<QueryArrayResult<R>>): void;
  query<R extends QueryResultRow = any, I = any[]>(
    textOrConfig: string | QueryConfig<I>, callback: QueryCallback<QueryResult<R>>): void;
  query<R extends QueryResultRow = any, I = any[]>(text: string, values: ValuesOf<I>, callback: QueryCallback<QueryResult<R>>): void;
}

/** A client as node-postgres has it: what callers without its types can do with one. */
export interface ClientLike extends Queries {
  on(event: string, listener: (...args: any[]) => void): any;
  once(event: string, listener: (...args: any[]) => void): any;
  removeListener(event: string, listener: (...args: any[]) => void): any;
  connect(callback: (error: Error) => void): void;
  end(callback: (error: Error) => void): void;
}

/** What a client has besides while it is lent. */
export interface Releasable {
  /** Gives the client back. With an error, or `true`, it is closed instead. */
  release(error?: Error | boolean): void;
  [Symbol.dispose](): void;
}

export type PoolClient<C = ClientLike> = C & Releasable;

export type ClientClass<C = ClientLike> = new (config?: any) => C;

export type Done = (error?: any) => void;
export type ConnectCallback<C> = (error: Error | undefined, client: PoolClient<C> | undefined, done: Done) => void;

/** What happens to the session of a client that is given back. */
export type Reset = 'none' | 'rollback' | 'discard';

/** Options of the engine that the pool's own options do not already say. */
export type EngineTuning = Omit<EngineOptions<unknown>, 'factory' | 'max' | 'min' | 'fill' | 'maxUses' | 'sharing'>;

/**
 * What `millpond` takes instead of `true`: each of the corrections by itself, and every option of millpond's `Pool` that says something
 * which pg-pool has no word for. Options of pg-pool that are given (`idleTimeoutMillis`, `connectionTimeoutMillis`, `maxLifetimeSeconds`)
 * count unless their counterpart is given here.
 */
export interface MillpondOptions extends EngineTuning {
  /** `pool.query` keeps its client when the server answers with an error. Default true. */
  readonly keepAfterErrors?: boolean;
  /**
   * `'rollback'` (default) ends a transaction that the borrower left open; `'discard'` also undoes settings, temporary tables, prepared
   * statements, LISTEN and advisory locks, at the price of a round trip; `'none'` does nothing.
   */
  readonly reset?: Reset;
  /**
   * Each `connect()` gives out a handle of its own for the client, so that `client.release()` can tell whose it is: a second one is
   * reported and does no harm. Default true. `false`: the client itself, one and the same object each time.
   */
  readonly handles?: boolean;
  /** How long `end()` waits for clients that are lent; then it closes them. Default 10 000 ms; Infinity: for ever. */
  readonly endDeadlineMs?: number;
}

/** Options of the pool; whatever else is given goes to each client. */
export interface PoolConfig<C = ClientLike> {
  /** The most connections. Default 10. */
  max?: number | undefined;
  /** An older name of `max`. */
  poolSize?: number | undefined;
  /** Idle connections that `idleTimeoutMillis` leaves alone. Nothing is opened because of it, unless `millpond` is on. Default 0. */
  min?: number | undefined;
  /** Closes a client that was idle for this long. Default 10 000 ms; 0 or null: never. */
  idleTimeoutMillis?: number | undefined | null;
  /** How long `connect()` and `query()` wait for a client. Default: for ever; with `millpond`, 5 000 ms. 0: the default. */
  connectionTimeoutMillis?: number | undefined;
  /** Closes a client that was lent this often. Default Infinity. */
  maxUses?: number | undefined;
  /** Closes a client of this age, when it is given back. Default 0: never; with `millpond`, 30 minutes with jitter. In seconds. */
  maxLifetimeSeconds?: number | undefined;
  /** Idle clients do not keep the process alive. Default false. */
  allowExitOnIdle?: boolean | undefined;
  /** Told of what happens in the pool, in words. */
  log?: ((...messages: any[]) => void) | undefined;
  Client?: ClientClass<C> | undefined;
  /** The class of the promises that the pool returns. */
  Promise?: PromiseConstructorLike | undefined;
  /** Runs on each new client before its first borrower gets it. An error closes it and goes to the borrower. */
  verify?: ((client: any, done: (error?: Error) => void) => void) | undefined;
  /** Runs on each new connection before anybody gets it; a rejection fails the connect. */
  onConnect?: ((client: any) => void | Promise<void>) | undefined;
  /** Better than pg-pool: `true`, or what of it. Default off. */
  millpond?: boolean | MillpondOptions | undefined;
  [option: string]: any;
}

/** `pool.options`: what was given, with defaults filled in. */
export interface ResolvedConfig<C = ClientLike> extends PoolConfig<C> {
  max: number;
  min: number;
  maxUses: number;
  allowExitOnIdle: boolean;
  maxLifetimeSeconds: number;
  idleTimeoutMillis: number | null;
}

/** What `connect()` takes beyond pg-pool: a deadline of its own, or a signal to give up. */
export type ConnectOptions = Pick<AcquireOptions, 'signal' | 'timeoutMs' | 'lane' | 'label'>;

export type AnyRow = any;
export type Values = any[];
