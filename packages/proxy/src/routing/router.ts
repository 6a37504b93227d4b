// From what a client asks for to a pool: which entry of `[databases]`, whose secret, which mode. Pools come into being with their first
// client.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readAuthFile } from '../config/auth-file.ts';
import type { Config, DatabaseConfig, PoolMode } from '../config/config.ts';
import type { Log } from '../log.ts';
import { Budgets } from '../server/budgets.ts';
import { ServerPool } from '../server/pool.ts';
import type { ClientKeys } from '../wire/pg/scram.ts';

/** A database as it is used: an entry, or what the `*` entry stands for. */
export interface Database {
  readonly config: DatabaseConfig;
  /** At the server. */
  readonly dbname: string;
  paused: boolean;
  disabled: boolean;
}

export class Router {
  config: Config;
  readonly pools = new Map<string, ServerPool>();
  readonly databases = new Map<string, Database>();
  /** Held as a whole, besides databases that are held one by one. */
  mode: 'active' | 'paused' | 'suspended' = 'active';
  readonly derived = new Map<string, Promise<ClientKeys>>();
  readonly #budgets = new Budgets();
  #secrets: ReadonlyMap<string, string> = new Map();
  readonly #log: Log;

  constructor(config: Config, log: Log) {
    this.config = config;
    this.#log = log;
    this.load(config);
  }

  /** Takes another configuration. Pools whose database has changed are closed, and come into being again with their next client. */
  load(config: Config): void {
    this.config = config;
    this.#readSecrets();
    const before = new Map(this.databases);
    this.databases.clear();
    for (const [name, entry] of config.databases) {
      if (name === '*') continue;
      const { paused = false, disabled = false } = before.get(name) ?? {};
      this.databases.set(name, { config: entry, dbname: entry.dbname ?? name, paused, disabled });
    }
    for (const [key, pool] of this.pools) {
      const now = this.databases.get(pool.database.name)?.config ?? (pool.database.name === '*' ? config.databases.get('*') : undefined);
      if (now !== undefined && JSON.stringify(plain(now)) === JSON.stringify(plain(pool.database))) continue;
      this.pools.delete(key);
      void pool.pool.close({ deadlineMs: Infinity });
    }
  }

  #readSecrets(): void {
    const { auth_file: file, conffile } = this.config.values;
    this.#secrets = new Map();
    if (file === '') return;
    try {
      const { secrets, broken } = readAuthFile(readFileSync(resolve(dirname(conffile), file), 'utf8'));
      for (const line of broken) this.#log.error(`broken auth file (${file}:${line})`);
      this.#secrets = secrets;
    } catch (error) {
      this.#log.error(`could not open auth_file ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  database(name: string): Database | undefined {
    const known = this.databases.get(name);
    if (known !== undefined) return known;
    const any = this.config.databases.get('*');
    if (any === undefined) return undefined;
    const found = { config: { ...any, name }, dbname: any.dbname ?? name, paused: false, disabled: false };
    this.databases.set(name, found);
    return found;
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

  modeOf({ config }: Database, user: string): PoolMode {
    return this.config.users.get(user)?.poolMode ?? config.poolMode ?? this.config.values.pool_mode;
  }

  /** The pool for clients of this user; `clientKeys`: what the client has shown. */
  pool(database: Database, user: string, secret: string | undefined, clientKeys: ClientKeys | undefined): ServerPool {
    const { config } = database;
    const mode = this.modeOf(database, user);
    const key = JSON.stringify([config.name, user]);
    let pool = this.pools.get(key);
    if (pool === undefined) {
      const at = config.user ?? user;
      const credentials = { user: at, secret: config.user === undefined ? secret : config.password ?? this.secret(at), clientKeys };
      const log = (text: string): void => this.#log.info(`S-${config.name}: ${config.name}/${at} ${text}`);
      const { values } = this.config;
      const own = this.config.users.get(user);
      const poolSize = config.poolSize ?? own?.poolSize;
      pool = new ServerPool({
        database: poolSize === undefined ? config : { ...config, poolSize }, dbname: database.dbname, credentials, mode,
        values, derived: this.derived, log,
        budget: this.#budgets.for(
          config.name, config.maxDbConnections ?? values.max_db_connections, at, own?.maxUserConnections ?? values.max_user_connections,
        ),
        reserve: config.reservePoolSize ?? own?.reservePoolSize ?? values.reserve_pool_size,
      });
      if (database.paused || this.mode !== 'active') pool.pool.pause();
      this.pools.set(key, pool);
    } else if (clientKeys !== undefined) {
      pool.credentials.clientKeys = clientKeys;
    }
    return pool;
  }
}

/** Maps become lists, so that two can be compared. */
function plain(config: DatabaseConfig): unknown {
  return { ...config, parameters: [...config.parameters] };
}
