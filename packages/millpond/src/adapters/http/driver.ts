// What this adapter knows of undici, from 6.19 to 8. Everything that is not in its documentation is named here and nowhere else: a new
// version of it is checked against this file.
//
//   - A Client has one connection. It connects when it first has something to send, by the function `connect`, and again after a loss.
//   - `drain` is emitted when a Client that was busy can take the next request, which is a turn after the answer of the last one;
//     `disconnect` when its connection is gone (also after an upgrade, when it belongs to somebody else).
//   - Per request a handler is called: onConnect just before the request is written (never, if it was not), then onResponseStarted with the
//     first byte of the answer, onHeaders, onData, and onComplete or onError. What onConnect throws ends the request, not the connection.
//   - Up to 7 handlers may have these names; 7 and 8 know the names onRequestStart, onResponseStart and so on (dispatcher-handlers.ts).

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { PoolError } from '../../index.ts';

/** The handler of a request, under the names that all but undici 8 take. */
export interface Handler {
  onConnect(abort: (reason?: unknown) => void, context?: unknown): void;
  onResponseStarted?(): void;
  onHeaders(statusCode: number, headers: RawHeaders, resume: () => void, statusText: string): boolean | void;
  onUpgrade?(statusCode: number, headers: RawHeaders, socket: Socket): void;
  onData(chunk: Buffer): boolean | void;
  onComplete(trailers: RawHeaders): void;
  onError(error: unknown): void;
  onBodySent?(chunk: Uint8Array): void;
  onRequestSent?(): void;
}

/** Names and values in turn. */
export type RawHeaders = readonly (Buffer | string | readonly (Buffer | string)[])[];

/** What this adapter looks at of the options of a dispatch; the rest is the Client's. */
export interface Dispatch {
  readonly origin?: string | URL;
  readonly path: string;
  readonly method: string;
  readonly body?: unknown;
  readonly headers?: unknown;
  readonly idempotent?: boolean | null;
  readonly servername?: string | null;
}

export interface UndiciClient extends EventEmitter {
  dispatch(options: object, handler: object): boolean;
  destroy(error?: Error | null): Promise<void>;
}

export interface ConnectRequest {
  readonly host: string;
  readonly hostname: string;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | null;
}

/** Opens a connection. Undici's own returns the socket at once. */
export type Connector = (request: ConnectRequest, callback: (error: Error | null, socket: Socket | null) => void) => unknown;

export interface UndiciClientOptions {
  readonly connect: Connector;
  readonly pipelining: number;
  readonly keepAliveTimeout?: number;
  readonly keepAliveMaxTimeout?: number;
  readonly keepAliveTimeoutThreshold?: number;
  readonly headersTimeout?: number;
  readonly bodyTimeout?: number;
  readonly maxHeaderSize?: number;
  readonly maxResponseSize?: number;
}

/** What is used of undici. */
export interface Undici {
  readonly Dispatcher: new () => EventEmitter & { compose(...interceptors: unknown[]): object };
  readonly Client: new (origin: string, options: UndiciClientOptions) => UndiciClient;
  readonly buildConnector: (options: object) => Connector;
  readonly errors: Readonly<Record<'ClientClosedError' | 'ClientDestroyedError' | 'InvalidArgumentError' | 'RequestAbortedError',
    new (message?: string) => Error>>;
}

/** The package `undici`, or the module that was given. */
export function loadUndici(given: object | undefined): Undici {
  let undici: Partial<Undici> | undefined = given;
  if (undici === undefined) {
    try {
      undici = createRequire(import.meta.url)('undici') as Partial<Undici>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
      const why = 'needs the package `undici`, 6.19 or newer, also for the fetch that Node brings along: Node does not give out its copy. '
        + 'Run `npm install undici`, or pass its module as undici.';
      throw missing(`createDispatcher of millpond/http ${why}`, error);
    }
  }
  const { Dispatcher, Client, buildConnector, errors } = undici;
  if ([Dispatcher, Client, buildConnector].some((member) => typeof member !== 'function') || typeof errors !== 'object') {
    throw missing('This undici has no Dispatcher, Client, buildConnector or errors: 6.19 or newer is needed.', undefined);
  }
  return undici as Undici;
}

/** Whether this version takes handlers by the names of {@link Handler}. A request that cannot be sent is told to whoever is known. */
export function takesHandlers({ Client }: Undici): boolean {
  const client = new Client('http://localhost', { connect: () => undefined, pipelining: 1 });
  let told = false;
  try {
    client.dispatch({}, { onConnect: () => undefined, onError: () => { told = true; } });
  } catch {
    // Nobody was told: it looked for onResponseError.
  }
  void client.destroy();
  return told;
}

function missing(message: string, cause: unknown): PoolError {
  return new PoolError(message, { code: 'ERR_POOL_DRIVER_MISSING', pool: 'http', ...(cause === undefined ? {} : { cause }) });
}
