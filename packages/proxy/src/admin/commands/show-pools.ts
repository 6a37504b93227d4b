import type { Proxy } from '../../proxy.ts';
import { secondsAndRest, show, type Answer } from '../table.ts';

/** One row per pool: its clients, its server connections, and how long the first in line has been waiting. */
export function showPools({ router, clients }: Proxy): Answer {
  const rows = [...router.pools.values()].map(({ pool, database, credentials, mode }) => {
    const { borrowed, idle, creating, validating, resetting, destroying, waiting } = pool.stats();
    const own = [...clients.values()].filter((client) => client.pool?.pool === pool && client.session !== undefined);
    const since = Math.min(...own.filter(({ session }) => session!.state === 'waiting').map(({ session }) => session!.since));
    const waited = waiting === 0 || since === Infinity ? 0 : performance.now() - since;
    return [
      database.name, credentials.user, own.length - waiting, waiting, 0, 0,
      borrowed, 0, 0, idle, resetting, validating, creating + destroying,
      ...secondsAndRest(waited), mode, null,
    ];
  });
  return show(`
    database user cl_active:int4 cl_waiting:int4 cl_active_cancel_req:int4 cl_waiting_cancel_req:int4 sv_active:int4
    sv_active_cancel:int4 sv_being_canceled:int4 sv_idle:int4 sv_used:int4 sv_tested:int4 sv_login:int4 maxwait:int4 maxwait_us:int4
    pool_mode load_balance_hosts
  `, rows);
}
