// The server connections of one user to one database: a millpond pool. What a connection is and how it is made, cleaned and checked is
// told to the engine here; when it is lent, replaced and closed is the engine's business.

import { Pool, type Budget, type Factory, type Lease } from 'millpond';
import type { DatabaseConfig, PoolMode } from '../config/config.ts';
import type { Values } from '../config/settings.ts';
import { parseSecret, type ClientKeys } from '../wire/pg/scram.ts';
import { ServerConnection } from './connection.ts';
import { logIn, ServerLoginError, type Address } from './login.ts';

export interface Credentials {
  readonly user: string;
  readonly secret: string | undefined;
  /** Of a client that has shown that it knows the SCRAM secret. */
  clientKeys: ClientKeys | undefined;
}

export interface ServerPoolInit {
  readonly database: DatabaseConfig;
  /** At the server. */
  readonly dbname: string;
  readonly credentials: Credentials;
  readonly mode: PoolMode;
  readonly values: Values;
  /** Shared by all pools. */
  readonly derived: Map<string, Promise<ClientKeys>>;
  /** Of its database and its user, if they are limited. */
  readonly budget: Budget | undefined;
  /** Further connections when somebody has waited for long. */
  readonly reserve: number;
  readonly log: (text: string) => void;
}

/** 0 in a configuration is no limit. */
const orNever = (ms: number): number => (ms === 0 ? Infinity : ms);
const MAX_DERIVED = 1_000;

export class ServerPool {
  readonly database: DatabaseConfig;
  readonly credentials: Credentials;
  readonly mode: PoolMode;
  readonly pool: Pool<ServerConnection>;
  /** All that are logged in. */
  readonly servers = new Set<ServerConnection>();
  logins = 0;
  /** What the first server connection was told, and every client is. */
  welcome: ReadonlyMap<string, string> | undefined = undefined;
  readonly #init: ServerPoolInit;
  readonly #max: number;
  #nextHost = 0;
  /** Since when somebody waits without a break, as far as is known; and whether the reserve is open. */
  #reserveTimer: NodeJS.Timeout | undefined = undefined;
  #reserveOpen = false;

  constructor(init: ServerPoolInit) {
    const { values, database, mode, credentials } = init;
    this.#init = init;
    this.database = database;
    this.credentials = credentials;
    this.mode = mode;
    const max = Math.max(1, database.poolSize ?? values.default_pool_size);
    this.pool = new Pool<ServerConnection>({
      name: `${database.name}/${credentials.user}`,
      max,
      min: Math.min(max, database.minPoolSize ?? values.min_pool_size),
      factory: this.#factory(),
      fill: false,
      acquireTimeoutMs: orNever(values.query_wait_timeout),
      createTimeoutMs: values.server_connect_timeout,
      idleTimeoutMs: orNever(values.server_idle_timeout),
      maxLifetimeMs: orNever(database.serverLifetimeMs ?? values.server_lifetime),
      validateAfterIdleMs: values.server_check_delay,
      destroyTimeoutMs: 2_000,
      idleOrder: values.server_round_robin ? 'fifo' : 'lifo',
      ...(init.budget === undefined ? {} : { budget: init.budget }),
    });
    this.#max = max;
  }

  reconnect(): void {
    for (const server of this.servers) server.outdated = 'database configuration changed';
    this.pool.evict();
  }

  /** A server connection; one of the two is called, perhaps at once. Returns how to stop asking. */
  borrow(served: (lease: Lease<ServerConnection>) => void, refused: (error: unknown) => void): () => void {
    const lease = this.pool.tryAcquire();
    if (lease !== undefined) {
      served(lease);
      return () => undefined;
    }
    const leave = Pool.queue(this.pool, (got) => {
      this.#watchReserve();
      served(got);
    }, (error) => {
      this.#watchReserve();
      refused(error);
    });
    this.#watchReserve();
    return () => leave(new Error('the client has gone'));
  }

  /** Somebody has waited for reserve_pool_timeout: a few more connections, until nobody waits. */
  #watchReserve(): void {
    const { reserve, values } = this.#init;
    if (reserve === 0 || this.pool.state === 'draining' || this.pool.state === 'closed') return;
    if (this.pool.stats().waiting === 0) {
      clearTimeout(this.#reserveTimer);
      this.#reserveTimer = undefined;
      if (this.#reserveOpen) this.pool.resize({ max: this.#max });
      this.#reserveOpen = false;
    } else if (this.#reserveTimer === undefined && !this.#reserveOpen) {
      this.#reserveTimer = setTimeout(() => {
        this.#reserveTimer = undefined;
        if (this.pool.stats().waiting === 0) return;
        this.#reserveOpen = true;
        this.pool.resize({ max: this.#max + reserve });
      }, values.reserve_pool_timeout);
      this.#reserveTimer.unref();
    }
  }

  #factory(): Factory<ServerConnection> {
    const { values, log } = this.#init;
    const always = values.server_reset_query_always || this.mode === 'session';
    return {
      create: async ({ signal }) => this.#connect(signal),
      destroy: (server) => {
        this.servers.delete(server);
        server.close();
      },
      isBroken: (server) => server.broken !== undefined,
      onLost: (server, lost) => {
        server.onLost = (reason) => {
          log(`closing because: ${reason}`);
          lost(new Error(reason));
        };
        return () => { server.onLost = undefined; };
      },
      validate: async (server) => {
        const check = values.server_check_query;
        if (check !== '') await server.run(check === '<empty>' ? ';' : check);
        return true;
      },
      reset: (server) => {
        if (!server.used) return undefined;
        server.used = false;
        return always && values.server_reset_query !== '' ? server.run(values.server_reset_query) : undefined;
      },
      classify: (error) => (error instanceof ServerLoginError && /^(?:28|3D)/.test(error.code) ? 'permanent' : 'transient'),
    };
  }

  async #connect(signal: AbortSignal): Promise<ServerConnection> {
    const { values, database, dbname, credentials, derived, log } = this.#init;
    const address = this.#address();
    // Passwords come and go; what was derived from old ones need not stay.
    if (derived.size > MAX_DERIVED) derived.clear();
    const loggedIn = await logIn({
      address, signal, derived,
      sslMode: values.server_tls_sslmode,
      tls: {
        protocols: values.server_tls_protocols,
        ...filled('ca', values.server_tls_ca_file),
        ...filled('cert', values.server_tls_cert_file),
        ...filled('key', values.server_tls_key_file),
        ...(values.server_tls_ciphers === 'default' ? {} : { ciphers: values.server_tls_ciphers }),
      },
      user: database.user ?? credentials.user,
      database: dbname,
      parameters: database.parameters,
      secret: database.password ?? credentials.secret,
      // They fit the server's secret only if ours is the same one: not one that was made here of a plain password.
      clientKeys: database.password === undefined && isScram(credentials.secret) ? credentials.clientKeys : undefined,
      keepAlive: values.tcp_keepalive,
    });
    log(`new connection to server ${address.host}:${address.port}`);
    const server = new ServerConnection(loggedIn, address, values.max_packet_size);
    this.servers.add(server);
    this.welcome ??= new Map(server.parameters);
    if (database.connectQuery !== undefined) await server.run(database.connectQuery);
    return server;
  }

  #address(): Address {
    const { hosts, port, loadBalanceHosts } = this.database;
    const host = hosts[loadBalanceHosts === 'disable' ? 0 : this.#nextHost++ % hosts.length]!;
    return { host, port };
  }
}

function isScram(secret: string | undefined): boolean {
  return secret !== undefined && parseSecret(secret) !== undefined;
}

function filled<K extends string>(key: K, value: string): { readonly [key in K]?: string } {
  return (value === '' ? {} : { [key]: value }) as { readonly [key in K]?: string };
}
