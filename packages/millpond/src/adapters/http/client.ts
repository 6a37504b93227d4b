// A connection to an origin as a resource: a Client of undici whose one connection is opened here, before anything is sent on it. So a
// failure to connect is a failed create (told to whoever waits, tried again, never mixed up with a request), warm connections are
// connected, and a Client that has lost its connection never opens another behind the pool's back.
//
// It is free again when the Client says so: a turn of the event loop after an answer, so that a server which closes right after it is
// noticed before the next request is sent.

import type { Socket } from 'node:net';
import { PoolError, type Factory, type Lease } from '../../index.ts';
import type { Connector, ConnectRequest, RawHeaders, Undici, UndiciClient, UndiciClientOptions } from './driver.ts';
import { parseKeepAlive, usableMs } from './hint.ts';
import { classify } from './client-classify.ts';
import type { HttpConnection, HttpOrigin } from './dispatcher-types.ts';

const KEEP_ALIVE = 'keep-alive';

/** A request that was handed to a Client whose connection turned out to be gone. Nothing of it was sent. */
export class NotSentError extends PoolError {
  constructor(pool: string, cause: unknown) {
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    super(`Pool "${pool}": the connection was lost before the request was sent${why}, and so were others. It can be sent again.`, {
      code: 'ERR_POOL_CONNECTION_LOST', pool, retryable: true, cause,
    });
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'NotSentError', configurable: true, writable: true });
  }
}

/** What the connections of an origin have in common. */
export interface ConnectionSettings {
  readonly undici: Undici;
  readonly connect: Connector;
  readonly clientOptions: Omit<UndiciClientOptions, 'connect' | 'pipelining'>;
  /** How long before the end of the server's hint a connection is not used any more. */
  readonly marginMs: number;
  /** How long an idle connection is used of whose end the server says nothing. */
  readonly keepAliveTimeoutMs: number;
  readonly onOpen: (connection: Connection) => void;
  readonly onLost: (connection: Connection, cause: unknown) => void;
  readonly onFailed: (origin: HttpOrigin, error: unknown) => void;
  /** It has been there for as long as it may be idle, and was never used. */
  readonly onUnused: (connection: Connection) => void;
  /** With what requests end when the pool ends their connection. */
  readonly farewell: () => unknown;
}

/** How long connections to an origin may be idle, by what its server has last said. */
interface Patience {
  hint: string | undefined;
  usableMs: number;
}

/** A longer timer than this would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export class Connection implements HttpConnection {
  readonly client: UndiciClient;
  readonly socket: Socket;
  readonly origin: HttpOrigin;
  readonly pool: string;
  /** Answers it has given. */
  answers = 0;
  cause: unknown = undefined;
  private readonly settings: ConnectionSettings;
  private isLost = false;
  private busy = false;
  private handedOver = false;
  private attached = false;
  private readonly patience: Patience;
  /** The server has said that it takes no more requests on it. */
  private spent = false;
  private staleAt = Infinity;
  private readonly unused: NodeJS.Timeout;
  private readonly listeners = new Set<(cause: unknown) => void>();
  /** Of whoever has a request on it. */
  private lease: Lease<unknown> | undefined = undefined;

  constructor(settings: ConnectionSettings, origin: HttpOrigin, pool: string, socket: Socket, patience: Patience) {
    this.settings = settings;
    this.patience = patience;
    this.origin = origin;
    this.pool = pool;
    this.socket = socket;
    const connect: Connector = (_request, callback) => this.attach(callback);
    this.client = new settings.undici.Client(origin.url.origin, { ...settings.clientOptions, connect, pipelining: 1 });
    this.client.on('drain', () => this.free());
    this.client.on('disconnect', (_origin: unknown, _targets: unknown, error: unknown) => this.lose(error));
    // Told when a handler has thrown in onError.
    this.client.on('error', (error: unknown) => this.lose(error));
    socket.on('error', this.onSocketError);
    socket.on('close', this.onSocketClose);
    // Whatever a server says before it was asked (or its farewell) ends it. Until the Client has the socket, nobody else would notice.
    socket.on('readable', this.onUnasked);
    socket.unref();
    // Once it has been used, the Client closes it when the server does.
    this.unused = setTimeout(() => settings.onUnused(this), Math.min(patience.usableMs, LONGEST_MS)).unref();
  }

  /** It may not be lent. */
  get broken(): boolean {
    return this.isLost || this.socket.destroyed || (this.staleAt !== Infinity && performance.now() >= this.staleAt);
  }

  get lost(): boolean {
    return this.isLost || this.socket.destroyed;
  }

  /** A request is dispatched on it. The lease ends when it is over and the next one can be, or when nothing more can. */
  occupy(lease: Lease<unknown>): void {
    this.busy = true;
    this.lease = lease;
  }

  /** The request is over. */
  finish(): void {
    this.busy = false;
    const { usableMs } = this.patience;
    if (this.spent) this.staleAt = -Infinity;
    else if (usableMs !== Infinity) this.staleAt = performance.now() + usableMs;
    // Not at once: this is said from the middle of what the Client does about its loss.
    if (this.isLost) queueMicrotask(() => this.free());
  }

  /** The request is over before anything of it was sent, and the connection is as good as before. */
  finishUnsent(): void {
    this.busy = false;
    this.free();
  }

  /** Its socket belongs to whoever asked for the upgrade. */
  handOver(): void {
    this.handedOver = true;
    this.lease = undefined;
    this.socket.off('error', this.onSocketError).off('close', this.onSocketClose);
  }

  /** What the server says with an answer about how long it keeps the connection. */
  noteHint(headers: RawHeaders): void {
    const { patience, settings } = this;
    const value = keepAliveIn(headers);
    // It says the same each time.
    if (value === patience.hint) return;
    const { timeoutMs, max } = parseKeepAlive(value ?? '');
    if (max === 0) {
      this.spent = true;
      return;
    }
    patience.hint = value;
    patience.usableMs = timeoutMs === undefined ? settings.keepAliveTimeoutMs : usableMs(timeoutMs, settings.marginMs);
  }

  listen(listener: (cause?: unknown) => void): () => void {
    const own = (cause: unknown): void => listener(cause);
    this.listeners.add(own);
    if (this.isLost) own(this.cause);
    return () => void this.listeners.delete(own);
  }

  lose(cause: unknown): void {
    if (this.isLost) return;
    this.isLost = true;
    this.cause = cause;
    clearTimeout(this.unused);
    this.settings.onLost(this, cause);
    for (const listener of [...this.listeners]) listener(cause);
    this.free();
  }

  /** Resolves when the socket is closed. */
  destroy(): Promise<void> {
    const { socket } = this;
    return new Promise((resolve) => {
      if (socket.closed) resolve();
      else socket.once('close', () => resolve());
      // First the Client: a request that is on it ends with this error.
      void this.client.destroy((this.settings.farewell() ?? null) as Error | null);
      socket.destroy();
    });
  }

  private free(): void {
    const { lease } = this;
    // A Client may say late that it was free before.
    if (this.busy || lease === undefined) return;
    this.lease = undefined;
    // The pool ends it itself when it is closed for good.
    if (!lease.ended) lease.release();
  }

  /** The Client asks for its connection: with its first request, or when it has lost the one it had and has another request. */
  private attach(callback: (error: Error | null, socket: Socket | null) => void): void {
    // Not at once: a Client that is connected within its own call does not go on to send.
    queueMicrotask(() => {
      if (this.attached || this.lost) {
        callback(new NotSentError(this.pool, this.cause), null);
        return;
      }
      this.attached = true;
      clearTimeout(this.unused);
      this.socket.off('readable', this.onUnasked);
      this.socket.ref();
      callback(null, this.socket);
    });
  }

  private readonly onUnasked = (): void => {
    this.socket.destroy();
  };

  private readonly onSocketError = (error: unknown): void => {
    this.cause ??= error;
  };

  private readonly onSocketClose = (): void => {
    if (!this.handedOver) this.lose(this.cause);
  };
}

/** A factory of connections to one origin. */
export function connectionFactory(settings: ConnectionSettings, origin: HttpOrigin, pool: string): Factory<HttpConnection> {
  const patience: Patience = { hint: undefined, usableMs: settings.keepAliveTimeoutMs };
  return {
    async create({ signal }) {
      try {
        return await open(settings.connect, origin, signal, (socket) => {
          const connection = new Connection(settings, origin, pool, socket, patience);
          settings.onOpen(connection);
          return connection;
        });
      } catch (error) {
        settings.onFailed(origin, error);
        throw error;
      }
    },
    destroy: (connection) => inside(connection).destroy(),
    isBroken: (connection) => inside(connection).broken,
    onLost: (connection, listener) => inside(connection).listen(listener),
    classify,
  };
}

/** Callers see the public shape, this adapter the whole. */
function inside(connection: HttpConnection): Connection {
  return connection as Connection;
}

/**
 * Connects, or leaves nothing behind. `keep` is called in the same tick, so that the socket is never without somebody who hears of its
 * errors.
 */
function open(
  connect: Connector, { url, servername }: HttpOrigin, signal: AbortSignal, keep: (socket: Socket) => Connection,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const { host, protocol, port } = url;
    const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const request: ConnectRequest = { host, hostname, protocol, port, servername: servername ?? null };
    const end = (): void => signal.removeEventListener('abort', onAbort);
    const onAbort = (): void => {
      end();
      reject(signal.reason);
      if (isSocket(pending)) pending.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const pending: unknown = connect(request, (error, socket) => {
      end();
      if (error !== null && error !== undefined) reject(error);
      else if (socket === null) reject(new Error('connect called back with neither an error nor a socket'));
      else if (signal.aborted) socket.destroy();
      else resolve(keep(socket));
    });
  });
}

const LOWER_K = 0x6b;
/** With the bit that makes a letter of ASCII a small one. */
const SMALL = 0x20;

/** Looked at with every answer: nearly all names are told by their length and first letter. */
function keepAliveIn(headers: RawHeaders): string | undefined {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!;
    if (name.length !== KEEP_ALIVE.length || (typeof name !== 'string' && (Number(name[0]) | SMALL) !== LOWER_K)) continue;
    if (latin1(name).toLowerCase() === KEEP_ALIVE) return latin1(headers[i + 1]!);
  }
  return undefined;
}

function latin1(value: RawHeaders[number]): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}

function isSocket(value: unknown): value is Socket {
  return typeof (value as { readonly destroy?: unknown } | null | undefined)?.destroy === 'function';
}
