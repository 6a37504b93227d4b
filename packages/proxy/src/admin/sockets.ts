// Connections as the console shows them: SHOW CLIENTS, SERVERS, SOCKETS and ACTIVE_SOCKETS have the same columns.

import { TLSSocket } from 'node:tls';
import type { Client } from '../client/client.ts';
import { timeOf } from '../log.ts';
import type { Proxy } from '../proxy.ts';
import type { ServerConnection } from '../server/connection.ts';
import type { ServerPool } from '../server/pool.ts';
import { CONSOLE_DATABASE } from '../stats/statistics.ts';
import type { Cell } from '../wire/pg/write.ts';
import { secondsAndRest } from './table.ts';

export const COLUMNS = `
  type user database replication state addr port:int4 local_addr local_port:int4 connect_time request_time wait:int4 wait_us:int4
  close_needed:int4 ptr link remote_pid:int4 tls application_name prepared_statements:int4 id:int4
`;

/** Of buffers: none is kept here beyond what waits to be written or waits for a server connection, so most are always 0. */
export const BUFFER_COLUMNS = `
  recv_pos:int4 pkt_pos:int4 pkt_remain:int4 send_pos:int4 send_remain:int4 pkt_avail:int4 send_avail:int4
`;

export type ClientState = 'active' | 'waiting' | 'login';
export type ServerState = 'active' | 'idle' | 'used' | 'tested' | 'being_canceled';

/** Waiting: also for its first server connection, which tells what it is to be welcomed with. */
export function stateOf({ session, console: visit, pool }: Client): ClientState {
  if (session !== undefined) return session.state === 'waiting' ? 'waiting' : 'active';
  if (visit !== undefined) return 'active';
  return pool === undefined ? 'login' : 'waiting';
}

/** Used: idle for so long that it is checked before somebody gets it. */
export function serverState(server: ServerConnection, pool: ServerPool, { config }: Proxy): ServerState {
  if (server.link !== undefined) return 'active';
  if (server.cancels > 0) return 'being_canceled';
  if (server.requests.owed > 0) return 'tested';
  const { server_check_delay: delayMs, server_check_query: check } = config.values;
  return check !== '' && performance.now() - server.usedAt > delayMs && pool.servers.has(server) ? 'used' : 'idle';
}

export function waitedMs({ session, connectedAt }: Client): number {
  return performance.now() - (session?.since ?? connectedAt);
}

export function clientRow(client: Client, state: string, { config }: Proxy): Cell[] {
  const { id, session, address, port, connectedAt, database, console: visit, socket, stream, user } = client;
  const local = address === 'unix' ? ['unix', config.values.listen_port] : [socket.localAddress ?? '', socket.localPort ?? 0];
  const server = session?.server;
  return [
    'C', user === '' ? '(nouser)' : user, visit === undefined ? database?.config.name ?? '(nodb)' : CONSOLE_DATABASE,
    client.replication, state,
    address, port, ...local, timeOf(connectedAt), timeOf(Math.max(session?.meter.askedAt ?? 0, connectedAt)),
    ...secondsAndRest(stateOf(client) === 'waiting' ? waitedMs(client) : 0), 0,
    pointer(id), server === undefined ? '' : pointer(server.id), 0, tlsOf(stream),
    session?.parameters.get('application_name') ?? '', session?.statements.size ?? 0, id,
  ];
}

export function clientBuffers({ session, stream }: Client): Cell[] {
  return [0, 0, 0, 0, 0, session?.held ?? 0, stream.writableLength];
}

export function serverRow(server: ServerConnection, state: string, pool: ServerPool, client: Client | undefined): Cell[] {
  const { id, address, socket, connectedAt, usedAt, cancelKey, statements, parameters } = server;
  const local = address.host.startsWith('/') ? ['unix', address.port] : [socket.localAddress ?? '', socket.localPort ?? 0];
  const remote = address.host.startsWith('/') ? 'unix' : socket.remoteAddress ?? address.host;
  return [
    'S', pool.credentials.user, pool.database.name, client?.replication ?? 'none', state, remote, address.port, ...local,
    timeOf(connectedAt), timeOf(Math.max(client?.session?.meter.askedAt ?? 0, usedAt)), 0, 0,
    Number((server.outdated ?? server.broken) !== undefined),
    pointer(id), client === undefined ? '' : pointer(client.id), cancelKey.length >= 4 ? cancelKey.readInt32BE(0) : 0, tlsOf(socket),
    parameters.get('application_name') ?? '', statements.size, id,
  ];
}

export function serverBuffers({ socket }: ServerConnection): Cell[] {
  return [0, 0, 0, 0, 0, 0, socket.writableLength];
}

/** Which client a server connection is lent to, by the server's id. */
export function linksOf({ clients }: Proxy): Map<number, Client> {
  const links = new Map<number, Client>();
  for (const client of clients.values()) {
    const server = client.session?.server;
    if (server !== undefined) links.set(server.id, client);
  }
  return links;
}

/** There are no addresses to show; what scripts want of them is that they are different and fit each other. */
function pointer(id: number): string {
  return `0x${id.toString(16)}`;
}

function tlsOf(stream: unknown): string {
  if (!(stream instanceof TLSSocket) || stream.destroyed) return '';
  return `${(stream.getProtocol() ?? '').replace('TLSv1/', 'TLSv1.0/')}/${stream.getCipher()?.standardName ?? 'unknown'}`;
}
