// Opens one connection, or leaves nothing behind. mysql2 connects as soon as a connection is made and cannot be called off; here every way
// out but success destroys the socket, and the server sees it go.

import { permanent } from './classify.ts';
import { createConnection, isKnown, type DriverConnection, type DriverStream } from './driver.ts';
import type { MysqlConnectOptions, MysqlDriver } from './types.ts';

/**
 * Connects and authenticates. Rejects with `signal.reason` as soon as the signal aborts: while the name is looked up, in TLS, wherever.
 * `onBegin` gets the connection before its first packet.
 */
export function open(
  driver: MysqlDriver, options: MysqlConnectOptions, signal: AbortSignal, onBegin?: (connection: DriverConnection) => void,
): Promise<DriverConnection> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const connection = construct(driver, options);
    const raw = connection.stream; // TLS puts another in its place
    onBegin?.(connection);
    let settled = false;
    const settle = (error: unknown): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', onAbort);
      raw.removeListener('close', onClose);
      if (error === undefined) {
        resolve(connection);
        return;
      }
      for (const stream of new Set<DriverStream>([connection.stream, raw])) stream.destroy();
      reject(error);
    };
    const onAbort = (): void => settle(signal.reason);
    const onClose = (): void => settle(new Error('the connection was closed while it was being made'));
    signal.addEventListener('abort', onAbort, { once: true });
    // From here to the end of its life a connection has somebody who listens to its errors; without one Node would end the process.
    connection.on('error', (error: unknown) => settle(error));
    connection.once('connect', () => settle(undefined));
    raw.once('close', onClose);
  });
}

/**
 * mysql2 parses its options here, and what it throws may quote them. An URL that cannot be parsed is part of that error, password and all,
 * so nothing of it is passed on but its kind.
 */
function construct(driver: MysqlDriver, options: MysqlConnectOptions): DriverConnection {
  let connection: DriverConnection;
  try {
    connection = createConnection(driver, { ...options });
  } catch (error) {
    if (options.uri === undefined) throw permanent(error instanceof Error ? error : new Error(String(error)));
    const { code } = error as { readonly code?: unknown };
    const kind = typeof code === 'string' ? ` (${code})` : '';
    throw permanent(new Error(`mysql2 cannot read the options: is uri like mysql://user@host:3306/name?${kind}`));
  }
  if (!isKnown(connection)) {
    // A promise, most likely; nobody else will look at what becomes of it.
    void Promise.resolve(connection as unknown as { destroy?(): void }).then((made) => made.destroy?.(), () => undefined);
    throw permanent(new Error('This driver makes no connections like those of mysql2: pass the package mysql2, not mysql2/promise.'));
  }
  return connection;
}

/** What is sent on a connection that nobody else uses. Resolves with the rows. */
export function send(connection: DriverConnection, sql: string): Promise<readonly Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    connection.query({ sql, rowsAsArray: false, nestTables: false, typeCast: true }, undefined, (error, rows) => {
      if (error) reject(error);
      else resolve(Array.isArray(rows) ? rows as Record<string, unknown>[] : []);
    });
  });
}
