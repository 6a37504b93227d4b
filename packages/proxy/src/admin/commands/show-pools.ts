import type { Client } from '../../client/client.ts';
import type { Proxy } from '../../proxy.ts';
import type { ServerPool } from '../../server/pool.ts';
import { CONSOLE_DATABASE } from '../../stats/statistics.ts';
import type { Cell } from '../../wire/pg/write.ts';
import { serverState, stateOf, waitedMs, type ServerState } from '../sockets.ts';
import { secondsAndRest, show, type Answer } from '../table.ts';

/** What there is of a pool at this moment: SHOW POOLS shows it, and so do metrics. */
export interface PoolFigures {
  readonly database: string;
  readonly user: string;
  readonly clientsActive: number;
  readonly clientsWaiting: number;
  /** Cancels that are on their way to a server. */
  readonly cancels: number;
  readonly servers: Readonly<Record<ServerState, number>>;
  readonly logins: number;
  /** Of the one who has been waiting for longest. */
  readonly maxWaitMs: number;
  readonly mode: string;
  readonly loadBalanceHosts: string | null;
}

/** All pools, the console's own among them, by database and user. */
export function poolFigures(proxy: Proxy): PoolFigures[] {
  const byPool = new Map<ServerPool, Client[]>();
  let visitors = 0;
  for (const client of proxy.clients.values()) {
    if (client.console !== undefined) visitors++;
    if (client.pool === undefined) continue;
    const known = byPool.get(client.pool);
    if (known === undefined) byPool.set(client.pool, [client]);
    else known.push(client);
  }
  const figures = [...proxy.router.pools.values()].map((pool) => figuresOf(pool, byPool.get(pool) ?? [], proxy));
  figures.push({
    database: CONSOLE_DATABASE, user: CONSOLE_DATABASE, clientsActive: visitors, clientsWaiting: 0, cancels: 0, servers: none(), logins: 0,
    maxWaitMs: 0, mode: 'statement', loadBalanceHosts: null,
  });
  return figures.sort((a, b) => compare(a.database, b.database) || compare(a.user, b.user));
}

function figuresOf(pool: ServerPool, clients: readonly Client[], proxy: Proxy): PoolFigures {
  const servers = none();
  let cancels = 0;
  for (const server of pool.servers) {
    servers[serverState(server, pool, proxy)]++;
    cancels += server.cancels;
  }
  const waiting = clients.filter((client) => stateOf(client) === 'waiting');
  return {
    database: pool.database.name, user: pool.credentials.user,
    clientsActive: clients.length - waiting.length, clientsWaiting: waiting.length, cancels,
    servers, logins: pool.logins, maxWaitMs: Math.max(0, ...waiting.map((client) => waitedMs(client))), mode: pool.mode,
    loadBalanceHosts: pool.database.hosts.length > 1 ? pool.database.loadBalanceHosts : null,
  };
}

function none(): Record<ServerState, number> {
  return { active: 0, idle: 0, used: 0, tested: 0, being_canceled: 0 };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** One row per pool: its clients, its server connections, and how long the first in line has been waiting. */
export function showPools(proxy: Proxy): Answer {
  const rows = poolFigures(proxy).map((figures): Cell[] => {
    const { servers, cancels } = figures;
    return [
      figures.database, figures.user, figures.clientsActive, figures.clientsWaiting, cancels, 0,
      servers.active, cancels, servers.being_canceled, servers.idle, servers.used, servers.tested, figures.logins,
      ...secondsAndRest(figures.maxWaitMs), figures.mode, figures.loadBalanceHosts,
    ];
  });
  return show(`
    database user cl_active:int4 cl_waiting:int4 cl_active_cancel_req:int4 cl_waiting_cancel_req:int4 sv_active:int4
    sv_active_cancel:int4 sv_being_canceled:int4 sv_idle:int4 sv_used:int4 sv_tested:int4 sv_login:int4 maxwait:int4 maxwait_us:int4
    pool_mode load_balance_hosts
  `, rows);
}
