// Pools of HTTP/2 sessions. A session is a shared resource: it carries as many streams as `sharing` and its peer allow, and a lease is the
// right to one stream. So the engine does what clients of HTTP/2 do by hand: it spreads streams over sessions, opens another one when all
// are full, makes those that were told to go away last until their streams have ended, and lets the rest wait in line.

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { Pool, type Factory, type Lease } from '../../index.ts';
import { onAbort } from '../common/signals.ts';
import { classify } from './client-classify.ts';
import { isUntouched } from './h2-errors.ts';
import { Call } from './h2-call.ts';
import { h2PoolSettings, h2Settings, type H2Settings } from './h2-options.ts';
import { cancel, openSession, sessionOf } from './h2-session.ts';
import type { H2Answer, H2CallOptions, H2FactoryOptions, H2Headers, H2PoolOptions, H2RequestOptions } from './h2-types.ts';

/** A session may end between its lease and its first frame; whoever meets that so often is told. */
const MOST_RETRIES = 3;

/**
 * A factory of HTTP/2 sessions for a {@link Pool} or KeyedPool with `sharing`. {@link createH2Pool} makes such a pool with what else
 * belongs to it. Throws {@link InvalidOptionError}.
 */
export function h2Factory(options: H2FactoryOptions): Factory<ClientHttp2Session> {
  return makeFactory(h2Settings(options, 'h2'));
}

function makeFactory(settings: H2Settings): Factory<ClientHttp2Session> {
  return {
    async create({ signal }) {
      return (await openSession(settings, signal)).session;
    },
    destroy(session, { reason, signal }) {
      // These did not answer, or are known to be dead: there is nothing to wait for.
      return sessionOf(session).end(reason === 'invalid' || reason === 'stale' || reason === 'broken', signal);
    },
    validate: (session) => sessionOf(session).ping(),
    isBroken: (session) => sessionOf(session).broken,
    onLost: (session, listener) => {
      const { lossListeners, lost, cause } = sessionOf(session);
      const own = (why: unknown): void => listener(why);
      lossListeners.add(own);
      if (lost) own(cause);
      return () => void lossListeners.delete(own);
    },
    onCapacity: (session, listener) => {
      const { capacityListeners, capacity } = sessionOf(session);
      const own = (streams: number): void => listener(streams);
      capacityListeners.add(own);
      if (capacity !== undefined) own(capacity);
      return () => void capacityListeners.delete(own);
    },
    classify,
  };
}

/** Makes an {@link H2Pool}. Throws {@link InvalidOptionError}; connects only when `min` or a request asks for it. */
export function createH2Pool(options: H2PoolOptions): H2Pool {
  return new H2Pool(options);
}

export class H2Pool extends Pool<ClientHttp2Session> {
  constructor(options: H2PoolOptions) {
    const { pool, factory, name } = h2PoolSettings(options);
    const settings = h2Settings(factory, name);
    super({ name, ...pool, factory: makeFactory(settings) });
    this.on('create', ({ resource }) => {
      if (!resource.destroyed) resource.unref();
    });
    this.on('acquire', ({ lease }) => sessionOf(lease.resource).hold());
    this.on('release', ({ resource }) => sessionOf(resource).letGo());
  }

  /**
   * Opens a stream on a session that has room for it; its lease ends when the stream closes. The stream is one of node:http2 and the
   * caller's, but an `error` that nobody listens for does not end the process: `close` follows in any case. Rejects with what an acquire
   * rejects with. Aborting the signal ends the wait, and later the stream (CANCEL).
   */
  async request(headers: H2Headers, options: H2RequestOptions = {}): Promise<ClientHttp2Stream> {
    const { endStream, ...acquire } = options;
    for (let retries = 0; ; retries++) {
      const lease = await this.acquire(acquire);
      try {
        return begin(lease, headers, endStream, options.signal);
      } catch (error) {
        lease.release();
        if (retries >= MOST_RETRIES || !isUntouched(error, undefined)) throw error;
      }
    }
  }

  /**
   * Sends a request with its whole body and resolves with the whole answer, trailers included: a unary call of gRPC, or a plain request.
   * Sent again, on another session, when the peer refused it unseen. Rejects with {@link CallTimeoutError} when `timeoutMs` passes,
   * with {@link SessionLostError}, or with the error of the stream.
   */
  call(headers: H2Headers, body?: string | Uint8Array, options: H2CallOptions = {}): Promise<H2Answer> {
    return new Call(this, headers, body, options).run();
  }
}

function begin(
  lease: Lease<ClientHttp2Session>, headers: H2Headers, endStream: boolean | undefined, signal: AbortSignal | undefined,
): ClientHttp2Stream {
  const stream = lease.resource.request(headers, endStream === undefined ? {} : { endStream });
  sessionOf(lease.resource).note(stream);
  // A session that is lost takes all its streams along, also those that nobody looks at any more.
  stream.on('error', () => undefined);
  const unwatch = signal === undefined ? undefined : onAbort(signal, () => cancel(stream, signal.reason));
  stream.once('close', () => {
    unwatch?.();
    lease.release();
  });
  if (signal?.aborted === true) cancel(stream, signal.reason);
  return stream;
}
