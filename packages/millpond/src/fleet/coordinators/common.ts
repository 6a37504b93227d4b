// What coordinators have in common.

import type { FleetTerms } from '../protocol.ts';

/** Stands in for an engine's own time and identity. For tests: on a time of their own members would not agree with each other. */
export interface CoordinatorClock {
  /** Whole milliseconds. */
  now(): number;
  identity(): string;
}

/** In the order in which they travel. */
export function flatTerms({ limit, guard, floor, members, leaseMs, graceMs, deadManMs, lend }: FleetTerms): number[] {
  return [limit, guard, floor, members, leaseMs, graceMs, deadManMs, Number(lend)];
}

export function termsFrom(flat: readonly unknown[]): FleetTerms {
  const [limit = 0, guard = 0, floor = 0, members = 0, leaseMs = 0, graceMs = 0, deadManMs = 0, lend = 0] = flat.map(Number);
  return { limit, guard, floor, members, lend: lend === 1, leaseMs, graceMs, deadManMs };
}
