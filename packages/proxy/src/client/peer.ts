// Who is at the other end of a Unix socket. Node cannot ask the system for that, but where nobody else can get at the socket, there is
// nothing to ask: whoever connects is the user that this process runs as, or root, who may be anybody anyway.
//
// Nobody else gets at it when the socket itself is for its owner alone, or when a folder on the way to it is. Access lists are covered:
// where a file has one, the bits of the group are the most that it gives to anybody besides the owner.

import { realpathSync, statSync, type Stats } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';

export interface Peer {
  readonly uid: number;
  /** As the system calls this user; empty if it has no name. */
  readonly name: string;
}

const SOCKET_OF_OTHERS = 0o022;
const PASSAGE_OF_OTHERS = 0o011;

/** The only user besides root who can connect to the socket at this path, which is ours; undefined if others can, too. */
export function onlyPeer(path: string): Peer | undefined {
  const uid = process.getuid?.();
  if (uid === undefined) return undefined;
  const closed = ({ uid: owner, mode }: Stats, others: number): boolean => (owner === uid || owner === 0) && (mode & others) === 0;
  try {
    const real = realpathSync(path);
    // To connect is to write. Systems that do not look at a socket's own mode have gone out of use.
    if (closed(statSync(real), SOCKET_OF_OTHERS)) return { uid, name: nameOf() };
    for (let folder = dirname(real); ; folder = dirname(folder)) {
      if (closed(statSync(folder), PASSAGE_OF_OTHERS)) return { uid, name: nameOf() };
      if (folder === dirname(folder)) return undefined;
    }
  } catch {
    // What cannot be looked at is not known to be closed.
    return undefined;
  }
}

function nameOf(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}
