// Whether what comes from outside is what it should be. Coordinators are written by others too, and what a member makes of an answer it
// says to all others; on a message bus anybody may speak, and what is no number in one seat is in every sum.

import type { Heartbeat, Reply } from './protocol.ts';

const COUNTS = ['permit', 'reserved', 'unmet', 'members'] as const;

/** The reply. Throws a TypeError for what is none. */
export function sound(reply: Reply): Reply {
  if (isSound(reply)) return reply;
  throw new TypeError(`the coordinator answered what is no reply: ${JSON.stringify({ reply }).slice(0, 200)}`);
}

function isSound(reply: Reply | null | undefined): boolean {
  switch (reply?.kind) {
    case 'overtaken': return true;
    case 'refused': return typeof reply.terms === 'object' && reply.terms !== null;
    case 'granted': return areCounts(reply, COUNTS) && Number.isFinite(reply.now);
    default: return false;
  }
}

const AMOUNTS = ['seq', 'held', 'has', 'base', 'demand', 'weight', 'lends', 'shortMs'] as const;
const TERMS = ['limit', 'guard', 'floor', 'members', 'leaseMs', 'graceMs', 'deadManMs'] as const;

export function isHeartbeat(value: unknown): value is Heartbeat {
  const { member, terms, lendsUntil, weight, ...rest } = (value ?? {}) as Partial<Heartbeat>;
  return typeof member === 'string' && Number.isSafeInteger(lendsUntil) && weight !== 0
    && areCounts({ ...rest, weight }, AMOUNTS) && areCounts(terms ?? {}, TERMS);
}

function areCounts<K extends string>(from: Partial<Record<K, unknown>>, keys: readonly K[]): boolean {
  return keys.every((key) => Number.isSafeInteger(from[key]) && from[key] as number >= 0);
}
