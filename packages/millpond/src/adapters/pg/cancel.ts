// Ends a statement at the server, and only that statement.
//
// A CancelRequest travels on a connection of its own and names a backend, not a statement: one that arrives late hits whatever that backend
// does then, perhaps for somebody else. So a connection may be used again only when two things are known: its own ReadyForQuery came
// (the statement is over), and the server has closed the connection of the cancel request (the signal has been sent; a backend handles
// it before it reads its next command, and ignores it between commands). What stays unknown costs the connection.

import { construct, isUsable } from './connect.ts';
import { inside, type DriverClient } from './driver.ts';
import type { Session } from './session.ts';
import type { PgClientClass, PgConnectOptions } from './types.ts';

/** `'closed'`: the server took the request and closed. `'unsent'`: it did not leave. `'unknown'`: it left, and nobody knows more. */
type Outcome = 'closed' | 'unsent' | 'unknown';

/**
 * Cancels what runs on the session. True: the session is at rest and no cancel is under way; false: it must be closed. Never rejects.
 */
export async function cancelStatement(session: Session, timeoutMs: number): Promise<boolean> {
  const over = whenOver(session, timeoutMs);
  if (over.isOver()) return session.usable;
  const [outcome, isOver] = await Promise.all([requestCancel(session, timeoutMs, over), over.promise]);
  over.end();
  if (!isOver) session.silent = true;
  return isOver && outcome !== 'unknown' && session.usable;
}

interface Over {
  /** True: the statement is over. False: the connection is lost, or it took too long. */
  readonly promise: Promise<boolean>;
  readonly isOver: () => boolean;
  end(): void;
}

/** Waits for the end of what runs now, for at most `timeoutMs`. */
export function whenOver(session: Session, timeoutMs: number): Over {
  const { client } = session;
  const isOver = (): boolean => session.isOver;
  let end = (): void => undefined;
  const promise = new Promise<boolean>((resolve) => {
    const settle = (result: boolean): void => {
      clearTimeout(timer);
      client.connection.removeListener('readyForQuery', onReady);
      session.restWatchers.delete(onReady);
      client.removeListener('end', onEnd);
      resolve(result);
    };
    const onReady = (): void => {
      if (isOver()) settle(true);
    };
    const onEnd = (): void => settle(false);
    end = onEnd;
    const timer = setTimeout(onEnd, timeoutMs);
    if (isOver() || !session.usable) {
      settle(isOver());
      return;
    }
    client.connection.on('readyForQuery', onReady);
    session.restWatchers.add(onReady);
    client.on('end', onEnd);
  });
  return { promise, isOver, end: () => end() };
}

/**
 * Sends one CancelRequest, by way of node-postgres: it knows how to get a stream to this server, TLS and all. Without a `statement` to
 * look at, it is sent in any case: the connection is being closed.
 */
export function requestCancel(session: Session, timeoutMs: number, statement?: { isOver(): boolean }): Promise<Outcome> {
  const { client } = session;
  const { processID, secretKey } = client;
  return new Promise((resolve) => {
    if (processID === null || secretKey === null || processID === undefined || secretKey === undefined) {
      resolve('unsent'); // the server (or what stands before it) gave no key
      return;
    }
    let sent = false;
    let connection: DriverClient['connection'];
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
      connection?.stream.destroy();
    };
    const timer = setTimeout(() => settle(sent ? 'unknown' : 'unsent'), timeoutMs);
    try {
      const messenger = inside(construct(client.constructor as PgClientClass, sameServer(session)));
      connection = messenger.connection;
      const send = (): void => {
        // It ended by itself meanwhile: nothing to cancel, and nobody else may be hit.
        if (statement === undefined ? client.connection.stream.closed : statement.isOver() || !isUsable(client)) {
          settle('unsent');
          return;
        }
        sent = true;
        connection.cancel(processID, secretKey);
      };
      connection.on('connect', () => {
        if (client.ssl === false) send();
        else if (client.sslNegotiation !== 'direct') connection.requestSsl();
      });
      connection.on('sslconnect', send);
      connection.on('error', () => settle(sent ? 'unknown' : 'unsent'));
      connection.on('end', () => settle(sent ? 'closed' : 'unsent'));
      const { host, port } = messenger;
      if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
      else connection.connect(port, host);
    } catch {
      settle('unsent');
    }
  });
}

/** The address that the session is really connected to: behind one name there may be several servers, and only one knows its key. */
function sameServer({ client, streamFactory }: Session): PgConnectOptions {
  const { host, port, ssl, sslNegotiation } = client;
  const options: Record<string, unknown> = { host, port, ssl };
  if (sslNegotiation !== undefined) options['sslnegotiation'] = sslNegotiation;
  if (streamFactory !== undefined) options['stream'] = streamFactory;
  const address = client.connection.stream.remoteAddress;
  if (streamFactory !== undefined || address === undefined || host.startsWith('/')) return options;
  options['host'] = address;
  if (ssl !== false && address !== host) {
    // The certificate is for the name.
    const own = ssl === true ? {} : ssl;
    const tls: Record<string, unknown> = { servername: host, ...own };
    if (own.key !== undefined) tls['key'] = own.key; // node-postgres hides the key from copies
    options['ssl'] = tls;
  }
  return options;
}
