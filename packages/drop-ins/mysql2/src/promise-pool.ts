// The pool of mysql2/promise. A connection there is an object of its own for each getConnection, so that each can end exactly once.

import { mysql2Promise, type BasePool, type BasePromisePool, type Connection, type PromiseConnection } from './driver.ts';

const BaseConnection: new (connection: Connection, promise?: PromiseConstructor) => PromiseConnection = mysql2Promise.PromisePoolConnection;
const BasePromise: new (pool: BasePool, promise?: PromiseConstructor) => BasePromisePool = mysql2Promise.PromisePool;

export class PromisePoolConnection extends BaseConnection {
  /** Not there before the end: whatever a constructor does is done with each getConnection. */
  declare private _ended: true | undefined;

  /** Gives the connection back. Again: nothing, whoever has it now. */
  override release(): void {
    if (this._ended) return;
    this._ended = true;
    super.release();
  }

  /** Ends the connection. After its release: nothing, whoever has it now. */
  override destroy(): void {
    if (this._ended) return;
    this._ended = true;
    super.destroy();
  }
}

interface CallbackPool {
  /** Not there in one of mysql2's. */
  _ask?<R>(take: (connection: Connection) => R): R | Promise<R> | undefined;
  getConnection(callback: (error: unknown, connection?: Connection) => void): void;
}

export class PromisePool extends BasePromise {
  getConnection(): Promise<PromiseConnection> {
    const pool = this.pool as BasePool & CallbackPool;
    if (this.Promise === Promise) {
      const asked = pool._ask?.(promised);
      if (asked !== undefined) return Promise.resolve(asked);
    }
    return new this.Promise((resolve, reject) => {
      pool.getConnection((error, connection) => {
        if (connection === undefined) reject(error);
        else resolve(new PromisePoolConnection(connection, this.Promise));
      });
    });
  }
}

function promised(connection: Connection): PromiseConnection {
  return new PromisePoolConnection(connection, Promise);
}
