import type { Proxy } from '../../proxy.ts';
import { timeOf } from '../../log.ts';
import { secondsAndRest, show, type Answer } from '../table.ts';

const STATES = { idle: 'active', linked: 'active', waiting: 'waiting', closed: 'closing' } as const;

/** One row per client that is connected. */
export function showClients({ clients, router }: Proxy): Answer {
  const rows = [...clients.values()].filter(({ session }) => session !== undefined).map((client) => {
    const { session, database, user, address, port, connectedAt, tls, id } = client;
    const waited = session!.state === 'waiting' ? performance.now() - session!.since : 0;
    return [
      'C', user, database?.config.name, '', STATES[session!.state], address, port, router.config.values.listen_addr[0] ?? 'unix',
      router.config.values.listen_port, timeOf(connectedAt), timeOf(performance.now()), ...secondsAndRest(waited), 0,
      id, '', 0, tls ? 'TLS' : '', session!.parameters.get('application_name') ?? '', session!.statements.size, id,
    ];
  });
  return show(`
    type user database replication state addr port:int4 local_addr local_port:int4 connect_time request_time wait:int4 wait_us:int4
    close_needed:int4 ptr link remote_pid:int4 tls application_name prepared_statements:int4 id:int4
  `, rows);
}

