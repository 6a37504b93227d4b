import type {
  ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders, SecureClientSessionOptions,
} from 'node:http2';
import type { AcquireOptions, PoolOptions } from '../../index.ts';
import type { RuntimeOptions } from '../common/runtime.ts';

export interface H2FactoryOptions {
  /** Where to: `https://example.com`, or `http://127.0.0.1:50051` for HTTP/2 without TLS (by prior knowledge). */
  readonly authority: string | URL;
  /** Options of `http2.connect` for each session, those of `tls.connect` and `net.connect` included. */
  readonly connect?: SecureClientSessionOptions;
  /**
   * Streams are open and nothing is heard of the peer for this long: it is asked for a sign of life (PING), and the session given up if
   * none comes within {@link H2FactoryOptions.pingTimeoutMs}. Default: never (0 or Infinity).
   */
  readonly pingIntervalMs?: number;
  /** Default 5 000 ms. */
  readonly pingTimeoutMs?: number;
}

/** `sharing` is the most streams on a session; the peer's own limit counts besides. Default 100. */
export interface H2PoolOptions extends Omit<PoolOptions<ClientHttp2Session>, 'factory'>, H2FactoryOptions, RuntimeOptions {}

/** `timeoutMs` is the limit of the wait for a session, by default acquireTimeoutMs. Aborting the signal also ends the stream. */
export interface H2RequestOptions extends AcquireOptions {
  /** No body follows. Default: what `http2` makes of the method. */
  readonly endStream?: boolean;
}

/** `timeoutMs` is the limit of the whole call. Default: none but acquireTimeoutMs for the wait. */
export interface H2CallOptions extends AcquireOptions {
  /** The most bytes of the answer's body. Default 16 MiB. */
  readonly maxResponseSize?: number;
}

/** The answer of a call. */
export interface H2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

export type H2Headers = OutgoingHttpHeaders;
