// The console of a worker speaks for all of them: what is shown is the sum, what is done is done by all, and answered when all have.

import { showStats, showStatsAverages, showStatsTotals, showTotals } from '../admin/commands/show-stats.ts';
import { CommandError, type Answer } from '../admin/table.ts';
import type { Proxy } from '../proxy.ts';
import type { ServerPool } from '../server/pool.ts';
import type { Statistics } from '../stats/statistics.ts';
import type { Result } from './messages.ts';
import { statisticsOf } from './records.ts';
import { sumTables, withCounts } from './sums.ts';
import type { Team } from './team.ts';

/** What each worker has its own part of. Everything else is the same in all. */
const PARTS: ReadonlySet<string> = new Set([
  'active_sockets', 'clients', 'databases', 'lists', 'mem', 'pools', 'servers', 'sockets', 'users',
]);
const COUNTED: ReadonlyMap<string, (of: Pick<Proxy, 'statistics'>) => Answer> = new Map([
  ['stats', showStats], ['stats_averages', showStatsAverages], ['stats_totals', showStatsTotals], ['totals', showTotals],
]);

/** Undefined: this worker knows by itself. */
export function showOfAll(team: Team, what: string): Promise<Answer> | undefined {
  const counted = COUNTED.get(what);
  if (counted !== undefined) return statisticsOfAll(team).then((statistics) => counted({ statistics }));
  if (what === 'lists') return showListsOfAll(team);
  return PARTS.has(what) ? showParts(team, what) : undefined;
}

export async function statisticsOfAll(team: Team): Promise<Statistics> {
  return statisticsOf(valuesOf(await team.ask({ kind: 'records' })), performance.now());
}

async function showParts(team: Team, what: string): Promise<Answer> {
  return sumTables(what, valuesOf(await team.ask({ kind: 'show', what })));
}

async function showListsOfAll(team: Team): Promise<Answer> {
  const [lists, ...counted] = await Promise.all(['lists', 'databases', 'pools'].map((what) => showParts(team, what)));
  const [databases, pools] = counted.map(({ table }) => table!.rows.length);
  return withCounts(lists!, new Map([['databases', databases!], ['pools', pools!]]));
}

/** Resolves with undefined for a command that there is not. */
export async function doByAll(team: Team, name: string, argument: string | undefined, signal: AbortSignal): Promise<Answer | undefined> {
  const results = await team.ask({ kind: 'command', name, argument }, { signal });
  // A client is one of one worker; the others do not know it.
  return name === 'kill_client' ? anyOf(results) : valuesOf(results)[0];
}

export async function setByAll(team: Team, key: string, value: string): Promise<Answer> {
  return valuesOf(await team.ask({ kind: 'set', key, value }))[0]!;
}

/** The last who leaves the console ends a suspension, in whichever worker that is. */
export async function resumeIfDeserted(team: Team): Promise<boolean> {
  const visitors = valuesOf(await team.ask({ kind: 'visitors' })).reduce((sum, count) => sum + count, 0);
  if (visitors > 0) return false;
  await team.ask({ kind: 'command', name: 'resume', argument: undefined });
  return true;
}

/** What the others tell clients of a pool, if one of them knows. */
export async function welcomeOf(team: Team, { database, credentials }: ServerPool): Promise<ReadonlyMap<string, string> | undefined> {
  const results = await team.ask({ kind: 'welcome', database: database.name, user: credentials.user }, { others: true });
  return valuesOf(results).find((welcome) => welcome !== undefined);
}

function anyOf<Value>(results: readonly Result<Value>[]): Value | undefined {
  const done = results.find((result) => result.ok);
  return done === undefined ? valuesOf(results)[0] : done.value;
}

/** What one of them could not do has not been done. */
function valuesOf<Value>(results: readonly Result<Value>[]): Value[] {
  return results.map((result) => {
    if (!result.ok) throw new CommandError(result.message, result.code);
    return result.value;
  });
}
