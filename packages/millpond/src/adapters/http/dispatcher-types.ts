import type { EventEmitter } from 'node:events';
import type { ConnectionOptions } from 'node:tls';
import type { NetConnectOpts, Socket } from 'node:net';
import type { KeyedPool, KeyedPoolOptions, PoolStats } from '../../index.ts';
import type { RuntimeOptions } from '../common/runtime.ts';

/** Of the pools, one per origin: `max`, `min` and `maxWaiting` are per origin, `maxTotal` is over all. */
type OfThePools = Omit<KeyedPoolOptions<never, never>, 'factory' | 'keyOf' | 'sharing'> & RuntimeOptions;

/** What `dispatcher` may be in the options of the global `fetch`, where it is Node's. */
export type FetchDispatcher = RequestInit extends { readonly dispatcher?: infer D } ? NonNullable<D> : EventEmitter;

export interface DispatcherOptions<D extends object = FetchDispatcher> extends OfThePools {
  /** The module `undici`: gives the dispatcher its types, and is used instead of the package that would be found. */
  readonly undici?: { readonly Dispatcher: new (...args: never[]) => D };
  /**
   * Options of `net.connect` and `tls.connect` for each connection (`socketPath` and `ca` for example), or a function that opens one, as
   * undici has them.
   */
  readonly connect?: HttpConnectOptions | HttpConnector;
  /**
   * How long an idle connection is trusted whose server does not say how long it keeps one. Default 4 000 ms; Infinity: until it
   * says that it is closed.
   */
  readonly keepAliveTimeoutMs?: number;
  /**
   * How long before the server's own limit (`Keep-Alive: timeout=`) a connection is left alone. Default 1 000 ms; never more than half of
   * that limit.
   */
  readonly keepAliveMarginMs?: number;
  /** How long the head of an answer may take. Default 300 000 ms; 0 or Infinity: no limit. */
  readonly headersTimeoutMs?: number;
  /** How long the body of an answer may pause. Default 300 000 ms; 0 or Infinity: no limit. */
  readonly bodyTimeoutMs?: number;
  /** The most bytes of an answer's headers. Default: Node's limit (16 KiB). */
  readonly maxHeaderSize?: number;
  /** The most bytes of an answer's body. Default: no limit. */
  readonly maxResponseSize?: number;
  /**
   * Send a request again that may be done twice and can be sent as it is, when a connection that had been used before died before the first
   * byte of the answer. Default true.
   */
  readonly retry?: boolean;
}

export type HttpConnectOptions = Partial<ConnectionOptions> & Partial<NetConnectOpts> & { readonly socketPath?: string };

export type HttpConnector = (
  request: {
    readonly host?: string; readonly hostname: string; readonly protocol: string; readonly port: string;
    readonly servername?: string | null;
  },
  callback: (error: Error | null, socket: Socket | null) => void,
) => unknown;

/** What this dispatcher has besides what one of undici has. */
export interface HttpDispatcher {
  /** The pools behind it, one per origin and TLS name. */
  readonly pools: KeyedPool<HttpOrigin, HttpConnection>;
  /** By origin. */
  readonly stats: Readonly<Record<string, HttpOriginStats>>;
  readonly closed: boolean;
  readonly destroyed: boolean;
  /**
   * Opens the `min` connections of an origin (with `min`: that many, from now on) ahead of its first request. Rejects with what keeps
   * them from being opened.
   */
  warm(origin: string | URL, options?: HttpDispatcherWarmOptions): Promise<void>;
}

export interface HttpDispatcherWarmOptions {
  /** How many connections to keep open. Default: the dispatcher's `min`, and at least 1. */
  readonly min?: number;
  /** Ends the wait for them, not their making. */
  readonly signal?: AbortSignal;
  /** Default: acquireTimeoutMs. */
  readonly timeoutMs?: number;
}

/** The first six mean what they mean in the stats of an undici Pool. */
export interface HttpOriginStats {
  readonly connected: number;
  /** Connections that are idle. */
  readonly free: number;
  /** Requests that wait for a connection. */
  readonly pending: number;
  readonly queued: number;
  /** Requests on a connection. */
  readonly running: number;
  /** Requests in all. */
  readonly size: number;
  /** Requests that were sent again because a connection had died before the first byte of their answer, or before they were sent. */
  readonly retries: number;
  /** Of the pool: its size is that of the pool. */
  readonly pool: PoolStats;
}

/** Which connections a request may use: those to the same scheme, host and port that were opened under the same TLS name. */
export interface HttpOrigin {
  readonly key: string;
  readonly url: URL;
  /** The TLS name, where a request says one. */
  readonly servername: string | undefined;
}

/** A connection as a resource of the pools. */
export interface HttpConnection {
  readonly origin: HttpOrigin;
  /** Answers it has given. */
  readonly answers: number;
}
