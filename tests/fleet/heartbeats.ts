// Heartbeats by hand. By default nobody is forgotten during a test, however busy the machine is.

import type { FleetTerms, Heartbeat } from 'millpond/fleet';

const TERMS: FleetTerms = { limit: 22, guard: 2, floor: 0, members: 100, lend: false, leaseMs: 60_000, graceMs: 100, deadManMs: 50 };
export const TAIL_MS = 60_150;
/** Short enough to wait for. */
export const BRIEF: { readonly terms: FleetTerms } = { terms: { ...TERMS, leaseMs: 250 } };
export const BRIEF_TAIL_MS = 400;

let seq = 0;

export function says(member: string, words: Partial<Heartbeat> = {}): Heartbeat {
  const { held = 0, base = 0 } = words;
  return {
    member, name: member, seq: ++seq, terms: TERMS, held, has: held, base, demand: base, weight: 1, leaving: false, lends: 0, lendsUntil: 0,
    identity: '', shortMs: 0, ...words,
  };
}
