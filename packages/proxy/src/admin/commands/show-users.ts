import type { Proxy } from '../../proxy.ts';
import { CONSOLE_DATABASE } from '../../stats/statistics.ts';
import { show, type Answer } from '../table.ts';

/** Everybody in auth_file or `[users]`, and whoever is connected: what they may use, and what they do. */
export function showUsers({ router, clients, config }: Proxy): Answer {
  const { values, users } = config;
  const servers = new Map<string, number>();
  for (const { pool, credentials } of router.pools.values()) add(servers, credentials.user, pool.stats().size);
  const connected = new Map<string, number>();
  for (const { user, pool, console: visit } of clients.values()) if (pool !== undefined || visit !== undefined) add(connected, user, 1);
  const names = new Set([...router.userNames(), ...servers.keys(), ...connected.keys(), CONSOLE_DATABASE]);
  const rows = [...names].sort().map((name) => {
    const own = users.get(name);
    return [
      name, own?.poolSize ?? '', own?.reservePoolSize ?? '', own?.poolMode ?? null,
      own?.maxUserConnections ?? values.max_user_connections, servers.get(name) ?? 0,
      own?.maxUserClientConnections ?? values.max_user_client_connections, connected.get(name) ?? 0,
    ];
  });
  return show(`
    name pool_size reserve_pool_size pool_mode max_user_connections:int4 current_connections:int4 max_user_client_connections:int4
    current_client_connections:int4
  `, rows);
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
