// SHOW LISTS, MEM, STATE and PEERS: the proxy as a whole, in a few numbers.

import type { Proxy } from '../../proxy.ts';
import { stateOf } from '../sockets.ts';
import { show, type Answer } from '../table.ts';

/** How much there is of everything. Nothing is kept ready for later, so nothing is free; the console counts as a database and a pool. */
export function listCounts({ router, clients, config }: Proxy): (readonly [list: string, items: number])[] {
  const all = [...clients.values()];
  const servers = [...router.pools.values()].reduce((sum, { pool }) => sum + pool.stats().size, 0);
  const users = new Set([...router.userNames(), ...all.map(({ user }) => user).filter((user) => user !== '')]);
  return [
    ['databases', router.databases.size + 1], ['users', users.size], ['peers', config.peers.size],
    ['pools', router.pools.size + 1], ['peer_pools', 0],
    ['free_clients', 0], ['used_clients', all.length], ['login_clients', all.filter((client) => stateOf(client) === 'login').length],
    ['free_servers', 0], ['used_servers', servers],
    ['dns_names', 0], ['dns_zones', 0], ['dns_queries', 0], ['dns_pending', 0],
  ];
}

export function showLists(proxy: Proxy): Answer {
  return show('list items:int4', listCounts(proxy));
}

/** By the kinds of memory that Node tells of, in bytes: they can be more than 32 bits hold. */
export function showMem(): Answer {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return show('name size:int4 used:int8 free:int8 memtotal:int8', [
    ['heap', 1, heapUsed, heapTotal - heapUsed, heapTotal], ['external', 1, external, 0, external],
    ['array_buffers', 1, arrayBuffers, 0, arrayBuffers], ['process', 1, rss, 0, rss],
  ]);
}

export function showPeers({ config }: Proxy): Answer {
  const rows = [...config.peers].map(([id, { host, port }]) => [id, host, port, config.values.default_pool_size]);
  return show('peer_id:int4 host port:int4 pool_size:int4', rows);
}

export function showState({ router }: Proxy): Answer {
  const states = ['active', 'paused', 'suspended'] as const;
  return show('key value', states.map((state) => [state, router.mode === state ? 'yes' : 'no']));
}
