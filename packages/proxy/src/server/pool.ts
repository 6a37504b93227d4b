// The server connections of one user to one database: a millpond pool. What a connection is and how it is made, cleaned and checked is
// told to the engine here; when it is lent, replaced and closed is the engine's business. The configuration may change while it runs.

import { AcquireTimeoutError, CreateError, Pool, type Budget, type DestroyReason, type Factory, type Lease } from 'millpond';
import type { DatabaseConfig, PoolMode } from '../config/config.ts';
import type { Log } from '../log.ts';
import { parseSecret, type ClientKeys } from '../wire/pg/scram.ts';
import { ServerConnection } from './connection.ts';
import { Line, type Queued } from './line.ts';
import { logIn, SecretError, ServerLoginError, type Address } from './login.ts';
import { destination, orNever, retryMs, times, type PoolSettings } from './pool-settings.ts';
import { serverTls } from './tls.ts';

export interface Credentials {
  readonly user: string;
  secret: string | undefined;
  /** Of a client that has shown that it knows the SCRAM secret. */
  clientKeys: ClientKeys | undefined;
}

export interface ServerPoolInit {
  readonly settings: PoolSettings;
  readonly credentials: Credentials;
  /** The database says as whom to log in, whoever the client is. */
  readonly fixedUser: string | undefined;
  /** Shared by all pools. */
  readonly derived: Map<string, Promise<ClientKeys>>;
  /** Of its database and its user, if they are limited. */
  readonly budget: Budget | undefined;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** Somebody who wants a connection: one of the two is called, perhaps at once. */
export interface Borrower extends Queued {
  served(loan: Loan): void;
  refused(error: unknown): void;
}

/** A connection that is lent: the engine's lease, or something that looks like one. */
export type Loan = Pick<Lease<ServerConnection>, 'resource' | 'release' | 'destroy'>;

/** Nobody gets a connection, for this reason. */
export class PoolRefusal extends Error {
  override readonly name = 'PoolRefusal';
  /** SQLSTATE. */
  readonly code: string;

  constructor(message: string, code = '08P01') {
    super(message);
    this.code = code;
  }
}

const MAX_DERIVED = 1_000;
/** Between two connections of the reserve. */
const RESERVE_STEP_MS = 100;
/** How long cleaning may take. */
const RESET_MS = 30_000;
/** As long as a timer can be. */
const NEVER_MS = 2_147_483_647;
/** While servers are failing over nobody is turned away; afterwards clients are told at once. */
const BRIDGED_MS = 2_000;
/** PostgreSQL is starting up, or shutting down: it will answer soon. */
const NO_SUCH_DATABASE = '3D000';
const CANNOT_CONNECT_NOW = '57P03';

/** What a connection is closed for, in the words of the log. */
const REASONS: Readonly<Partial<Record<DestroyReason, string>>> = {
  idleTimeout: 'server idle timeout', maxLifetime: 'server lifetime over', invalid: 'test query failed', resetFailed: 'reset query failed',
  overSize: 'too many servers in the pool', recalled: 'too many servers in the pool', poolClosed: 'database removed',
  stale: 'idle server got dirty',
};

export class ServerPool {
  readonly credentials: Credentials;
  readonly pool: Pool<ServerConnection>;
  readonly budget: Budget | undefined;
  readonly fixedUser: string | undefined;
  /** All that are logged in. */
  readonly servers = new Set<ServerConnection>();
  settings: PoolSettings;
  /** What the first server connection was told, and every client is. */
  welcome: ReadonlyMap<string, string> | undefined = undefined;
  /** Connections that are being made. */
  logins = 0;
  readonly #init: ServerPoolInit;
  readonly #waiting = new Line();
  /** That are logged in. */
  #clients = 0;
  /** Dedicated connections that stand in nobody's place. */
  #alone = 0;
  #nextHost = 0;
  /** The login that is tried while nobody knows whether logins work. */
  #probe: Promise<unknown> | undefined = undefined;
  /** Since when no login has worked, and what the last one said. */
  #failing: { readonly since: number; message: string } | undefined = undefined;
  /** Set while somebody waits; and how many connections of the reserve there may be. */
  #reserveTimer: NodeJS.Timeout | undefined = undefined;
  #reserved = 0;
  #evictedFor: string | undefined = undefined;

  constructor(init: ServerPoolInit) {
    const { settings, credentials } = init;
    this.#init = init;
    this.settings = settings;
    this.credentials = credentials;
    this.budget = init.budget;
    this.fixedUser = init.fixedUser;
    const { values, database, size } = settings;
    this.pool = new Pool<ServerConnection>({
      name: `${database.name}/${credentials.user}`,
      max: size,
      min: this.#min(),
      factory: this.#factory(),
      acquireTimeoutMs: Infinity,
      createTimeoutMs: Infinity,
      createRetry: { initialDelayMs: Math.min(100, retryMs(values)), maxDelayMs: retryMs(values) },
      ...times(settings),
      destroyTimeoutMs: 2_000,
      idleOrder: values.server_round_robin ? 'fifo' : 'lifo',
      ...(init.budget === undefined ? {} : { budget: init.budget }),
    });
  }

  get database(): DatabaseConfig {
    return this.settings.database;
  }

  get mode(): PoolMode {
    return this.settings.mode;
  }

  get #name(): string {
    return `${this.database.name}/${this.credentials.user}`;
  }

  /** It is closed, or closing. */
  get isOver(): boolean {
    return this.pool.state === 'draining' || this.pool.state === 'closed';
  }

  enter(): void {
    if (this.#clients++ === 0) this.#resize();
  }

  leave(): void {
    if (--this.#clients === 0) this.#resize();
  }

  /** Takes another configuration. Connections to somewhere else, or as somebody else, are replaced. */
  configure(settings: PoolSettings): void {
    const before = this.settings;
    this.settings = settings;
    // What has been wrong may be right now.
    this.#failing = undefined;
    Pool.retime(this.pool, times(settings));
    this.#resize();
    const { maxLifetimeMs } = times(settings);
    if (maxLifetimeMs < times(before).maxLifetimeMs) {
      this.#evict('server lifetime over', (server) => performance.now() - server.connectedAt > maxLifetimeMs);
    }
    if (destination(before) !== destination(settings)) this.reconnect();
  }

  /** Every server connection is replaced: idle ones now, the others when they come back. */
  reconnect(): void {
    this.#failing = undefined;
    this.welcome = undefined;
    this.#evict('database configuration changed');
  }

  #evict(reason: string, where?: (server: ServerConnection) => boolean): void {
    this.#evictedFor = reason;
    for (const server of this.servers) if (where === undefined || where(server)) server.outdated = reason;
    this.pool.evict(where === undefined ? {} : { where });
    this.#evictedFor = undefined;
    // Whoever holds one in session mode may hold it for days.
    if (this.settings.values.server_fast_close) for (const server of this.servers) server.link?.outdated(server);
  }

  /** A server connection for somebody, at once or when it is their turn. `bounded`: unless too many wait already. */
  borrow(borrower: Borrower, bounded = true): void {
    const lease = this.pool.tryAcquire();
    if (lease !== undefined) {
      borrower.served(lease);
      return;
    }
    if (this.#failing !== undefined && this.servers.size === 0 && performance.now() - this.#failing.since > BRIDGED_MS) {
      borrower.refused(new PoolRefusal(`server login has been failing, cached error: ${this.#failing.message} (server_login_retry)`));
      return;
    }
    const { max_waiting_clients: most } = this.settings.values;
    if (bounded && most > 0 && this.#waiting.size >= most) {
      borrower.refused(new PoolRefusal('too many clients are waiting (max_waiting_clients)', '53300'));
      return;
    }
    const place = this.#waiting.join(borrower);
    place.leave = Pool.queue(this.pool, (got) => {
      this.#left(borrower);
      borrower.served(got);
    }, (error) => {
      this.#left(borrower);
      borrower.refused(error instanceof AcquireTimeoutError ? new PoolRefusal('query_wait_timeout') : error);
    }, Math.ceil(orNever(this.settings.values.query_wait_timeout)));
    this.#watchReserve();
  }

  #left(borrower: Borrower): void {
    this.#waiting.left(borrower);
    this.#watchReserve();
  }

  /** Somebody wants none any more. */
  leaveLine(borrower: Borrower, why: Error = new PoolRefusal('the client has gone')): void {
    borrower.place?.leave(why);
  }

  /** Sends away everybody who is in line. */
  refuseWaiting(reason: string): void {
    this.#waiting.disperse(new PoolRefusal(reason));
  }

  /**
   * Takes a connection back: cleaned first, if what its client has left there is not to be found by the next one. Not by a hook of the
   * engine's, which is asked at every release: in transaction mode there is nothing to do, thousands of times a second.
   */
  giveBack(loan: Loan): void {
    const server = loan.resource;
    const { values } = this.settings;
    const cleans = !server.dedicated && (server.dirty || values.server_reset_query_always || this.mode === 'session');
    if (!cleans || !server.used || values.server_reset_query === '' || server.broken !== undefined) {
      loan.release();
      return;
    }
    server.dirty = false;
    const timer = setTimeout(() => server.socket.destroy(new Error('reset query timeout')), RESET_MS);
    server.run(values.server_reset_query).then(() => loan.release(), () => {
      server.broken ??= 'reset query failed';
      loan.destroy(new Error(server.broken));
    }).finally(() => clearTimeout(timer));
  }

  /** Somebody has waited for reserve_pool_timeout: one connection more, and another, as long as they go on waiting. */
  #watchReserve(): void {
    const { reserve, values } = this.settings;
    if (reserve === 0 || this.isOver) return;
    if (this.#waiting.size === 0) {
      clearTimeout(this.#reserveTimer);
      this.#reserveTimer = undefined;
      if (this.#reserved === 0) return;
      this.#reserved = 0;
      this.#resize();
    } else if (this.#reserveTimer === undefined && this.#reserved < reserve) {
      this.#reserveTimer = setTimeout(() => {
        this.#reserveTimer = undefined;
        if (this.#waiting.size === 0) return;
        this.#init.log.warn(`${this.#name} taking connection from reserve_pool`);
        this.#reserved++;
        this.#resize();
        this.#watchReserve();
      }, this.#reserved === 0 ? values.reserve_pool_timeout : RESERVE_STEP_MS);
      this.#reserveTimer.unref();
    }
  }

  #resize(): void {
    if (!this.isOver) this.pool.resize({ min: this.#min(), max: this.settings.size + this.#reserved });
  }

  /** A pool that nobody uses keeps nothing, but for those whose user is fixed: they are there before their first client. */
  #min(): number {
    const { database, minSize, size } = this.settings;
    return this.#clients > 0 || database.user !== undefined ? Math.min(size, minSize) : 0;
  }

  // ------------------------------------------------------------------------------------------------------- connections

  #factory(): Factory<ServerConnection> {
    return {
      create: ({ signal }) => this.#first(() => this.#connect(signal)),
      destroy: (server, { reason }) => {
        this.#closed(server, server.broken ?? server.outdated ?? this.#evictedFor ?? REASONS[reason] ?? 'closed');
        server.close();
      },
      isBroken: (server) => server.broken !== undefined || this.#isSpent(server),
      onLost: (server, lost) => {
        server.onLost = (reason) => lost(new Error(reason));
        return () => { server.onLost = undefined; };
      },
      validate: async (server) => {
        const check = this.settings.values.server_check_query;
        if (check !== '') await server.run(check === '<empty>' ? ';' : check);
        return true;
      },
      classify: (error) => (error instanceof ServerLoginError && error.code !== CANNOT_CONNECT_NOW ? 'permanent' : 'transient'),
    };
  }

  /** A lifetime of 0 is that of one use. */
  #isSpent(server: ServerConnection): boolean {
    const { values, database } = this.settings;
    if (!server.used || (database.serverLifetimeMs ?? values.server_lifetime) !== 0) return false;
    server.outdated = 'server lifetime over';
    return true;
  }

  #closed(server: ServerConnection, reason: string): void {
    if (!this.servers.delete(server) || !this.settings.values.log_disconnections) return;
    const age = Math.round((performance.now() - server.connectedAt) / 1000);
    this.#init.log.info(`${server.name} closing because: ${reason} (age=${age}s)`);
  }

  /**
   * As long as no login has worked one is tried at a time, and what it says counts for those that stand behind it: a wrong password or a
   * host that is not there are met once, not by every connection that is wanted.
   */
  async #first(connect: () => Promise<ServerConnection>): Promise<ServerConnection> {
    while (this.servers.size === 0 && this.#probe !== undefined) await this.#probe;
    if (this.servers.size > 0) return connect();
    const probe = connect();
    this.#probe = probe;
    try {
      return await probe;
    } finally {
      if (this.#probe === probe) this.#probe = undefined;
    }
  }

  /** Another connection, logged in. `parameters`: of the startup packet, over those of the database; such a connection is not pooled. */
  async #connect(given: AbortSignal, parameters?: ReadonlyMap<string, string>): Promise<ServerConnection> {
    const { values } = this.settings;
    const dedicated = parameters !== undefined;
    const index = this.#nextIndex();
    const { hosts, port, connect } = this.database;
    const address: Address = { host: hosts[index]!, port, ...(connect === undefined ? {} : { connect }) };
    const name = `S-${(nextId++).toString(16)}: ${this.#name}@${address.host}:${address.port}`;
    const { server_connect_timeout: limitMs } = values;
    const limit = AbortSignal.timeout(limitMs === 0 ? NEVER_MS : Math.ceil(limitMs));
    const startedAt = performance.now();
    this.logins++;
    try {
      const server = await this.#logIn(address, name, AbortSignal.any([given, limit]), parameters ?? NONE);
      this.#failing = undefined;
      return server;
    } catch (error) {
      // What a replication connection may not do says nothing of the others.
      const reason = limit.aborted ? 'connect timeout' : dedicated && error instanceof ServerLoginError ? 'login failed' : reasonOf(error);
      const { log } = this.#init;
      if (error instanceof SecretError) log.error(`${name} ${error.detail}`);
      else if (error instanceof ServerLoginError) {
        log.warn(`${name} server login failed: ${error.fields.get('S') ?? 'FATAL'} ${error.message}`);
      }
      const age = Math.round((performance.now() - startedAt) / 1000);
      if (values.log_disconnections) log.info(`${name} closing because: ${reason} (age=${age}s)`);
      if (!given.aborted && !dedicated) {
        this.#failing = { since: this.#failing?.since ?? performance.now(), message: reason };
        this.#refuseAll(error);
        // The host that is not to be shared among is left when it fails, and come back to when all others have failed as well.
        if (this.#nextHost === index) this.#nextHost = index + 1;
      }
      throw limit.aborted || dedicated ? new PoolRefusal(reason) : error;
    } finally {
      this.logins--;
    }
  }

  /** What the server says to one it would say to all, unless there are connections that they can have. */
  #refuseAll(error: unknown): void {
    if (!(error instanceof ServerLoginError) || error.code === CANNOT_CONNECT_NOW) return;
    if ([...this.servers].some(({ outdated }) => outdated === undefined)) return;
    this.#waiting.disperse(error);
  }

  #nextIndex(): number {
    const { hosts, loadBalanceHosts } = this.database;
    const index = this.#nextHost % hosts.length;
    this.#nextHost = loadBalanceHosts === 'disable' ? index : index + 1;
    return index;
  }

  async #logIn(address: Address, name: string, signal: AbortSignal, parameters: ReadonlyMap<string, string>): Promise<ServerConnection> {
    const { values, database, dbname } = this.settings;
    const { credentials } = this;
    const { derived, log } = this.#init;
    // Passwords come and go; what was derived from old ones need not stay.
    if (derived.size > MAX_DERIVED) derived.clear();
    const loggedIn = await logIn({
      address, signal, derived,
      tls: serverTls(database, values),
      user: database.user ?? credentials.user,
      database: dbname,
      parameters: new Map([...database.parameters, ...parameters]),
      secret: database.password ?? credentials.secret,
      // They fit the server's secret only if ours is the same one: not one that was made here of a plain password.
      clientKeys: database.password === undefined && isScram(credentials.secret) ? credentials.clientKeys : undefined,
      keepAlive: values.tcp_keepalive,
      connected: (from) => {
        if (values.log_connections) log.info(`${name} new connection to server${from === undefined ? '' : ` (from ${from})`}`);
      },
    });
    const server = new ServerConnection(loggedIn, { address, name, maxPacketSize: values.max_packet_size });
    if (database.connectQuery !== undefined) {
      await server.run(database.connectQuery).catch((error: unknown) => {
        log.warn(`${name} error while executing connect_query: ${error instanceof Error ? error.message : String(error)}`);
      });
      if (server.broken !== undefined) throw new Error(server.broken);
    }
    this.servers.add(server);
    this.welcome ??= new Map(server.parameters);
    return server;
  }

  /**
   * A connection of its own, with other parameters, in the place of a pooled one: so it counts, waits its turn, and is closed by its
   * end. For replication, whose connections cannot be used for anything else.
   */
  dedicated(parameters: ReadonlyMap<string, string>, signal: AbortSignal): Promise<Loan> {
    return new Promise((resolve, reject) => {
      const borrower: Borrower = {
        served: (loan) => void this.#dedicate(loan, parameters, signal).then(resolve, reject),
        refused: (error) => {
          // Physical replication has no database, and clients ask for one that is not there: there is nothing in whose place it could come.
          if (!isAbsent(error) || this.#alone >= this.settings.size) reject(error);
          else void this.#dedicate(undefined, parameters, signal).then(resolve, reject);
        },
      };
      this.borrow(borrower);
      signal.addEventListener('abort', () => this.leaveLine(borrower), { once: true });
    });
  }

  async #dedicate(loan: Loan | undefined, parameters: ReadonlyMap<string, string>, signal: AbortSignal): Promise<Loan> {
    if (loan !== undefined) {
      const placeholder = loan.resource;
      placeholder.onLost = undefined;
      this.#closed(placeholder, 'evicted');
      placeholder.close();
    }
    this.#alone += Number(loan === undefined);
    const over = (reason: unknown): void => {
      loan?.destroy(reason);
      this.#alone -= Number(loan === undefined);
    };
    try {
      const resource = await this.#connect(signal, parameters);
      resource.dedicated = true;
      let ended = false;
      const end = (): boolean => {
        if (ended) return false;
        ended = true;
        this.#closed(resource, resource.broken ?? 'replication client was closed');
        resource.close();
        over(new Error('replication client was closed'));
        return true;
      };
      return { resource, release: end, destroy: end };
    } catch (error) {
      over(error);
      throw error;
    }
  }
}

const NONE: ReadonlyMap<string, string> = new Map();
let nextId = 1;

/** The server says that the database is not there. */
function isAbsent(error: unknown): boolean {
  const cause = error instanceof CreateError ? error.cause : error;
  return cause instanceof ServerLoginError && cause.code === NO_SUCH_DATABASE;
}

/** Why a connection did not come to be, in the words of the log. */
function reasonOf(error: unknown): string {
  if (error instanceof ServerLoginError) return error.message;
  switch ((error as NodeJS.ErrnoException).syscall) {
    case 'getaddrinfo': return 'server DNS lookup failed';
    case 'connect': return 'connect failed';
    case 'read': return 'server conn crashed?';
    default: return error instanceof Error ? error.message : String(error);
  }
}

function isScram(secret: string | undefined): boolean {
  return secret !== undefined && parseSecret(secret) !== undefined;
}
