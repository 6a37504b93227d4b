// What this package knows of the inside of node-postgres, of any version from 8.0 on, and of what stands in for it in people's tests:
// nothing here is relied on to be there.

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { driverMissingError } from './errors.ts';
import type { ClientClass } from './types.ts';

interface DriverStream {
  readonly destroyed?: boolean;
  readonly writableEnded?: boolean;
  destroy(): void;
}

/** Statuses of ReadyForQuery: no transaction, in one, in a failed one. */
export type TransactionStatus = 'I' | 'T' | 'E' | null | undefined;

export interface DriverClient extends EventEmitter {
  release?: unknown;
  [Symbol.dispose]?(): void;
  _poolUseCount?: number;
  readonly _queryable?: boolean;
  readonly _ending?: boolean;
  readonly readyForQuery?: boolean;
  // Up to 8.16 these had no underscore; the old names now warn when they are read.
  readonly _activeQuery?: unknown;
  readonly _queryQueue?: readonly unknown[];
  readonly _sentQueryQueue?: readonly unknown[];
  readonly activeQuery?: unknown;
  readonly queryQueue?: readonly unknown[];
  readonly connection?: { readonly stream?: DriverStream; parsedStatements?: Record<string, string> };
  connect(callback: (error?: unknown) => void): unknown;
  query(text: unknown, values: unknown, callback: (error: unknown, result?: unknown) => void): unknown;
  query(text: string, callback: (error: unknown, result?: unknown) => void): unknown;
  end(callback?: () => void): unknown;
  ref?(): void;
  unref?(): void;
  isConnected?(): boolean;
  getTransactionStatus?(): TransactionStatus;
}

/** The client can never be used again. */
export function isDead(client: DriverClient): boolean {
  if (client._queryable === false || client._ending === true) return true;
  const stream = client.connection?.stream;
  return stream !== undefined && (stream.destroyed === true || stream.writableEnded === true);
}

/** A statement is running, or waits for its turn. */
export function isBusy(client: DriverClient): boolean {
  const active = '_activeQuery' in client ? client._activeQuery : client.activeQuery;
  if (active !== null && active !== undefined) return true;
  const queued = '_queryQueue' in client ? client._queryQueue : client.queryQueue;
  return (queued?.length ?? 0) > 0 || (client._sentQueryQueue?.length ?? 0) > 0;
}

/** Cuts the connection, without a word to the server. */
export function cut(client: DriverClient): void {
  client.connection?.stream?.destroy();
}

/** `Client` of the package `pg` that stands beside this one. */
export function loadClientClass(): ClientClass<never> {
  const require = createRequire(import.meta.url);
  try {
    return (require('pg') as { readonly Client: ClientClass<never> }).Client;
  } catch (error) {
    throw driverMissingError(error);
  }
}
