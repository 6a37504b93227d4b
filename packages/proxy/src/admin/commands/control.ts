// What changes how clients are served: PAUSE and RESUME, DISABLE and ENABLE, RECONNECT, RELOAD, SHUTDOWN.

import type { Proxy } from '../../proxy.ts';
import type { Database } from '../../routing/router.ts';
import type { ServerPool } from '../../server/pool.ts';
import { CommandError, type Answer } from '../table.ts';

/** All databases, or the one that is named. */
function chosen({ router }: Proxy, name: string | undefined): Database[] {
  if (name === undefined) return [...router.databases.values()];
  const database = router.database(name);
  if (database === undefined) throw new CommandError(`no such database: ${name}`);
  return [database];
}

function poolsOf({ router }: Proxy, databases: readonly Database[]): readonly ServerPool[] {
  const names = new Set(databases.map(({ config }) => config.name));
  return [...router.pools.values()].filter(({ database }) => names.has(database.name));
}

/** Holds new work, and resolves when what was running has come to its end. */
export async function pause(proxy: Proxy, name: string | undefined): Promise<Answer> {
  const databases = chosen(proxy, name);
  if (databases.every(({ paused }) => paused) && databases.length > 0) throw new CommandError('already suspended/paused');
  for (const database of databases) database.paused = true;
  await Promise.all(poolsOf(proxy, databases).map(async ({ pool }) => {
    pool.pause();
    while (pool.stats().borrowed > 0 && pool.state === 'paused') await new Promise((resolve) => { pool.on('release', resolve); });
  }));
  return { tag: 'PAUSE' };
}

export function resume(proxy: Proxy, name: string | undefined): Answer {
  const databases = chosen(proxy, name);
  if (!databases.some(({ paused }) => paused)) {
    throw new CommandError(name === undefined ? 'pooler is not paused/suspended' : `database ${name} is not paused`);
  }
  for (const database of databases) database.paused = false;
  for (const { pool } of poolsOf(proxy, databases)) pool.resume();
  return { tag: 'RESUME' };
}

/** New clients are turned away, or let in again. */
export function disable(proxy: Proxy, name: string | undefined, disabled: boolean): Answer {
  if (name === undefined) throw new CommandError('a database is required');
  for (const database of chosen(proxy, name)) database.disabled = disabled;
  return { tag: disabled ? 'DISABLE' : 'ENABLE' };
}

/** Every server connection is replaced: idle ones now, the others when they come back. */
export function reconnect(proxy: Proxy, name: string | undefined): Answer {
  for (const { pool } of poolsOf(proxy, chosen(proxy, name))) pool.evict();
  return { tag: 'RECONNECT' };
}

export function reload(proxy: Proxy): Answer {
  if (!proxy.reload()) throw new CommandError('RELOAD failed, see logs for additional details');
  return { tag: 'RELOAD' };
}
