// What a pooler has used: CPU time and memory of its process, its threads and its children, as the kernel counts them.

import { readdirSync, readFileSync } from 'node:fs';
import { tree } from '../../servers/processes.ts';

const TICK_MS = 10;

/** Milliseconds since it started; NaN where the system does not tell. */
export function cpuMsOf(pid: number): number {
  return sum(tree(pid).map((each) => ifThere(() => threadsMs(each) ?? ticksMs(each))));
}

/** Resident, in bytes; NaN where the system does not tell. */
export function memoryOf(pid: number): number {
  return sum(tree(pid).map((each) => ifThere(() => {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${each}/status`, 'latin1'))?.[1];
    return Number(kb) * 1024;
  })));
}

/** To the nanosecond, where the kernel counts so. */
function threadsMs(pid: number): number | undefined {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') continue; // a thread that has just ended
      return undefined; // a kernel without it
    }
  }
  return ns / 1e6;
}

function ticksMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ifThere(read: () => number): number {
  try {
    return read();
  } catch {
    return NaN;
  }
}
