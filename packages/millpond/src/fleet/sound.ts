// Whether an answer is one. Coordinators are written by others too, and what a member makes of an answer it says to all others.

import type { Reply } from './protocol.ts';

const COUNTS = ['permit', 'reserved', 'unmet', 'members'] as const;

/** The reply. Throws a TypeError for what is none. */
export function sound(reply: Reply): Reply {
  if (isSound(reply)) return reply;
  throw new TypeError(`the coordinator answered what is no reply: ${(JSON.stringify(reply) ?? String(reply)).slice(0, 200)}`);
}

function isSound(reply: Reply | null | undefined): boolean {
  switch (reply?.kind) {
    case 'overtaken': return true;
    case 'refused': return typeof reply.terms === 'object' && reply.terms !== null;
    case 'granted': return COUNTS.every((key) => Number.isSafeInteger(reply[key]) && reply[key] >= 0) && Number.isFinite(reply.now);
    default: return false;
  }
}
