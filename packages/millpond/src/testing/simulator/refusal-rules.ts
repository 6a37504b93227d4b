// Which refusals are right: each kind of error has conditions under which it may be given, and times at which.

import type { World } from './world.ts';

export interface RefusedAsk {
  readonly ask: { readonly askedAt: number; readonly timeoutMs: number; readonly settledAt: number; readonly signal: AbortSignal | undefined };
  readonly error: unknown;
  readonly world: World;
  /** The clock was stalled until then: what was due before comes then. */
  readonly stalledUntil: number;
}

interface Failure {
  readonly code?: string;
  readonly retryable?: boolean;
  readonly waitedMs?: number;
  readonly retryAfterMs?: number;
  readonly stats?: { readonly state: string };
}

/** What is wrong with this refusal, or undefined. */
export function refusalFault(refused: RefusedAsk): string | undefined {
  const { ask, error, world } = refused;
  if (ask.signal?.aborted === true && error === ask.signal.reason) return undefined;
  const failure = error as Failure;
  const { options } = world;
  const atOnce = ask.settledAt === ask.askedAt;
  if (failure.waitedMs !== undefined && failure.waitedMs !== ask.settledAt - ask.askedAt) return `waitedMs is ${failure.waitedMs}`;
  switch (failure.code) {
    case 'ERR_POOL_ACQUIRE_TIMEOUT': return timeoutFault(refused);
    case 'ERR_POOL_QUEUE_FULL':
      return options.maxWaiting !== undefined && atOnce ? undefined : 'the queue was full, later';
    case 'ERR_POOL_OVERLOADED':
      return options.shedding !== undefined && atOnce && failure.retryAfterMs! >= 1 && failure.retryAfterMs! < Infinity ? undefined : 'shed, and not at the door';
    case 'ERR_POOL_PAUSED':
      // A listener that is told of the first of several refusals may resume before the last.
      return failure.stats?.state === 'paused' || world.mischief > 0 ? undefined : `paused, with the state ${failure.stats?.state}`;
    case 'ERR_POOL_UNAVAILABLE':
      return options.breaker !== undefined && /^(?:unavailable|paused)$/.test(failure.stats?.state ?? '') ? undefined : `unavailable, with the state ${failure.stats?.state}`;
    case 'ERR_POOL_CLOSED': return /closed|draining/.test(failure.stats?.state ?? '') ? undefined : `closed, with the state ${failure.stats?.state}`;
    case 'ERR_POOL_CREATE_FAILED': case 'ERR_POOL_CREATE_TIMEOUT':
      return options.createRetry === false || failure.retryable === false ? undefined : 'a create failed that could be tried again';
    default: return `an unexpected error: ${String(error)}`;
  }
}

/** I5: no earlier than the deadline, and no later. */
function timeoutFault({ ask, stalledUntil }: RefusedAsk): string | undefined {
  const deadline = ask.askedAt + ask.timeoutMs;
  if (ask.settledAt < deadline) return `I5: timed out at ${ask.settledAt}, before its deadline ${deadline}`;
  if (ask.settledAt > deadline && ask.settledAt !== stalledUntil) return `I5: timed out at ${ask.settledAt}, after its deadline ${deadline}`;
  return undefined;
}
