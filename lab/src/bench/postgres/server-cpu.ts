// The CPU time of a server and its processes, to the nanosecond where the kernel says so. The usual figures come in hundredths of a second
// for each process, and a stretch of load is a quarter of a second over ten of them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parseStat, readCpu } from '../../demo/meters/cpu.ts';

/** Milliseconds since the server started, its processes that have ended included; undefined where it cannot be found out. */
export function serverCpuMs(postmasterPid: number | undefined): number | undefined {
  if (postmasterPid === undefined) return undefined;
  if (!existsSync('/proc/self/schedstat')) return readCpu(postmasterPid).serverMs; // another system, or a kernel without it
  try {
    const children = readFileSync(`/proc/${postmasterPid}/task/${postmasterPid}/children`, 'latin1').trim();
    const { reapedMs } = parseStat(readFileSync(`/proc/${postmasterPid}/stat`, 'latin1'));
    const family = children === '' ? [] : children.split(' ').map(Number);
    return [postmasterPid, ...family].reduce((sum, pid) => sum + runMs(pid), reapedMs);
  } catch {
    return readCpu(postmasterPid).serverMs;
  }
}

/** All of its threads: PostgreSQL's processes have one each, other servers many. What has just ended counts as nothing. */
function runMs(pid: number): number {
  return ifThere([], () => readdirSync(`/proc/${pid}/task`)).reduce((sum, thread) => sum + threadMs(pid, thread), 0);
}

function threadMs(pid: number, thread: string): number {
  return ifThere(0, () => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0]) / 1e6);
}

function ifThere<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return otherwise;
    throw error;
  }
}
