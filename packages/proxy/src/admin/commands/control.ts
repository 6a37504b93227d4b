// What changes how clients are served: PAUSE and RESUME, DISABLE and ENABLE, RECONNECT, WAIT_CLOSE, KILL and KILL_CLIENT, RELOAD.

import type { Client } from '../../client/client.ts';
import type { Proxy } from '../../proxy.ts';
import type { Database } from '../../routing/router.ts';
import type { ServerPool } from '../../server/pool.ts';
import { CONSOLE_DATABASE } from '../../stats/statistics.ts';
import { farewell } from '../../wire/farewell.ts';
import { errorResponse, type Report } from '../../wire/pg/write.ts';
import { stateOf } from '../sockets.ts';
import { CommandError, type Answer } from '../table.ts';

/** What a command has to do with. */
export interface Context {
  readonly proxy: Proxy;
  /** A database, or what else stands behind the command. */
  readonly argument: string | undefined;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 20;

/** Why a signal aborts when the client sends a cancel; without a reason it has gone. */
export const CANCELLED = 'canceled';

/** Looks until it is so. Rejects when whoever asked has gone or has cancelled. */
export async function until(signal: AbortSignal, isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    if (signal.aborted) throw new CommandError('canceled by user request', '57014');
    await new Promise<void>((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
  }
}

/** The database that is named; undefined: all of them are meant. `verb`: what cannot be done to the console's own. */
function named({ proxy, argument }: Context, verb: string): Database | undefined {
  if (argument === undefined) return undefined;
  if (argument === CONSOLE_DATABASE) throw new CommandError(`cannot ${verb} admin db: ${argument}`);
  const database = proxy.router.database(argument);
  if (database === undefined) throw new CommandError(`no such database: ${argument}`);
  return database;
}

function poolsOf({ router }: Proxy, database: Database | undefined): ServerPool[] {
  return [...router.pools.values()].filter((pool) => database === undefined || pool.database.name === database.config.name);
}

function mustBeActive({ router }: Proxy): void {
  if (router.mode !== 'active') throw new CommandError('already suspended/paused');
}

/** Holds new work and lets go of all server connections: idle ones now, the others when their clients are done with them. */
export async function pause(context: Context): Promise<Answer> {
  const { proxy, signal } = context;
  const { router } = proxy;
  mustBeActive(proxy);
  const database = named(context, 'pause');
  if (database === undefined) router.mode = 'paused';
  else database.paused = true;
  router.applyPauses();
  for (const { pool } of poolsOf(proxy, database)) pool.evict();
  const held = (): boolean => (database === undefined ? router.mode === 'paused' : router.database(database.config.name)?.paused === true);
  try {
    await until(signal, () => !held() || poolsOf(proxy, database).every(({ pool }) => pool.stats().size === 0));
  } catch (error) {
    // Whoever cancels does not want the pause; whoever loses the connection may come back for it.
    if (database === undefined && signal.reason === CANCELLED) resumeAll(proxy);
    throw error;
  }
  if (!held()) throw new CommandError('PAUSE was ended by RESUME');
  return { tag: 'PAUSE' };
}

/** Everything goes on, but for databases that are held one by one. */
export function resumeAll({ suspension, router }: Proxy): void {
  suspension.end();
  router.mode = 'active';
  router.applyPauses();
}

export function resume(context: Context): Answer {
  const { proxy, argument } = context;
  const { router } = proxy;
  if (argument === undefined) {
    if (proxy.isClosing) throw new CommandError('pooler is shutting down');
    if (router.mode === 'active') throw new CommandError('pooler is not paused/suspended');
    resumeAll(proxy);
  } else {
    const database = router.databases.get(argument);
    if (database === undefined) throw new CommandError(`no such database: ${argument}`);
    if (!database.paused) throw new CommandError(`database ${argument} is not paused`);
    database.paused = false;
    router.applyPauses();
  }
  return { tag: 'RESUME' };
}

/** New clients are turned away. */
export function disable(context: Context): Answer {
  needsDatabase(context);
  named(context, 'disable')!.disabled = true;
  return { tag: 'DISABLE' };
}

export function enable(context: Context): Answer {
  needsDatabase(context);
  named(context, 'disable')!.disabled = false;
  return { tag: 'ENABLE' };
}

function needsDatabase({ argument }: Context): void {
  if (argument === undefined) throw new CommandError('a database is required');
}

/** Every server connection is replaced: idle ones now, the others when they come back. */
export function reconnect(context: Context): Answer {
  for (const pool of poolsOf(context.proxy, named(context, 'reconnect'))) pool.reconnect();
  return { tag: 'RECONNECT' };
}

/** Until the last connection has gone that was to be replaced. */
export async function waitClose(context: Context): Promise<Answer> {
  const database = named(context, 'wait in');
  const isClean = (pool: ServerPool): boolean => [...pool.servers].every(({ outdated }) => outdated === undefined);
  await until(context.signal, () => poolsOf(context.proxy, database).every((pool) => isClean(pool)));
  return { tag: 'WAIT_CLOSE' };
}

/** Ends all clients and server connections, whatever they do. Who comes afterwards waits for a RESUME. */
export function kill(context: Context): Answer {
  const { proxy } = context;
  mustBeActive(proxy);
  const database = named(context, 'kill');
  if (database === undefined) for (const each of proxy.router.databases.values()) each.paused = true;
  else database.paused = true;
  proxy.router.applyPauses();
  const pools = new Set(poolsOf(proxy, database));
  for (const client of proxy.clients.values()) {
    if (client.pool !== undefined && pools.has(client.pool)) endClient(client, 'database removed');
  }
  for (const { pool } of pools) pool.evict();
  return { tag: 'KILL' };
}

export function killClient({ proxy, argument }: Context): Answer {
  if (argument === undefined || !/^\d+/.test(argument)) throw new CommandError('invalid client pointer supplied');
  const id = Number.parseInt(argument, 10);
  const client = [...proxy.clients.values()].find((each) => each.id === id && stateOf(each) !== 'login');
  if (client === undefined) throw new CommandError('client not found');
  endClient(client, 'admin forced disconnect');
  return { tag: 'KILL_CLIENT' };
}

function endClient({ session, stream }: Client, message: string): void {
  const report: Report = { severity: 'FATAL', code: '08P01', message };
  if (session !== undefined) {
    session.fail(report, message);
    return;
  }
  farewell(stream, errorResponse(report));
}

export function reload({ proxy }: Context): Answer {
  if (!proxy.reload()) throw new CommandError('RELOAD failed, see logs for additional details');
  return { tag: 'RELOAD' };
}
