// Opens one connection, or leaves nothing behind: however far it has come when it is called off (the name is looked up, an address is
// tried, TLS is in the middle), the socket is destroyed, and Node connects nothing that is destroyed.

import { connect as connectPlain, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectSecure, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { AlpnMismatchError } from './errors.ts';
import { applySettings, type SocketSettings } from './reset.ts';
import { TcpSession, type SessionOwner } from './session.ts';
import type { Tickets } from './tickets.ts';

export interface ConnectSettings extends SocketSettings {
  /** For Node. */
  readonly connect: NetConnectOpts;
  /** Undefined: no TLS. */
  readonly tls: ConnectionOptions | undefined;
  /** Protocols of which the server must choose one. */
  readonly requiredProtocols: readonly string[] | undefined;
  /** What TLS sessions are remembered by. */
  readonly address: string;
  readonly tickets: Tickets;
}

/** Rejects with `signal.reason` as soon as the signal aborts. */
export function open(settings: ConnectSettings, owner: SessionOwner, signal: AbortSignal): Promise<TcpSession> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const ticket = settings.tls === undefined ? undefined : settings.tickets.get(settings.address);
    const socket = begin(settings, ticket);
    const session = new TcpSession(socket, owner);
    const ready = settings.tls === undefined ? 'connect' : 'secureConnect';
    const settle = (error: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      session.lossListeners.delete(settle);
      socket.removeListener(ready, onReady);
      if (error === undefined) {
        resolve(session);
        return;
      }
      // A ticket that the server chokes on must not fail the next one, too.
      if (ticket !== undefined && !signal.aborted) settings.tickets.drop(settings.address, ticket);
      session.lose(error);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => settle(signal.reason);
    const onReady = (): void => settle(refusal(socket, settings, owner));
    signal.addEventListener('abort', onAbort, { once: true });
    session.lossListeners.add(settle);
    // With TLS 1.3 tickets come when the server likes, long after the handshake; Node holds back those that come before the server's name
    // has been checked (TLS 1.2).
    if (settings.tls !== undefined) socket.on('session', (latest: Buffer) => settings.tickets.set(settings.address, latest));
    socket.once(ready, onReady);
  });
}

function begin({ connect, tls, ...settings }: ConnectSettings, ticket: Buffer | undefined): Socket {
  const socket = tls === undefined
    ? connectPlain(connect)
    : connectSecure({ ...connect, ...tls, ...(ticket === undefined ? {} : { session: ticket }) } as ConnectionOptions);
  applySettings(socket, settings);
  return socket;
}

/** Why a connection that was made is not taken. */
function refusal(socket: Socket, { requiredProtocols }: ConnectSettings, owner: SessionOwner): Error | undefined {
  if (requiredProtocols === undefined) return undefined;
  const { alpnProtocol } = socket as TLSSocket;
  const chosen = typeof alpnProtocol === 'string' && requiredProtocols.includes(alpnProtocol);
  return chosen ? undefined : new AlpnMismatchError(owner.pool, requiredProtocols);
}
