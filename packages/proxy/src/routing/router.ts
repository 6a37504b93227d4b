// From what a client asks for to a pool: which entry of `[databases]`, whose secret, which mode. Pools come into being with their first
// client.

import { readFileSync } from 'node:fs';
import { readAuthFile } from '../config/auth-file.ts';
import type { Budget } from 'millpond';
import type { Config, DatabaseConfig } from '../config/config.ts';
import { fileNamed } from '../config/paths.ts';
import type { Log } from '../log.ts';
import { Budgets } from '../server/budgets.ts';
import { ServerPool, type Credentials } from '../server/pool.ts';
import type { PoolSettings } from '../server/pool-settings.ts';
import type { ClientKeys } from '../wire/pg/scram.ts';
import type { Team } from '../workers/team.ts';

/** As long as names are at servers, in bytes. */
const MAX_NAME = 63;

/** A database as it is used: an entry, or what the `*` entry stands for. */
export interface Database {
  config: DatabaseConfig;
  /** At the server. */
  dbname: string;
  paused: boolean;
  disabled: boolean;
  /** Of the `*` entry. */
  readonly automatic: boolean;
  /** It is in the configuration no more. */
  removed: boolean;
  /** Of the `*` entry: since when it has no clients, as far as anybody has looked. */
  idleSince: number | undefined;
}

export interface RouterOptions {
  /** Is told of every new pool. */
  readonly made?: (pool: ServerPool) => void;
  /** Of several workers that are one proxy. */
  readonly team?: Team | undefined;
}

export class Router {
  config: Config;
  readonly pools = new Map<string, ServerPool>();
  readonly databases = new Map<string, Database>();
  /** Held as a whole, besides databases that are held one by one. */
  mode: 'active' | 'paused' | 'suspended' = 'active';
  readonly derived = new Map<string, Promise<ClientKeys>>();
  readonly #budgets: Budgets;
  readonly #team: Team | undefined;
  #secrets: ReadonlyMap<string, string> = new Map();
  readonly #log: Log;
  readonly #made: (pool: ServerPool) => void;

  constructor(config: Config, log: Log, { made = () => undefined, team }: RouterOptions = {}) {
    this.config = config;
    this.#team = team;
    this.#budgets = new Budgets(team?.shares);
    this.#log = log;
    this.#made = made;
    this.load(config);
  }

  /**
   * Takes another configuration. What changes for a pool it is told; pools of databases that are not there any more are closed, and their
   * clients with them.
   */
  load(config: Config): void {
    this.config = config;
    this.#readSecrets();
    const before = new Map(this.databases);
    this.databases.clear();
    for (const [name, entry] of config.databases) {
      if (name !== '*') this.databases.set(name, this.#keep(before.get(name), entry, entry.dbname ?? name));
    }
    const any = config.databases.get('*');
    for (const [name, known] of before) {
      if (this.databases.has(name)) continue;
      if (known.automatic && any !== undefined) this.databases.set(name, this.#keep(known, { ...any, name }, any.dbname ?? name));
      else known.removed = true;
    }
    for (const [key, pool] of this.pools) this.#reconfigure(key, pool);
    for (const database of this.databases.values()) {
      // Those whose user is fixed may have connections before they have clients.
      const { config: entry } = database;
      const kept = entry.minPoolSize ?? config.values.min_pool_size;
      if (entry.user !== undefined && kept > 0) this.pool(database, entry.user, undefined, undefined);
    }
  }

  /** The same object as before, if there was one: clients know it. */
  #keep(known: Database | undefined, config: DatabaseConfig, dbname: string, automatic = false): Database {
    if (known === undefined) return { config, dbname, paused: false, disabled: false, automatic, removed: false, idleSince: undefined };
    known.config = config;
    known.dbname = dbname;
    return known;
  }

  #reconfigure(key: string, pool: ServerPool): void {
    const database = this.databases.get(pool.database.name);
    const settings = database === undefined ? undefined : this.#settingsFor(database, pool.credentials.user);
    const budget = settings === undefined ? undefined : this.#budgetFor(settings, pool.credentials.user);
    if (settings !== undefined && database!.config.user === pool.fixedUser && budget === pool.budget) {
      pool.configure(settings);
      return;
    }
    // Clients that are connected find the new one, if there is one, when they next ask.
    this.pools.delete(key);
    void pool.pool.close({ deadlineMs: Infinity });
  }

  #readSecrets(): void {
    const { auth_file: file, conffile } = this.config.values;
    this.#secrets = new Map();
    if (file === '') return;
    try {
      const { secrets, broken } = readAuthFile(readFileSync(fileNamed(file, conffile), 'utf8'));
      for (const line of broken) this.#log.error(`broken auth file (${file}:${line})`);
      this.#secrets = secrets;
    } catch (error) {
      this.#log.error(`could not open auth_file ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** `keeps`: one that the `*` entry stands for is known from now on; before a client has proved who it is nothing is kept for it. */
  database(name: string, keeps = true): Database | undefined {
    const known = this.databases.get(name);
    if (known !== undefined) return known;
    const any = this.config.databases.get('*');
    // Servers know no longer names.
    if (any === undefined || Buffer.byteLength(name) > MAX_NAME) return undefined;
    const found = this.#keep(undefined, { ...any, name }, any.dbname ?? name, true);
    if (!keeps) return found;
    this.databases.set(name, found);
    this.#log.info(`registered new auto-database: ${name}`);
    return found;
  }

  /** Databases of the `*` entry that nobody has used for autodb_idle_timeout are forgotten, with their connections. */
  forgetIdle(used: ReadonlySet<Database | undefined>): void {
    const { autodb_idle_timeout: limitMs } = this.config.values;
    const now = performance.now();
    for (const [name, database] of this.databases) {
      if (!database.automatic) continue;
      if (used.has(database) || limitMs === 0) database.idleSince = undefined;
      else database.idleSince ??= now;
      if (database.idleSince === undefined || now - database.idleSince <= limitMs) continue;
      this.databases.delete(name);
      database.removed = true;
      this.#log.info(`dropping database '${name}' as it does not exist anymore or inactive auto-database`);
      for (const [key, pool] of this.pools) {
        if (pool.database.name !== name) continue;
        this.pools.delete(key);
        void pool.pool.close({ deadlineMs: Infinity });
      }
    }
  }

  /** Most of auth_file's secrets are of SCRAM. */
  get mostlyScram(): boolean {
    const known = [...this.#secrets.values()];
    return known.filter((secret) => secret.startsWith('SCRAM-')).length * 2 > known.length;
  }

  /** As auth_file has it. */
  secret(user: string): string | undefined {
    return this.#secrets.get(user);
  }

  /** Everybody who is known by a secret or by the configuration. */
  userNames(): Set<string> {
    return new Set([...this.config.users.keys(), ...this.#secrets.keys()]);
  }

  /** Every pool works or is held, as its database and the whole are. */
  applyPauses(): void {
    for (const { pool, database } of this.pools.values()) {
      const held = this.mode !== 'active' || this.databases.get(database.name)?.paused === true;
      if (held && pool.state !== 'paused') pool.pause();
      if (!held && pool.state === 'paused') pool.resume();
    }
  }

  /** The pool for clients of this user; `clientKeys`: what the client has shown. */
  pool(database: Database, user: string, secret: string | undefined, clientKeys: ClientKeys | undefined): ServerPool {
    const { config } = database;
    // Whoever the clients are: if the user is fixed they share one pool.
    if (config.user === undefined) return this.#poolFor(database, { user, secret, clientKeys });
    // What a client has shown proves nothing of whoever the database logs in as.
    return this.#poolFor(database, {
      user: config.user, secret: config.password ?? this.secret(config.user), clientKeys: config.user === user ? clientKeys : undefined,
    });
  }

  /** The pool for auth_query. It is the one that auth_user has as a client, or would have if the database did not fix another user. */
  authPool(database: Database, user: string): ServerPool {
    const { config } = database;
    if (config.user === user) return this.pool(database, user, undefined, undefined);
    const { user: _user, password: _password, ...others } = config;
    return this.#poolFor({ ...database, config: others }, { user, secret: this.secret(user), clientKeys: undefined });
  }

  #poolFor(database: Database, credentials: Credentials): ServerPool {
    const { config, paused } = database;
    const { user, secret, clientKeys } = credentials;
    const key = JSON.stringify([config.name, user]);
    const known = this.pools.get(key);
    if (known !== undefined) {
      // Passwords change, and what was shown for an old one is worth nothing with a new one.
      if (secret !== undefined && secret !== known.credentials.secret) {
        known.credentials.secret = secret;
        known.credentials.clientKeys = undefined;
      }
      if (clientKeys !== undefined) known.credentials.clientKeys = clientKeys;
      return known;
    }
    const settings = this.#settingsFor(database, user);
    const pool = new ServerPool({
      settings, credentials, derived: this.derived, log: this.#log, fixedUser: config.user, budget: this.#budgetFor(settings, user),
    });
    if (paused || this.mode !== 'active') pool.pool.pause();
    this.pools.set(key, pool);
    this.#made(pool);
    return pool;
  }

  #settingsFor({ config, dbname }: Database, user: string): PoolSettings {
    const { values } = this.config;
    const own = this.config.users.get(user);
    return {
      database: config, dbname, values,
      mode: own?.poolMode ?? config.poolMode ?? values.pool_mode,
      size: Math.max(1, own?.poolSize ?? config.poolSize ?? values.default_pool_size),
      minSize: this.#team?.partOf(config.minPoolSize ?? values.min_pool_size) ?? config.minPoolSize ?? values.min_pool_size,
      reserve: own?.reservePoolSize ?? config.reservePoolSize ?? values.reserve_pool_size,
    };
  }

  #budgetFor({ database, values }: PoolSettings, user: string): Budget | undefined {
    const perUser = this.config.users.get(user)?.maxUserConnections ?? values.max_user_connections;
    return this.#budgets.for(database.name, database.maxDbConnections ?? values.max_db_connections, user, perUser);
  }
}
