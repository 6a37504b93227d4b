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

/** The answer, or a rejection as soon as nobody waits for it: a client may keep what it has sent through an outage, and for long. */
export async function whileAwaited<R>(answer: Promise<R>, signal: AbortSignal | undefined): Promise<R> {
  if (signal === undefined) return answer;
  let stop: (() => void) | undefined = undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener('abort', stop!);
  }
}

/** What nobody waits for any more may come for so long, before its connection is taken for one that is open at this end only. */
const LATE_MS = 2_000;

/** The answer, by a connection that is given up when that is too late. */
export async function unlessLost<R>(answer: Promise<R>, signal: AbortSignal | undefined, giveUp: () => void): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer = setTimeout(giveUp, LATE_MS);
    timer.unref();
  };
  signal?.addEventListener('abort', begin);
  try {
    return await answer;
  } finally {
    signal?.removeEventListener('abort', begin);
    clearTimeout(timer);
  }
}
