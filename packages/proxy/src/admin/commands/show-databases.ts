import type { Proxy } from '../../proxy.ts';
import { show, type Answer } from '../table.ts';

/** One row per entry of `[databases]`, with what it inherits. */
export function showDatabases({ router, clients }: Proxy): Answer {
  const { values } = router.config;
  const rows = [...router.databases.values()].map(({ config, dbname, paused, disabled }) => {
    const pools = [...router.pools.values()].filter(({ database }) => database.name === config.name);
    const connected = [...clients.values()].filter(({ database }) => database?.config.name === config.name);
    return [
      config.name, config.hosts.join(','), config.port, dbname, config.user ?? null,
      config.poolSize ?? values.default_pool_size, config.minPoolSize ?? values.min_pool_size,
      config.reservePoolSize ?? values.reserve_pool_size, (config.serverLifetimeMs ?? values.server_lifetime) / 1000,
      config.poolMode ?? null,
      config.hosts.length > 1 ? config.loadBalanceHosts : null, config.maxDbConnections ?? values.max_db_connections,
      pools.reduce((sum, { pool }) => sum + pool.stats().size, 0), config.maxDbClientConnections ?? values.max_db_client_connections,
      connected.length, Number(paused), Number(disabled),
    ];
  });
  return show(`
    name host port:int4 database force_user pool_size:int4 min_pool_size:int4 reserve_pool_size:int4 server_lifetime:int4 pool_mode
    load_balance_hosts max_connections:int4 current_connections:int4 max_client_connections:int4 current_client_connections:int4
    paused:int4 disabled:int4
  `, rows);
}
