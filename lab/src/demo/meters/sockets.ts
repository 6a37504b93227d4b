// Sockets in TIME_WAIT: what a closed TCP connection leaves behind for a minute, and what runs out first where connections are opened
// and closed all the time. Linux lists them; elsewhere there is no figure rather than a guessed one.
import { readFileSync } from 'node:fs';

const TIME_WAIT = '06';

/** Every socket in TIME_WAIT with `port` at one of its ends, by its two addresses; undefined where the kernel does not say. */
export function timeWaitSockets(port: number): ReadonlySet<string> | undefined {
  if (process.platform !== 'linux') return undefined;
  const found = new Set<string>();
  let readable = false;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    try {
      for (const socket of parseTimeWait(readFileSync(table, 'latin1'), port)) found.add(socket);
      readable = true;
    } catch {
      continue; // no such table in this kernel or sandbox
    }
  }
  return readable ? found : undefined;
}

export function parseTimeWait(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const found: string[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local, remote, state] = line.trim().split(/\s+/);
    if (state !== TIME_WAIT || local === undefined || remote === undefined) continue;
    if (local.endsWith(suffix) || remote.endsWith(suffix)) found.push(`${local} ${remote}`);
  }
  return found;
}

/** How many are there now that were not there before; undefined when there is no figure. */
export function newSockets(before: ReadonlySet<string> | undefined, after: ReadonlySet<string> | undefined): number | undefined {
  if (!before || !after) return undefined;
  let fresh = 0;
  for (const socket of after) if (!before.has(socket)) fresh += 1;
  return fresh;
}
