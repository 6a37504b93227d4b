// Signals for a whole family of processes. PostgreSQL gives each backend a session of its own, so a signal to the process group of
// the server reaches only the postmaster: a "killed" server would go on answering on the connections it already has, and a "stopped"
// one would go on running queries. Here a signal goes to the parent first (it can then start no more children) and to all below it.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/** Sends `signal` to `pid` and to everything it started, parents before children. Those already gone are passed over. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  const family = tree(pid);
  for (const member of family) send(member, signal);
  // A backend that was being forked while the table was read: its parent is signalled now, so one more look finds all.
  for (const member of tree(pid)) if (!family.includes(member)) send(member, signal);
}

/** True while the process exists (a zombie, dead but not yet waited for, does not count). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

/** `pid` and its descendants, parents before children. */
export function tree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const [child, parent] of processTable()) {
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [child]);
    else siblings.push(child);
  }
  const family = [pid];
  for (let i = 0; i < family.length; i++) family.push(...(children.get(family[i] ?? 0) ?? []));
  return family;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Pairs of process id and parent id: from /proc where there is one, from `ps` elsewhere. */
function processTable(): [pid: number, parent: number][] {
  if (process.platform !== 'linux') return processTableFromPs();
  const table: [number, number][] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const fields = statFields(pid);
    if (fields !== undefined) table.push([pid, Number(fields[1])]);
  }
  return table;
}

function processTableFromPs(): [number, number][] {
  const text = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  return text.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}

function isZombie(pid: number): boolean {
  return process.platform === 'linux' && statFields(pid)?.[0] === 'Z';
}

/** State, parent, ... of a process: what follows its name, which may itself hold spaces and parentheses. Undefined: it is gone. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // it ended between the listing and the reading
  }
}
