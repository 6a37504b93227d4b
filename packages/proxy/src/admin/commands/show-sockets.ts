// SHOW CLIENTS, SERVERS, SOCKETS, ACTIVE_SOCKETS: one row per connection.

import type { Proxy } from '../../proxy.ts';
import type { Cell } from '../../wire/pg/write.ts';
import {
  BUFFER_COLUMNS, clientBuffers, clientRow, COLUMNS, linksOf, serverBuffers, serverRow, serverState, stateOf,
} from '../sockets.ts';
import { show, type Answer } from '../table.ts';

export function showClients(proxy: Proxy): Answer {
  const rows = [...proxy.clients.values()].filter((client) => stateOf(client) !== 'login')
    .map((client) => clientRow(client, stateOf(client), proxy));
  return show(COLUMNS, rows);
}

export function showServers(proxy: Proxy): Answer {
  const links = linksOf(proxy);
  const rows = [...proxy.router.pools.values()].flatMap((pool) =>
    [...pool.servers].map((server) => serverRow(server, serverState(server, pool, proxy), pool, links.get(server.id))));
  return show(COLUMNS, rows);
}

/** Also those that have not logged in yet. */
export function showSockets(proxy: Proxy): Answer {
  return sockets(proxy, () => true);
}

/** Only those with something in their buffers. */
export function showActiveSockets(proxy: Proxy): Answer {
  return sockets(proxy, (buffers) => buffers.some((bytes) => Number(bytes) > 0));
}

function sockets(proxy: Proxy, chosen: (buffers: readonly Cell[]) => boolean): Answer {
  const links = linksOf(proxy);
  const rows: Cell[][] = [];
  for (const client of proxy.clients.values()) {
    const buffers = clientBuffers(client);
    if (chosen(buffers)) rows.push([...clientRow(client, `cl_${stateOf(client)}`, proxy), ...buffers]);
  }
  for (const pool of proxy.router.pools.values()) {
    for (const server of pool.servers) {
      const buffers = serverBuffers(server);
      const state = `sv_${serverState(server, pool, proxy)}`;
      if (chosen(buffers)) rows.push([...serverRow(server, state, pool, links.get(server.id)), ...buffers]);
    }
  }
  return show(`${COLUMNS} ${BUFFER_COLUMNS}`, rows);
}
