// What callers hand in. Sockets are Node's own: `net.Socket`, or `tls.TLSSocket` with `tls`.

import type { LookupFunction, Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { KeyedPoolOptions, PoolOptions } from '../../index.ts';
import type { RuntimeOptions } from '../common/runtime.ts';

/** Where to connect to: a host (default `'localhost'`) and a port, or the path of a Unix socket. */
export type TcpAddress =
  | { readonly host?: string; readonly port: number; readonly path?: never }
  | { readonly path: string; readonly host?: never; readonly port?: never };

/**
 * Options of Node's `tls.connect`, as they are, but for those that a pool decides. `servername` is the host unless it is given; Node sends
 * no name of its own accord.
 */
export type TlsOptions = Omit<ConnectionOptions, 'host' | 'port' | 'path' | 'socket' | 'session' | 'timeout' | 'lookup'>;

/** Works on a connection that is not lent. `signal` aborts when its time is up; the connection goes then, whatever the hook does. */
export type TcpHook<S extends Socket, R> = (socket: S, context: { readonly signal: AbortSignal }) => R | Promise<R>;

/** How to connect, wherever to. */
export interface TcpConnectOptions<S extends Socket = Socket> {
  /** TLS, with Node's options or its defaults. Default false. */
  readonly tls?: boolean | TlsOptions;
  /**
   * Fail with {@link AlpnMismatchError}, for good, when the server chooses none of `tls.ALPNProtocols`. Default false: look at
   * `socket.alpnProtocol`.
   */
  readonly requireAlpn?: boolean;
  /** How many addresses TLS sessions are remembered for, to be resumed by later connects. 0: none. Default 100. */
  readonly maxCachedSessions?: number;
  /** TCP keep-alive: a connection whose other end has vanished says so by itself. Default true. */
  readonly keepAlive?: boolean;
  /** Silence before the first probe of keep-alive. In milliseconds, rounded to seconds; default 60 000. */
  readonly keepAliveInitialDelayMs?: number;
  /** Send at once what is written (TCP_NODELAY). Default true. */
  readonly noDelay?: boolean;
  /** Resolves names. Default: `dns.lookup`, which asks as the system does. */
  readonly lookup?: LookupFunction;
  /** 4 or 6: only addresses of this kind. Default 0: both. */
  readonly family?: 0 | 4 | 6;
  /** The address of this machine to connect from. Default: the system's choice. */
  readonly localAddress?: string;
  /** Try the addresses of a name one after the other (Happy Eyeballs). Default: Node's, which is true. */
  readonly autoSelectFamily?: boolean;
  /** How long to wait for one of them before the next is tried. In milliseconds; default: Node's, which is 250 or more. */
  readonly autoSelectFamilyAttemptTimeoutMs?: number;
  /**
   * Runs on each new connection before it is lent: read the greeting, log in. A rejection fails the connect. Listeners that it adds to the
   * socket stay for as long as the socket does.
   */
  readonly onConnect?: TcpHook<S, unknown>;
  /**
   * A round trip that shows that the other end is there; resolve false or reject when it is not. Asked before a connection is lent that was
   * idle for longer than `validateAfterIdleMs`, and every `keepaliveIntervalMs`. Default: none, and an idle connection is trusted until it
   * says that it is lost.
   */
  readonly validate?: TcpHook<S, boolean>;
  /** May a failed connect be tried again? Undefined leaves it to {@link classify}. For what `onConnect` fails with. */
  readonly classify?: (error: unknown) => 'transient' | 'permanent' | undefined;
}

/** What {@link tcpFactory} takes. */
export type TcpFactoryOptions<S extends Socket = Socket> = TcpAddress & TcpConnectOptions<S>;
export type SecureTcpFactoryOptions = TcpFactoryOptions<TLSSocket> & { readonly tls: true | TlsOptions };

interface SocketPoolOptions<S extends Socket> extends Omit<PoolOptions<S>, 'factory'> {
  /** The most connects at once. Default Infinity, with `tls` 2: a handshake costs the server a thousand times what a connect costs it. */
  readonly maxCreating?: number;
  /** Default `{ maxDelayMs: 500 }`, with `tls` that of every pool: a connect that is refused costs the server next to nothing. */
  readonly createRetry?: NonNullable<PoolOptions<S>['createRetry']>;
}

/** What {@link createTcpPool} takes: the pool's options, the address, and how to connect, in one object. */
export type TcpPoolOptions<S extends Socket = Socket> = TcpFactoryOptions<S> & SocketPoolOptions<S> & RuntimeOptions;
export type SecureTcpPoolOptions = TcpPoolOptions<TLSSocket> & { readonly tls: true | TlsOptions };

/** What {@link createTcpPools} takes: the same, with limits per address and over all instead of an address. */
export interface TcpPoolsOptions<S extends Socket = Socket>
  extends Omit<KeyedPoolOptions<TcpAddress, S>, 'factory' | 'keyOf'>, TcpConnectOptions<S>, RuntimeOptions {
  /** The most connects to one address at once. Default Infinity, with `tls` 2. */
  readonly maxCreating?: number;
  /** Default `{ maxDelayMs: 500 }`, with `tls` that of every pool. */
  readonly createRetry?: NonNullable<PoolOptions<S>['createRetry']>;
}
export type SecureTcpPoolsOptions = TcpPoolsOptions<TLSSocket> & { readonly tls: true | TlsOptions };
