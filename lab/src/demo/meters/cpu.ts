// CPU time of both sides. Ours is what the runtime says. The server is a family of processes: what its living members used, and what its
// dead ones used, which their parent inherits when it reaps them (the fields `cutime` and `cstime` of Linux). Elsewhere `ps` knows
// the living only, so that a server whose processes die in the meantime (a connection per request!) used more than we can see.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface CpuReading {
  readonly atMs: number;
  readonly clientMs: number;
  readonly serverMs: number | undefined;
  /** The server's figure lacks those of its processes that have ended. */
  readonly livingOnly: boolean;
}

export interface CpuUse {
  readonly wallMs: number;
  readonly clientMs: number;
  readonly serverMs: number | undefined;
  readonly livingOnly: boolean;
}

/** Linux counts in ticks of a hundredth of a second on every architecture that Node runs on. */
const TICK_MS = 10;

export function readCpu(postmasterPid: number | undefined): CpuReading {
  const own = process.cpuUsage();
  const server = postmasterPid === undefined ? undefined : readFamily(postmasterPid);
  return {
    atMs: performance.now(),
    clientMs: (own.user + own.system) / 1000,
    serverMs: server,
    livingOnly: process.platform !== 'linux',
  };
}

export function cpuBetween(from: CpuReading, to: CpuReading): CpuUse {
  const server = from.serverMs === undefined || to.serverMs === undefined ? undefined : Math.max(0, to.serverMs - from.serverMs);
  return { wallMs: to.atMs - from.atMs, clientMs: to.clientMs - from.clientMs, serverMs: server, livingOnly: to.livingOnly };
}

function readFamily(parent: number): number | undefined {
  if (process.platform === 'linux') return linuxFamily(parent);
  return process.platform === 'win32' ? undefined : psFamily(parent);
}

function linuxFamily(parent: number): number | undefined {
  const own = readStat(parent);
  if (!own) return undefined;
  let totalMs = own.ownMs + own.reapedMs;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat?.parent === parent) totalMs += stat.ownMs + stat.reapedMs;
  }
  return totalMs;
}

function readStat(pid: number): ProcessTimes | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined; // it has just ended: its parent's line carries its time
  }
}

export interface ProcessTimes {
  readonly parent: number;
  readonly ownMs: number;
  readonly reapedMs: number;
}

/** One line of /proc/<pid>/stat. The name stands in brackets and may hold anything, brackets too: the last one ends it. */
export function parseStat(line: string): ProcessTimes {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const ticks = (index: number): number => Number(fields[index]) * TICK_MS;
  return { parent: Number(fields[1]), ownMs: ticks(11) + ticks(12), reapedMs: ticks(13) + ticks(14) };
}

function psFamily(parent: number): number | undefined {
  try {
    const output = execFileSync('ps', ['-axo', 'pid=,ppid=,time='], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return familyFromPs(output, parent);
  } catch {
    return undefined; // no `ps` here: the column shows a dash
  }
}

export function familyFromPs(output: string, parent: number): number | undefined {
  let totalMs: number | undefined;
  for (const line of output.split('\n')) {
    const [pid, ppid, time] = line.trim().split(/\s+/);
    if (time === undefined || (Number(pid) !== parent && Number(ppid) !== parent)) continue;
    totalMs = (totalMs ?? 0) + clockToMs(time);
  }
  return totalMs;
}

/** '1-02:03:04', '02:03', '0:01.52' → milliseconds. */
function clockToMs(text: string): number {
  const [days, clock] = text.includes('-') ? text.split('-') as [string, string] : ['0', text];
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1000;
}
