import type { Proxy } from '../../proxy.ts';
import type { Database } from '../../routing/router.ts';
import { CONSOLE_DATABASE } from '../../stats/statistics.ts';
import type { Cell } from '../../wire/pg/write.ts';
import { show, type Answer } from '../table.ts';

/** What is used of a database at this moment, beside what it is configured to. */
export interface DatabaseFigures {
  readonly database: Database;
  readonly servers: number;
  readonly clients: number;
}

export function databaseFigures({ router, clients }: Proxy): DatabaseFigures[] {
  const servers = new Map<string, number>();
  for (const { pool, database } of router.pools.values()) {
    servers.set(database.name, (servers.get(database.name) ?? 0) + pool.stats().size);
  }
  const connected = new Map<string, number>();
  for (const { pool } of clients.values()) {
    if (pool !== undefined) connected.set(pool.database.name, (connected.get(pool.database.name) ?? 0) + 1);
  }
  return [...router.databases.values()].map((database) => {
    const { name } = database.config;
    return { database, servers: servers.get(name) ?? 0, clients: connected.get(name) ?? 0 };
  });
}

/** One row per entry of `[databases]`, with what it inherits, and one of the console. */
export function showDatabases(proxy: Proxy): Answer {
  const { values } = proxy.config;
  const rows = databaseFigures(proxy).map(({ database: { config, dbname, paused, disabled }, servers, clients }): Cell[] => [
    config.name, config.hosts.join(','), config.port, dbname, config.user ?? null,
    config.poolSize ?? values.default_pool_size, config.minPoolSize ?? values.min_pool_size,
    config.reservePoolSize ?? values.reserve_pool_size, Math.floor((config.serverLifetimeMs ?? values.server_lifetime) / 1000),
    config.poolMode ?? null,
    config.hosts.length > 1 ? config.loadBalanceHosts : null, config.maxDbConnections ?? values.max_db_connections,
    servers, config.maxDbClientConnections ?? values.max_db_client_connections, clients, Number(paused), Number(disabled),
  ]);
  const visitors = [...proxy.clients.values()].filter((client) => client.console !== undefined).length;
  rows.push([
    CONSOLE_DATABASE, null, values.listen_port, CONSOLE_DATABASE, CONSOLE_DATABASE, 2, 0, 0, values.server_lifetime / 1000, 'statement',
    null, values.max_db_connections, 0, values.max_db_client_connections, visitors, 0, 0,
  ]);
  rows.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return show(`
    name host port:int4 database force_user pool_size:int4 min_pool_size:int4 reserve_pool_size:int4 server_lifetime:int4 pool_mode
    load_balance_hosts max_connections:int4 current_connections:int4 max_client_connections:int4 current_client_connections:int4
    paused:int4 disabled:int4
  `, rows);
}
