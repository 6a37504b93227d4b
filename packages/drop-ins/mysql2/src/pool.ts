// mysql2's Pool on millpond's engine. It is a kind of mysql2's: query, execute, format and the rest are inherited; what is replaced is
// everything about who gets which connection when.

import { tracingChannel } from 'node:diagnostics_channel';
import { CreateError, Pool as EnginePool, PoolClosedError, QueueFullError, type Lease, type PoolStats } from 'millpond';
import { handleOf } from 'millpond/handle';
import { isLent, LEASE, mysql2, type BasePool, type Connection, type PoolConfig, type PromiseConnection } from './driver.ts';
import { ConnectionFactory } from './factory.ts';
import { mostConnections, settingsOf, type MillpondOptions, type Settings } from './options.ts';
import { PromisePool, PromisePoolConnection } from './promise-pool.ts';
import { view, type View } from './views.ts';

export type Callback = (error: unknown, connection?: Connection) => void;

const TRIM_AFTER_MS = 1_000;
const CLOSED = 'Pool is closed.';

const connects = tracingChannel('mysql2:pool:connect');

const Base: new (options: { readonly config: PoolConfig }) => BasePool = mysql2.Pool;

export class Pool extends Base {
  readonly #settings: Settings;
  readonly #factory: ConnectionFactory;
  readonly #engine: EnginePool<Connection>;
  /** What was handed out in place of a connection. */
  readonly #handles = new WeakMap<Connection, Connection>();
  #limit: number;
  #ending = false;
  #trim: NodeJS.Timeout | undefined;

  /** `createPool` reads the options. */
  constructor({ config, millpond }: { readonly config: PoolConfig; readonly millpond?: boolean | MillpondOptions }) {
    super({ config });
    this.#settings = settingsOf(config, millpond);
    this.#limit = config.connectionLimit;
    this.#factory = new ConnectionFactory(this, config.resetOnRelease === true);
    this.#engine = new EnginePool<Connection>({ ...this.#settings.engine, factory: this.#factory });
    this.#engine.on('create', ({ resource }) => void this.emit('connection', resource));
    Object.defineProperties(this, {
      _allConnections: { value: this.#viewOfAll() },
      _freeConnections: { value: this.#viewOfFree() },
      _connectionQueue: { value: view(() => this.#queued(), () => []) },
    });
  }

  /** Calls back with a connection, or with the reason why there is none. */
  getConnection(callback: Callback): void {
    if (!connects.hasSubscribers) {
      this.#get(callback);
      return;
    }
    const { host = 'localhost', port = 3306, socketPath, database = '' } = this.config.connectionConfig;
    const server = socketPath === undefined ? { serverAddress: host, serverPort: port }
      : { serverAddress: socketPath, serverPort: undefined };
    connects.traceCallback((traced: Callback) => this.#get(traced), 0, { database, ...server }, undefined, callback);
  }

  /**
   * For the promise pool: a connection that is idle, or a promise of one. Undefined where getConnection() has something to say: what it
   * refuses, who listens to it, or one of somebody's own in its place.
   */
  _ask<R>(take: (connection: Connection) => R): R | Promise<R> | undefined {
    if (this._closed || this.#ending || this.getConnection !== ownGetConnection || connects.hasSubscribers) return undefined;
    if (this.#mindsQueue()) return undefined;
    const lease = this.#tryAcquire();
    if (lease !== undefined) return take(this.#lend(lease));
    return this.#engine.acquire().then((late) => take(this.#arrived(late, false)), (error: unknown) => { throw translated(error); });
  }

  #tryAcquire(): Lease<Connection> | undefined {
    if (this.config.connectionLimit !== this.#limit) this.#resize();
    return this.#engine.tryAcquire();
  }

  /** Somebody is to be told whether a caller stands in line, or may not. */
  #mindsQueue(): boolean {
    const { waitForConnections, queueLimit } = this.config;
    return !waitForConnections || queueLimit > 0 || this.listenerCount('enqueue') + this.listenerCount('acquire') > 0;
  }

  #get(callback: Callback): void {
    if (this._closed || this.#ending) {
      process.nextTick(callback, new Error(CLOSED));
      return;
    }
    const lease = this.#tryAcquire();
    if (lease !== undefined) {
      this.emit('acquire', lease.resource);
      process.nextTick(callback, null, this.#lend(lease));
      return;
    }
    const { waitForConnections, queueLimit } = this.config;
    const isFull = this.#mindsQueue() && this.#isFull();
    if (isFull && !waitForConnections) {
      process.nextTick(callback, new Error('No connections available.'));
    } else if (isFull && queueLimit > 0 && this.#queued() >= queueLimit) {
      callback(new Error('Queue limit reached.'));
    } else {
      if (isFull) this.emit('enqueue');
      this.#wait(callback, isFull);
    }
  }

  /** mysql2 reads its limit anew each time, so people change it while the pool runs. */
  #resize(): void {
    this.#limit = this.config.connectionLimit;
    this.#engine.resize({ max: mostConnections(this.#limit) });
  }

  #wait(callback: Callback, isQueued: boolean): void {
    // A promise of the engine's keeps the async context of who asked, for less than an AsyncResource.
    this.#engine.acquire().then((lease) => {
      // By the end of the pool, before this could hear of it.
      if (lease.ended) call(callback, new Error(CLOSED));
      else call(callback, null, this.#arrived(lease, isQueued));
    }, (error: unknown) => call(callback, translated(error)));
  }

  #arrived(lease: Lease<Connection>, isQueued: boolean): Connection {
    if (lease.ended) throw new Error(CLOSED);
    // Whoever was in line is told of by 'enqueue'; one that was made for them is acquired all the same.
    if (!isQueued || lease.info.uses === 1) this.emit('acquire', lease.resource);
    return this.#lend(lease);
  }

  /** Whoever comes now has to wait for a release. */
  #isFull(): boolean {
    const { idle, validating, waiting, creating, size, max } = this.#engine.stats();
    return size >= max && idle + validating + creating <= waiting;
  }

  /** Those that wait and that no running create will serve. */
  #queued(): number {
    const { waiting, creating, validating } = this.#engine.stats();
    return Math.max(0, waiting - creating - validating);
  }

  #lend(lease: Lease<Connection>): Connection {
    const connection = lease.resource;
    connection._released = false;
    connection[LEASE] = lease;
    return this.#settings.handles ? this.#handleOf(lease, connection) : connection;
  }

  #handleOf(lease: Lease<Connection>, connection: Connection): Connection {
    const release = (): void => {
      if (lease.ended) return;
      connection._released = true;
      this.#end(connection, lease);
    };
    const handle: Connection = handleOf(lease, {
      release,
      destroy: () => { if (!lease.ended) connection.destroy(); },
      end: (callback) => {
        if (connection.config.gracefulEnd !== true) return mysql2.PoolConnection.prototype.end.call(handle, callback);
        return lease.ended ? callback?.() : connection.end(callback);
      },
      promise: (promise) => new PromisePoolConnection(handle, promise ?? Promise),
      [Symbol.dispose]: release,
    } as Partial<Connection>);
    this.#handles.set(handle, connection);
    return handle;
  }

  /** Gives a connection back: what `connection.release()` calls. */
  releaseConnection(given: Connection | PromiseConnection): void {
    const connection = given as Connection;
    const isHandle = this.#settings.handles && this.#handles.has(connection);
    const lease = isHandle ? undefined : connection[LEASE];
    if (lease !== undefined) {
      if (!lease.ended) this.#end(connection, lease);
    } else if (isHandle || given instanceof PromisePoolConnection) {
      given.release();
    }
  }

  #end(connection: Connection, lease: Lease<Connection>): void {
    const { maxIdle, connectionLimit } = this.config;
    const isTold = this.listenerCount('release') > 0;
    const mayBeTooMany = maxIdle < connectionLimit && this.#trim === undefined;
    if (!isTold && !mayBeTooMany) {
      lease.release();
      return;
    }
    const { waiting } = this.#engine.stats();
    lease.release();
    if (waiting > 0) return;
    this.emit('release', connection);
    if (mayBeTooMany && this.#engine.stats().idle > maxIdle) this.#trimSoon();
  }

  /** mysql2's connection has come to its end, or is being brought to it. */
  _removeConnection(connection: Connection): void {
    const lease = connection[LEASE];
    if (lease === undefined || lease.ended) this.#factory.lose(connection);
    else lease.destroy(connection._fatalError ?? undefined);
  }

  /** Those of the idle that are more than `maxIdle` go. It keeps nobody alive. */
  #trimSoon(): void {
    this.#trim = setTimeout(() => {
      this.#trim = undefined;
      let surplus = this.#engine.stats().idle - this.config.maxIdle;
      this.#engine.evict({ where: (connection) => !isLent(connection) && surplus-- > 0 });
    }, TRIM_AFTER_MS);
    this.#trim.unref();
  }

  /** mysql2's own way to do that. The engine's needs no timer that runs all the time. */
  _removeIdleTimeoutConnections(): void {
    // Called by mysql2's constructor.
  }

  /** Takes no more work, ends all connections behind what is being asked of them, and calls back when they are closed. */
  end(callback?: (error?: unknown) => void): void {
    const { endDeadlineMs } = this.#settings;
    this.#ending = true;
    // From then on mysql2's connections do not come back; so not while they are waited for.
    if (endDeadlineMs === 0) this._closed = true;
    clearTimeout(this.#trim);
    void this.#engine.close({ deadlineMs: endDeadlineMs }).then(() => this.#factory.closed()).then(() => {
      this._closed = true;
      if (typeof callback === 'function') process.nextTick(callback);
    });
  }

  promise(promise?: PromiseConstructor): PromisePool {
    return new PromisePool(this, promise ?? Promise);
  }

  /** The numbers of the engine behind it. */
  stats(): PoolStats {
    return this.#engine.stats();
  }

  #viewOfAll(): View<Connection> {
    return view(() => {
      const { size, destroying } = this.#engine.stats();
      return size - destroying;
    }, () => [...this.#factory.all]);
  }

  #viewOfFree(): View<Connection> {
    return view(() => this.#engine.stats().idle, () => this.#factory.all.filter((connection) => !isLent(connection)));
  }
}

const ownGetConnection: unknown = Pool.prototype.getConnection;

/** What a callback throws is its own affair, and no rejection of a promise in here. */
function call(callback: Callback, error: unknown, connection?: Connection): void {
  try {
    callback(error, connection);
  } catch (thrown) {
    process.nextTick(() => { throw thrown; });
  }
}

/** In mysql2's words. */
function translated(error: unknown): unknown {
  if (error instanceof PoolClosedError) return new Error(CLOSED, { cause: error });
  if (error instanceof QueueFullError) return new Error('Queue limit reached.', { cause: error });
  return error instanceof CreateError && error.code === 'ERR_POOL_CREATE_FAILED' ? error.cause : error;
}
