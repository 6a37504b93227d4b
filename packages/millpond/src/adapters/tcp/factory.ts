// Sockets as resources of a pool.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Factory } from '../../index.ts';
import { classify } from './classify.ts';
import { open } from './connect.ts';
import { factorySettings, type FactorySettings } from './options.ts';
import { resetSocket, stopReading } from './reset.ts';
import { sessionOf, type SessionOwner, type TcpSession } from './session.ts';
import { Tickets } from './tickets.ts';
import type { SecureTcpFactoryOptions, TcpFactoryOptions } from './types.ts';
import { KeptListeners } from '../common/listeners.ts';
import { orAborted } from '../common/signals.ts';
import { Sweep, UNREFERENCE_AFTER_MS } from '../common/sweep.ts';

/** A factory together with what a pool made by this adapter reaches it by. */
export interface TcpFactory {
  readonly factory: Factory<Socket>;
  readonly owner: SessionOwner;
}

/**
 * A factory of sockets for a plain {@link Pool}; {@link createTcpPool} makes such a pool with the right defaults. Throws
 * {@link InvalidOptionError}.
 */
export function tcpFactory(options: SecureTcpFactoryOptions): Factory<TLSSocket>;
export function tcpFactory(options: TcpFactoryOptions): Factory<Socket>;
export function tcpFactory(options: SecureTcpFactoryOptions | TcpFactoryOptions): Factory<TLSSocket> | Factory<Socket> {
  return makeFactory(options as TcpFactoryOptions, 'tcp').factory;
}

/** `tickets`: shared by factories whose TLS options are the same. */
export function makeFactory(options: TcpFactoryOptions, name: string, tickets?: Tickets): TcpFactory {
  const settings = factorySettings(options, name);
  const remembered = tickets ?? new Tickets(settings.maxCachedSessions);
  const sweep = new Sweep<TcpSession>(UNREFERENCE_AFTER_MS, (session) => session.unreference());
  const owner: SessionOwner = { pool: name, rests: (session) => sweep.add(session) };
  const { validate } = settings;

  const factory: Factory<Socket> = {
    async create({ signal }) {
      const session = await open({ ...settings.connect, tickets: remembered }, owner, signal);
      try {
        await prepare(session, settings, signal);
      } catch (error) {
        session.socket.destroy();
        throw error;
      }
      return session.socket;
    },

    destroy(socket, { reason, signal }) {
      // These did not answer, are known to be dead, or were given up in the middle of something: there is nothing to wait for. What is
      // still to be written when a socket is given back, though, is written first.
      const abrupt = NOTHING_TO_WAIT_FOR.has(reason) || (reason === 'resetFailed' && socket.writableLength === 0);
      return close(known(socket), abrupt, signal);
    },

    reset: (socket) => resetSocket(known(socket), settings.connect),

    isBroken: (socket) => !known(socket).usable,

    onLost(socket, listener) {
      const session = known(socket);
      const own = (cause: unknown): void => listener(cause);
      session.lossListeners.add(own);
      if (session.lost) own(session.cause);
      return () => {
        session.lossListeners.delete(own);
      };
    },

    classify: (error) => settings.classify?.(error) ?? classify(error),
  };

  if (validate !== undefined) {
    factory.validate = async (socket, { signal }) => {
      const session = known(socket);
      if (!session.usable) return false;
      if (await orAborted(validate(socket, { signal }), signal) === false) return false;
      await resetSocket(session, settings.connect); // what the probe left half-read makes it as unfit as what a borrower left
      return true;
    };
  }
  return { factory, owner };
}

const NOTHING_TO_WAIT_FOR = new Set(['invalid', 'stale', 'broken', 'leaseDestroyed', 'reclaimed']);

/** The caller's own hook, and then what has to hold of an idle socket. */
async function prepare(session: TcpSession, { onConnect }: FactorySettings, signal: AbortSignal): Promise<void> {
  const { socket } = session;
  await orAborted(onConnect?.(socket, { signal }), signal);
  if (session.lost) throw session.cause;
  const { readableLength } = socket;
  if (readableLength > 0) throw new Error(`onConnect left ${readableLength} bytes unread: the next borrower would take them for an answer`);
  session.listeners = new KeptListeners(socket);
  session.encoding = socket.readableEncoding;
  stopReading(socket);
  session.rest();
}

/**
 * Ends a connection and resolves when it is gone: FIN (with TLS a close_notify before it), then the other side's. Until then the
 * connection counts there, and a successor might be one too many.
 */
function close(session: TcpSession, abrupt: boolean, signal: AbortSignal): Promise<void> {
  const { socket } = session;
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
    if (abrupt || session.lost || !socket.writable || signal.aborted) {
      socket.destroy();
      return;
    }
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    session.wake();
    socket.end();
    socket.resume(); // the end comes behind whatever is still to be read, which nobody wants
  });
}

function known(socket: Socket): TcpSession {
  const session = sessionOf(socket);
  if (session === undefined) throw new TypeError('this socket was not made by millpond/tcp');
  return session;
}
