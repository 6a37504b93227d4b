// Opens one connection, or leaves nothing behind. node-postgres' own connect cannot be called off, and after a failure in the middle of TLS
// or authentication it may leave its socket open; here every way out but success destroys the socket, and the server sees it go.

import { permanent } from './classify.ts';
import { inside, type DriverClient, type DriverStream } from './driver.ts';
import type { PgClient, PgClientClass, PgConnectOptions } from './types.ts';

export interface Opened<C> {
  readonly client: C;
  /** `server_version`, as the server reports it. */
  readonly serverVersion: string;
}

/**
 * Connects and authenticates. `startup`: options for the session, ahead of the caller's own, so that his win. Rejects with `signal.reason`
 * as soon as the signal aborts: while the name is looked up, in TLS, wherever.
 */
export function open<C extends PgClient>(
  Client: PgClientClass<C>, options: PgConnectOptions, startup: string, signal: AbortSignal,
): Promise<Opened<C>> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const client = construct(Client, options);
    const driver = inside(client);
    // Here and not in what the Client was given: there a connection string or PGOPTIONS would win, or be lost.
    const parameters = driver.connectionParameters;
    if (startup !== '' && parameters !== undefined) parameters.options = [startup, parameters.options].filter(Boolean).join(' ');
    const { connection } = driver;
    const raw = connection.stream; // TLS puts another in its place
    let serverVersion = '';
    const onParameter = (message: { readonly parameterName: string; readonly parameterValue: string }): void => {
      if (message.parameterName === 'server_version') serverVersion = message.parameterValue;
    };
    let settled = false;
    const settle = (error: unknown): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', onAbort);
      connection.removeListener('parameterStatus', onParameter);
      if (error === undefined) {
        resolve({ client, serverVersion });
        return;
      }
      for (const stream of new Set<DriverStream>([connection.stream, raw])) stream.destroy();
      reject(error);
    };
    const onAbort = (): void => settle(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    connection.on('parameterStatus', onParameter);
    // From here to the end of its life a client has somebody who listens to its errors; without one Node would end the process.
    driver.on('error', (error: unknown) => settle(error));
    driver.connect((error) => settle(error ?? undefined));
  });
}

/**
 * node-postgres parses its options here, and what it throws may quote them. An URL that cannot be parsed is part of that error, password
 * and all, so nothing of it is passed on but its kind.
 */
export function construct<C extends PgClient>(Client: PgClientClass<C>, options: PgConnectOptions): C {
  let client: C;
  try {
    client = new Client({ ...options });
  } catch (error) {
    if (options.connectionString === undefined) throw permanent(error instanceof Error ? error : new Error(String(error)));
    const { code } = error as { readonly code?: unknown };
    const kind = typeof code === 'string' ? ` (${code})` : '';
    throw permanent(new Error(`node-postgres cannot read the options: is connectionString like postgres://user@host:5432/name?${kind}`));
  }
  if (typeof inside(client).connection?.stream?.destroy !== 'function') {
    throw permanent(new Error('This Client has no connection of its own: pg.Client can be used, pg.native.Client cannot.'));
  }
  return client;
}

/** Whether the client can still take a statement, as far as it is known without asking the server. */
export function isUsable(client: DriverClient): boolean {
  return client.connection.stream.writable && client._ending !== true && client._queryable !== false;
}
