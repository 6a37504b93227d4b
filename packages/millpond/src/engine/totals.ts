// Counters of what has happened. They describe the past and decide nothing: no rule reads them.

import { DESTROY_REASONS, type DestroyReason } from './words.ts';

export interface Totals {
  acquires: number;
  served: number;
  timedOut: number;
  aborted: number;
  rejected: number;
  staleReleases: number;
  created: number;
  createErrors: number;
  destroyTimeouts: number;
  detached: number;
  destroyed: Record<DestroyReason, number>;
  waitMs: number;
  useMs: number;
}

export function newTotals(): Totals {
  return {
    acquires: 0, served: 0, timedOut: 0, aborted: 0, rejected: 0, staleReleases: 0, created: 0, createErrors: 0,
    destroyTimeouts: 0, detached: 0, waitMs: 0, useMs: 0,
    destroyed: Object.fromEntries(DESTROY_REASONS.map((reason) => [reason, 0])) as Record<DestroyReason, number>,
  };
}
