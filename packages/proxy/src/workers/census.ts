// How many clients a worker has, for the limits of clients that hold over all of them.

import type { Client } from '../client/client.ts';
import { CONSOLE_DATABASE } from '../stats/statistics.ts';

export interface ClientCounts {
  /** Also those that have not logged in. */
  readonly all: number;
  readonly databases: ReadonlyMap<string, number>;
  readonly users: ReadonlyMap<string, number>;
}

export const NOBODY: ClientCounts = { all: 0, databases: new Map(), users: new Map() };

/** Somebody counts for a database, the console being one, and a user from the moment on when they are let in. */
export function countClients(clients: ReadonlyMap<string, Client>): ClientCounts {
  const databases = new Map<string, number>();
  const users = new Map<string, number>();
  for (const { pool, console: visit, user, database } of clients.values()) {
    if (pool === undefined && visit === undefined) continue;
    add(databases, visit === undefined ? database!.config.name : CONSOLE_DATABASE, 1);
    add(users, user, 1);
  }
  return { all: clients.size, databases, users };
}

export function sumOf(counts: Iterable<ClientCounts>): ClientCounts {
  let all = 0;
  const databases = new Map<string, number>();
  const users = new Map<string, number>();
  for (const each of counts) {
    all += each.all;
    for (const [name, count] of each.databases) add(databases, name, count);
    for (const [name, count] of each.users) add(users, name, count);
  }
  return { all, databases, users };
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
