// What the run showed, in words. Every sentence is chosen by the figures; none says more than they do.
import { count, duration, percent, plural, times } from '../drawing/format.ts';
import type { Row } from './load/measure.ts';
import { FULL, recovery, type Outage } from './outage/timeline.ts';
import { bestPool, NOISE, poolRows, type Results, type Setting } from './results.ts';

/** Three sentences: without and with a pool, the size of the pool, the outage. */
export function closing({ rows, outage }: Results): string[] {
  return [against(rows), sizes(rows), healed(outage)];
}

function against(rows: readonly Row[]): string {
  const each = rows.find((row) => row.kind === 'each');
  const best = bestPool(rows);
  if (!each || !best) return 'The run was too short to compare.';
  const errors = best.errors === 0 ? 'no error' : plural(best.errors, 'error');
  const pool = `A pool of ${best.connections} connections answered ${count(best.perSecond)} requests a second with ${errors}`;
  const share = each.errors / Math.max(1, each.ok + each.errors);
  const failed = each.errors === 0 ? '' : `, and ${percent(share)} of its requests failed`;
  const better = each.perSecond > 0 && best.perSecond > each.perSecond;
  const ratio = better ? ` (the pool gave ${times(best.perSecond / each.perSecond)} as much)` : '';
  const limited = rows.find((row) => row.kind === 'eachLimited');
  const kinder = limited ? `; held to ${limited.connections} at a time it answered ${count(limited.perSecond)}` : '';
  return `${pool}; a connection per request answered ${each.ok === 0 ? 'none' : count(each.perSecond)}${ratio}${failed}${kinder}.`;
}

function sizes(rows: readonly Row[]): string {
  const pools = poolRows(rows);
  const best = bestPool(rows);
  const largest = pools.at(-1);
  const smallest = pools[0];
  if (!best || !largest || !smallest || pools.length < 2) return 'There was only one size of pool to see.';
  const first = `Of the sizes tried, ${best.connections} was the smallest within ${percent(NOISE)} of the best throughput`;
  if (best === largest) {
    return `${first}, and it was the largest one: on this machine and with this query more connections were still worth their while.`;
  }
  const change = largest.perSecond / best.perSecond - 1;
  const effect = Math.abs(change) < NOISE
    ? `${largest.connections} connections gave about as much`
    : `${largest.connections} connections gave ${percent(Math.abs(change))} ${change < 0 ? 'less' : 'more'}`;
  if (!best.split || !largest.split) return `${first}; ${effect}.`;
  const slower = largest.split.useMs / best.split.useMs;
  const cost = slower > 1 + NOISE
    ? `while each query took ${duration(largest.split.useMs)} instead of ${duration(best.split.useMs)}: ` +
      'the wait had only moved from the pool into the database'
    : `with queries of ${duration(largest.split.useMs)}, as before`;
  return `${first}; ${effect}, ${cost}.`;
}

function healed(outage: Outage): string {
  const { firstAnswerMs, fullSpeedMs, outageMs } = recovery(outage);
  const hurt = outage.errors === 0 ? 'no request failed' : `${plural(outage.errors, 'request')} failed`;
  const begin = `The database was killed under ${plural(outage.users, 'user')}`;
  if (firstAnswerMs === undefined || outageMs === undefined) return `${begin}, and no answer came back before the run ended.`;
  const back = `${duration(outageMs)} later the first answer came (${duration(Math.max(0, firstAnswerMs))} after the server was up)`;
  const level = `${percent(FULL)} of the rate before`;
  const speed = fullSpeedMs === undefined
    ? `${level} was not reached until the end of the run`
    : `${level} ${duration(fullSpeedMs)} after it was up`;
  const calm = `never more than ${plural(outage.attempts.peak, 'connection attempt')} at once`;
  const crash = outage.uncaught === 0 ? 'nothing crashed' : `${plural(outage.uncaught, 'error')} nobody caught`;
  return `${begin}: ${hurt}, ${back}, ${speed}, ${calm}, ${crash}.`;
}

/** How it was measured and what stands for what: without this the figures mean nothing. */
export function notes({ setting, rows, outage }: Results): string[] {
  const kinds = errorNotes(rows);
  const disk = setting.ioMs > 0 ? `, and ${duration(setting.ioMs)} of pg_sleep that stands for a read from disk` : '';
  return [
    `${plural(setting.users, 'user')} in closed loops: each asks, waits for the answer, and asks again; after an error each pauses for ` +
      `about ${duration(setting.pauseAfterErrorMs)}. So p50 is close to users ÷ answers per second, however large the pool is.`,
    'Every strategy sends the same statement through the same driver (node-postgres, not prepared, TCP on the loopback, SCRAM): ' +
      `a customer and the latest ten orders by key${disk}.`,
    `The users, the driver and the pool share one thread of Node, and with the server they share ${plural(setting.cores, 'core')}. ` +
      limits(rows, setting),
    `Each figure is of ${duration(setting.measureMs)} after a warm-up (half as long again with a connection per request): good for ` +
      'the shape of things, not for the last ten per cent. "opened" ' +
      'counts all of a strategy\'s time; refused connections are not in it. The server runs without fsync, which reading does not need.',
    `The server takes ${setting.maxConnections} connections (max_connections).${kinds}`,
    `In act two the pool has ${outage.size} connections, maxCreating ${outage.maxCreating}, and retries at most ` +
      'every 500 ms; everything else is at its default. Attempts are counted at the sockets.',
    `${setting.platform}, ${setting.cpuModel}, ${plural(setting.cores, 'core')}, Node ${setting.node}, PostgreSQL ${setting.postgres}, ` +
      `${setting.date}.`,
  ];
}

function errorNotes(rows: readonly Row[]): string {
  const each = rows.find((row) => row.kind === 'each' && row.errors > 0);
  const top = each?.errorKinds[0];
  if (!each || !top) return '';
  return ` With a connection per request the most frequent error, ${count(top[1])} times: "${top[0]}".`;
}

/** Whose work was the limit where throughput was highest. */
function limits(rows: readonly Row[], setting: Setting): string {
  const best = bestPool(rows);
  if (!best) return '';
  const client = best.cpu.clientMs / best.cpu.wallMs;
  const server = best.cpu.serverMs === undefined ? undefined : best.cpu.serverMs / best.cpu.wallMs;
  const also = server === undefined ? '' : ` and the server ${server.toFixed(2)}`;
  const at = `At the best size the client used ${client.toFixed(2)} cores${also}`;
  if (client > 0.9) return `${at}: the client's one thread was the limit.`;
  const full = server !== undefined && client + server > setting.cores * 0.85;
  if (full) return `${at}: the machine was busy, and the client's work slows the server down.`;
  return `${at}.`;
}
