// Makes a connection by the agent's `createConnection`, which anybody may override (proxies do), and waits until it is usable: connected,
// and over with the TLS handshake.

import type { Factory } from '../../index.ts';
import { isPermanentCode } from '../common/network.ts';
import { Connection, connectionOf, type Owner } from './agent-connection.ts';
import type { AgentSocket } from './agent-internals.ts';
import type { Origin } from './agent-origin.ts';

/** What the factory needs of the agent. */
export interface Connector {
  connect(origin: Origin, callback: (error: Error | null, socket?: AgentSocket) => void): AgentSocket | null | undefined;
}

export function agentFactory(origin: Origin, owner: Owner, connector: Connector): Factory<AgentSocket> {
  return {
    create: ({ signal }) => connected(origin, connector, signal, (socket) => new Connection(socket, origin, owner).start()),

    destroy(socket) {
      const { handedOver } = connectionOf(socket);
      if (handedOver || socket.closed) return undefined;
      return new Promise((resolve) => {
        socket.once('close', () => resolve());
        socket.destroy();
      });
    },

    isBroken: (socket) => !connectionOf(socket).usable,

    onLost(socket, listener) {
      const connection = connectionOf(socket);
      connection.onLost = listener;
      if (socket.destroyed) listener();
      return () => {
        connection.onLost = undefined;
      };
    },

    classify: (error) => {
      const code = (error as { readonly code?: unknown } | null | undefined)?.code;
      return typeof code === 'string' && isPermanentCode(code) ? 'permanent' : 'transient';
    },
  };
}

/** `keep` is called in the same tick, so that the socket is never without somebody who hears of its errors. */
function connected(
  origin: Origin, connector: Connector, signal: AbortSignal, keep: (socket: AgentSocket) => void,
): Promise<AgentSocket> {
  return new Promise((resolve, reject) => {
    let chosen: AgentSocket | undefined;
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      for (const [event, listener] of Object.entries(listeners)) chosen?.off(event, listener);
      finish();
    };
    const fail = (error: unknown): void => settle(() => {
      // It may say more on its way out, to nobody.
      chosen?.on('error', () => undefined).destroy();
      reject(error);
    });
    const onAbort = (): void => fail(signal.reason);
    const listeners = {
      connect: () => look(),
      secureConnect: () => look(),
      error: fail,
      close: () => fail(Object.assign(new Error('The connection was closed before it could be used'), { code: 'ECONNRESET' })),
    };
    const look = (): void => {
      const socket = chosen!;
      if (socket.connecting === true || socket.secureConnecting === true) return;
      settle(() => {
        keep(socket);
        resolve(socket);
      });
    };
    const take = (socket: AgentSocket): void => {
      if (signal.aborted || chosen !== undefined) {
        // Too late, or the same one twice.
        if (chosen !== socket) socket.on('error', () => undefined).destroy();
        return;
      }
      chosen = socket;
      for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
      look();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const socket = connector.connect(origin, (error, made) => {
        if (error) fail(error);
        else if (made) take(made);
      });
      if (socket) take(socket);
    } catch (error) {
      fail(error);
    }
  });
}
