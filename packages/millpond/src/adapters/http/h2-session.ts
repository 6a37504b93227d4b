// One HTTP/2 session and what the pool has to know of it: how many streams its peer allows, whether it takes another one, when it has
// ended, and, while streams are open, whether anybody is there. A session that was told to go away (GOAWAY) takes no new streams and
// lives until its last one has ended; for the pool it is lost at once, and a shared resource that is lost stays with its borrowers.

import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type Settings as Http2Settings } from 'node:http2';
import type { Socket } from 'node:net';
import { Watch } from '../common/watch.ts';
import type { H2Settings } from './h2-options.ts';
import { SessionLostError } from './h2-errors.ts';

const sessions = new WeakMap<object, H2Session>();

export function sessionOf(session: object): H2Session {
  return sessions.get(session)!;
}

export class H2Session {
  readonly session: ClientHttp2Session;
  /** How many streams the peer allows, once it has said so. */
  capacity: number | undefined = undefined;
  lost = false;
  cause: unknown = undefined;
  readonly lossListeners: Set<(cause?: unknown) => void> = new Set();
  readonly capacityListeners: Set<(leases: number) => void> = new Set();
  readonly #settings: H2Settings;
  #leases = 0;
  #streams = 0;
  #heartbeat: NodeJS.Timeout | undefined = undefined;
  #ping: Watch | undefined = undefined;
  #heard = 0;
  /** The last stream that the peer may have looked at, once it has said goodbye. */
  #lastTaken = Infinity;
  #socket: Socket | undefined = undefined;

  constructor(session: ClientHttp2Session, settings: H2Settings) {
    this.session = session;
    this.#settings = settings;
    sessions.set(session, this);
    session.on('connect', (_session, socket) => { this.#socket = socket; });
    session.on('remoteSettings', ({ maxConcurrentStreams }: Http2Settings) => this.#allow(maxConcurrentStreams));
    session.on('goaway', (code, lastStreamID) => {
      this.#lastTaken = lastStreamID;
      this.lose(new SessionLostError(settings.pool, `the peer sent GOAWAY, code ${code}`));
    });
    // Of the session's own; every stream on it has its own error.
    session.on('error', (error) => this.lose(error));
    session.on('close', () => this.lose(this.cause ?? new SessionLostError(settings.pool, 'it was closed')));
  }

  get broken(): boolean {
    return this.lost || this.session.closed || this.session.destroyed;
  }

  lose(cause: unknown): void {
    if (this.lost) return;
    this.lost = true;
    this.cause = cause;
    for (const listener of [...this.lossListeners]) listener(cause);
  }

  /** A lease has begun. A session keeps the process alive while it is used, and no longer. */
  hold(): void {
    if (this.#leases++ > 0) return;
    if (!this.session.destroyed) this.session.ref();
    const { pingIntervalMs } = this.#settings;
    if (pingIntervalMs === Infinity) return;
    this.#heard = this.#bytesRead();
    this.#heartbeat = setInterval(() => this.#beat(), pingIntervalMs).unref();
  }

  letGo(): void {
    if (--this.#leases > 0) return;
    clearInterval(this.#heartbeat);
    this.#ping?.end();
    this.#ping = undefined;
    if (!this.session.destroyed) this.session.unref();
  }

  /** A stream that was opened on it, until it closes. */
  note(stream: ClientHttp2Stream): void {
    this.#streams++;
    stream.once('close', () => this.#streams--);
  }

  /** Did the peer say that it has not looked at it? With an error in its goodbye Node ends all streams in the same way. */
  refused(stream: ClientHttp2Stream): boolean {
    return stream.id !== undefined && stream.id > this.#lastTaken;
  }

  /** Resolves true when the peer answers. */
  ping(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.session.ping((error) => error === null ? resolve(true) : reject(error));
    });
  }

  /** Ends it: at once, or after the goodbye has been sent. Resolves when its connection is closed. */
  end(atOnce: boolean, signal: AbortSignal): Promise<void> {
    const { session } = this;
    const socket = this.#socket!;
    if (socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      // A session that has said goodbye, and is destroyed, still waits for the peer to close the connection.
      const destroy = (error?: Error): void => {
        session.destroy(error);
        socket.destroy();
      };
      signal.addEventListener('abort', () => destroy(), { once: true });
      // Closing would wait for streams.
      if (this.#streams > 0) destroy(new SessionLostError(this.#settings.pool, 'the pool was closed'));
      else if (atOnce) destroy();
      else session.close();
    });
  }

  #allow(streams: number | undefined): void {
    if (streams === undefined || streams === this.capacity) return;
    this.capacity = streams;
    for (const listener of [...this.capacityListeners]) listener(streams);
  }

  #bytesRead(): number {
    return this.#socket?.bytesRead ?? 0;
  }

  /** Whatever comes is a sign of life. */
  #beat(): void {
    const heard = this.#bytesRead();
    if (heard !== this.#heard || this.#ping !== undefined || this.broken) {
      this.#heard = heard;
      return;
    }
    const { pingTimeoutMs, pool } = this.#settings;
    const silent = (): Error => new SessionLostError(pool, `the peer gave no sign of life within ${pingTimeoutMs} ms`);
    const ping = new Watch({ signal: undefined, remainingMs: pingTimeoutMs, onTimeout: silent }, (error) => {
      this.#ping = undefined;
      if (this.#bytesRead() === heard) this.session.destroy(error as Error);
    });
    this.#ping = ping;
    const over = (): void => {
      ping.end();
      if (this.#ping === ping) this.#ping = undefined;
    };
    this.ping().then(over, over);
  }
}

/** The peer is told that nobody waits any more (CANCEL); whoever listens to the stream is told why. */
export function cancel(stream: ClientHttp2Stream, reason: unknown): void {
  stream.close(constants.NGHTTP2_CANCEL);
  stream.destroy(reason instanceof Error ? reason : new Error('the stream was cancelled', { cause: reason }));
}

/** Connects and waits until the peer has said what it allows, or leaves nothing behind. */
export function openSession(settings: H2Settings, signal: AbortSignal): Promise<H2Session> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const session = connect(settings.authority, settings.connect);
    const opened = new H2Session(session, settings);
    const end = (): void => {
      signal.removeEventListener('abort', onAbort);
      opened.lossListeners.clear();
      session.off('remoteSettings', onSettings);
    };
    const onAbort = (): void => {
      end();
      session.destroy();
      reject(signal.reason);
    };
    // The first thing that a peer says, and a server that does not speak HTTP/2 never says it.
    const onSettings = (): void => {
      end();
      resolve(opened);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    session.on('remoteSettings', onSettings);
    opened.lossListeners.add((cause) => {
      end();
      session.destroy();
      reject(cause);
    });
  });
}
