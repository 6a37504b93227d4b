import type { TcpSocketConnectOpts } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Duplex } from 'node:stream';
import type { KeyedPoolOptions, KeyedPoolStats } from '../../index.ts';
import type { RuntimeOptions } from '../common/runtime.ts';

/** Of the pools, one per origin: `max`, `min` and `maxWaiting` are per origin, `maxTotal` is over all. */
type OfThePools = Omit<KeyedPoolOptions<never, Duplex>, 'factory' | 'keyOf' | 'sharing'> & RuntimeOptions;

/** Of each connect, passed on to `net.connect` as they are. */
type OfTheSocket = Partial<Pick<TcpSocketConnectOpts,
  'localAddress' | 'localPort' | 'family' | 'hints' | 'lookup' | 'noDelay' | 'keepAliveInitialDelay' | 'autoSelectFamily'
  | 'autoSelectFamilyAttemptTimeout'>>;

export interface HttpAgentOptions extends OfThePools, OfTheSocket {
  /** Where all requests go instead of to their hosts: a Unix socket. */
  readonly socketPath?: string;
  /** As for Node's agent: milliseconds of silence on a connection after which its request emits `timeout`. Default: none. */
  readonly timeout?: number;
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
  /**
   * Send a request without a body again whose method allows it, when a connection that had been used before died before the first
   * byte of the answer. Default true.
   */
  readonly retry?: boolean;
}

/** With those of `tls.connect`, passed on as they are. */
export interface HttpsAgentOptions extends HttpAgentOptions, Pick<ConnectionOptions, TlsKey> {
  /** How many TLS sessions are kept to be resumed. Default 100; 0: none. */
  readonly maxCachedSessions?: number;
}

export type TlsKey = 'ca' | 'cert' | 'key' | 'passphrase' | 'pfx' | 'servername' | 'rejectUnauthorized' | 'checkServerIdentity'
  | 'ALPNProtocols' | 'ciphers' | 'ecdhCurve' | 'dhparam' | 'crl' | 'honorCipherOrder' | 'minVersion' | 'maxVersion' | 'secureProtocol'
  | 'secureOptions' | 'secureContext' | 'sigalgs' | 'sessionIdContext' | 'clientCertEngine' | 'privateKeyEngine'
  | 'privateKeyIdentifier' | 'minDHSize' | 'enableTrace' | 'pskCallback';

export interface HttpWarmOptions {
  /** How many connections to keep open. Default: the agent's `min`, and at least 1. */
  readonly min?: number;
  /** Ends the wait for them, not their making. */
  readonly signal?: AbortSignal;
  /** Default: acquireTimeoutMs. */
  readonly timeoutMs?: number;
}

export interface HttpAgentStats extends KeyedPoolStats {
  /** Requests that were sent again because a connection had died before the first byte of their answer. */
  readonly retries: number;
}
