// Database servers refuse to run as root, or should not. Where we are root (containers, CI), their programs run under a user without
// privileges that every system has; elsewhere they run as ourselves.
import { readFileSync } from 'node:fs';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** In this order: the user made for those who own nothing, then PostgreSQL's own, then the oldest of the system's. */
const CANDIDATES = ['nobody', 'postgres', 'daemon'];

/** Who the server's programs are to run as; undefined: as ourselves. Throws if we are root and no other user is known. */
export function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  // The user must be in this file and not only be a number: initdb looks its name up.
  const users = new Map<string, User>();
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name = '', , uid, gid] = line.split(':');
    if (Number(uid) > 0) users.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  for (const name of CANDIDATES) {
    const user = users.get(name);
    if (user !== undefined) return user;
  }
  throw new Error(`Databases do not run as root, and /etc/passwd has none of the users to run it as instead: ${CANDIDATES.join(', ')}.`);
}
