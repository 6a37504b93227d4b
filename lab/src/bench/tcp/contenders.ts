// The ways to come by a socket for one exchange.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectSecure, createSecureContext } from 'node:tls';
import { createPool } from 'generic-pool';
import { createTcpPool } from 'millpond/tcp';
import { ask } from './line.ts';

export interface Place {
  readonly port: number;
  /** The server's certificate; undefined: no TLS. */
  readonly ca: string | undefined;
}

export interface Opened {
  exchange(): Promise<void>;
  close(): Promise<unknown>;
}

export interface Contender {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  readonly lacks: string;
  readonly ours: boolean;
  /** Takes part with TLS only. */
  readonly tlsOnly?: boolean;
  open(place: Place, size: number): Opened;
}

const NAME = 'localhost';

export const CONTENDERS: readonly Contender[] = [
  {
    id: 'socket-per-request', name: 'a socket per request', about: 'connect, ask, close', ours: false,
    lacks: 'no limit of its own; each request pays for a connect', open: (place) => perRequest(place, false),
  },
  {
    id: 'socket-per-request-resumed', name: 'a socket per request, session resumed', about: 'the same, with the last TLS session',
    ours: false, tlsOnly: true, lacks: 'no limit of its own; each request pays for a connect', open: (place) => perRequest(place, true),
  },
  {
    id: 'generic-pool', name: 'generic-pool', about: 'a factory that connects and destroys, acquireTimeoutMillis 30 000', ours: false,
    lacks: 'does not notice what happens to an idle socket; cleans none', open: withGenericPool,
  },
  {
    id: 'millpond', name: 'millpond/tcp', about: 'createTcpPool', ours: true, lacks: '',
    open({ port, ca }, max) {
      const how = ca === undefined ? {} : { tls: { ca, servername: NAME } };
      const pool = createTcpPool({ host: '127.0.0.1', port, max, ...how });
      return { exchange: () => pool.use(ask), close: () => pool.close() };
    },
  },
];

export function contenderOf(id: string): Contender {
  const found = CONTENDERS.find((contender) => contender.id === id);
  if (found === undefined) throw new Error(`no contender is called "${id}"`);
  return found;
}

type Open = (session?: Buffer) => Promise<Socket>;

/** The context of TLS is made once, as a pool does. */
function opener({ port, ca }: Place, onSession: (session: Buffer) => void = () => undefined): Open {
  const secureContext = ca === undefined ? undefined : createSecureContext({ ca });
  return async (session) => {
    const to = { host: '127.0.0.1', port };
    if (secureContext === undefined) {
      const socket = connect({ ...to, noDelay: true });
      await once(socket, 'connect');
      return socket;
    }
    const socket = connectSecure({ ...to, secureContext, servername: NAME, ...(session === undefined ? {} : { session }) });
    socket.setNoDelay(true).on('session', onSession);
    await once(socket, 'secureConnect');
    return socket;
  };
}

function perRequest(place: Place, resumes: boolean): Opened {
  let last: Buffer | undefined;
  const open = opener(place, (session) => { if (resumes) last = session; });
  return {
    async exchange() {
      const socket = await open(last);
      await ask(socket);
      socket.end();
      await once(socket, 'close');
    },
    close: () => Promise.resolve(),
  };
}

function withGenericPool(place: Place, max: number): Opened {
  const open = opener(place);
  const pool = createPool<Socket>({
    async create() {
      const socket = await open();
      return socket.on('error', () => undefined);
    },
    async destroy(socket) {
      socket.destroy();
      if (!socket.closed) await once(socket, 'close');
    },
  }, { max, acquireTimeoutMillis: 30_000, idleTimeoutMillis: 30_000, evictionRunIntervalMillis: 10_000 });
  return {
    async exchange() {
      const socket = await pool.acquire();
      try {
        await ask(socket);
      } catch (error) {
        await pool.destroy(socket);
        throw error;
      }
      await pool.release(socket);
    },
    async close() {
      await pool.drain();
      await pool.clear();
    },
  };
}
