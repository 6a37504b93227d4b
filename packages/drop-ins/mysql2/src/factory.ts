// mysql2's pool connections as resources of the engine.
//
// No Map and no Set of them: one whose members come and go is copied now and then, each old copy points to the next, and once one has grown
// old it keeps every connection that ever stood in those after it.

import type { Factory } from 'millpond';
import { isDead, LEASE, LOST, mysql2, type BasePool, type Connection } from './driver.ts';

/** These do not answer. */
const SILENT: ReadonlySet<string> = new Set(['invalid', 'stale', 'broken', 'resetFailed']);

export class ConnectionFactory implements Factory<Connection> {
  readonly reset?: (connection: Connection) => Promise<void>;
  /** All there are, from the create to the end of the socket. */
  readonly all: Connection[] = [];
  readonly #pool: BasePool;
  readonly #closing: Promise<void>[] = [];

  constructor(pool: BasePool, resetOnRelease: boolean) {
    this.#pool = pool;
    if (resetOnRelease) this.reset = reset;
  }

  create({ signal }: { readonly signal: AbortSignal }): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const pool = this.#pool;
      const config = pool._createConnectionConfig?.() ?? pool.config.connectionConfig;
      const connection = new mysql2.PoolConnection(pool, { config });
      // Hidden: it is nothing for those who print a connection.
      Object.defineProperty(connection, LEASE, { writable: true, value: undefined });
      Object.defineProperty(connection, LOST, { writable: true, value: undefined });
      // mysql2 listens once, and an error without a listener would end the process.
      connection.on('error', () => undefined);
      const giveUp = (): void => {
        connection.stream.destroy();
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      connection.connect((error) => {
        signal.removeEventListener('abort', giveUp);
        if (error) {
          reject(error);
        } else {
          this.all.push(connection);
          resolve(connection);
        }
      });
    });
  }

  /** Resolves when the server has the place of this connection free again. */
  destroy(connection: Connection, { reason, signal }: { readonly reason: string; readonly signal: AbortSignal }): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      const { stream } = connection;
      if (stream.closed) {
        resolve();
        return;
      }
      stream.once('close', resolve);
      // At the end of a pool a statement that runs is left to its end, however long it takes, as mysql2 does.
      if (reason !== 'poolClosed') signal.addEventListener('abort', () => stream.destroy(), { once: true });
      if (SILENT.has(reason) || connection._fatalError || connection._protocolError) stream.destroy();
      // By `connection.destroy()` or `end()`, which go on to close it.
      else if (reason !== 'leaseDestroyed') goodbye(connection);
    }).finally(() => {
      remove(this.all, connection);
      remove(this.#closing, closed);
    });
    this.#closing.push(closed);
    return closed;
  }

  /** Resolves when the sockets that are being closed now are closed. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  validate(connection: Connection): Promise<boolean> {
    return new Promise((resolve) => { connection.ping((error) => resolve(!error)); });
  }

  isBroken(connection: Connection): boolean {
    return isDead(connection);
  }

  onLost(connection: Connection, listener: (cause?: unknown) => void): () => void {
    connection[LOST] = listener;
    return () => { connection[LOST] = undefined; };
  }

  /** mysql2 says that this one is no good any more. */
  lose(connection: Connection): void {
    connection[LOST]?.(connection._fatalError ?? new Error('the connection was closed'));
  }
}

function remove<E>(list: E[], entry: E): void {
  const at = list.indexOf(entry);
  if (at >= 0) list.splice(at, 1);
}

/** Says goodbye behind what is being asked of it. mysql2 leaves the last step to the server, and a server in trouble may not take it. */
function goodbye(connection: Connection): void {
  if (connection._closing) return;
  connection._realEnd(() => connection.stream.end());
}

function reset(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    if (connection.reset === undefined) throw new Error('this version of mysql2 cannot reset a connection');
    connection.reset((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
