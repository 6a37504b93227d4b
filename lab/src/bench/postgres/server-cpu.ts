// The CPU time of a server and its processes, to the nanosecond where the kernel says so. The usual figures come in hundredths of a second
// for each process, and a stretch of load is a quarter of a second over ten of them.
import { readFileSync } from 'node:fs';
import { parseStat, readCpu } from '../../demo/meters/cpu.ts';

/** Milliseconds since the server started, its processes that have ended included; undefined where it cannot be found out. */
export function serverCpuMs(postmasterPid: number | undefined): number | undefined {
  if (postmasterPid === undefined) return undefined;
  try {
    const children = readFileSync(`/proc/${postmasterPid}/task/${postmasterPid}/children`, 'latin1').trim();
    const { reapedMs } = parseStat(readFileSync(`/proc/${postmasterPid}/stat`, 'latin1'));
    const family = children === '' ? [] : children.split(' ').map(Number);
    return [postmasterPid, ...family].reduce((sum, pid) => sum + runMs(pid), reapedMs);
  } catch {
    return readCpu(postmasterPid).serverMs; // another system, or a kernel without these files
  }
}

/** PostgreSQL's processes have one thread each. */
function runMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ', 1)[0]) / 1e6;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH' || !isThere(pid)) return 0; // it has just ended: its parent's line has its time
    throw error;
  }
}

function isThere(pid: number): boolean {
  try {
    readFileSync(`/proc/${pid}/stat`);
    return true;
  } catch {
    return false;
  }
}
