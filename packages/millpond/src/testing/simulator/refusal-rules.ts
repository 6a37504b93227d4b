// Which refusals are right: each kind of error has conditions under which it may be given, and times at which.

import type { Ask } from './ledger.ts';
import type { World } from './world.ts';

export interface RefusedAsk {
  readonly ask: Pick<Ask, 'askedAt' | 'timeoutMs' | 'settledAt' | 'signal'>;
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
  const state = failure.stats?.state ?? 'not told';
  const right = (is: boolean, otherwise: string): string | undefined => (is ? undefined : otherwise);
  if (failure.waitedMs !== undefined && failure.waitedMs !== ask.settledAt - ask.askedAt) return `waitedMs is ${failure.waitedMs}`;
  switch (failure.code) {
    case 'ERR_POOL_ACQUIRE_TIMEOUT': return timeoutFault(refused);
    case 'ERR_POOL_QUEUE_FULL': return right(options.maxWaiting !== undefined && atOnce, 'the queue was full, later');
    case 'ERR_POOL_OVERLOADED':
      return right(options.shedding !== undefined && atOnce && isFinitePositive(failure.retryAfterMs), 'shed, and not at the door');
    case 'ERR_POOL_PAUSED':
      // A listener that is told of the first of several refusals may resume before the last.
      return right(state === 'paused' || world.mischief > 0, `paused, with the state ${state}`);
    case 'ERR_POOL_UNAVAILABLE':
      return right(options.breaker !== undefined && /^(?:unavailable|paused)$/.test(state), `unavailable, with the state ${state}`);
    case 'ERR_POOL_CLOSED': return right(state === 'closed' || state === 'draining', `closed, with the state ${state}`);
    case 'ERR_POOL_CREATE_FAILED': case 'ERR_POOL_CREATE_TIMEOUT':
      return right(options.createRetry === false || failure.retryable === false, 'a create failed that could be tried again');
    default: return `an unexpected error: ${String(error)}`;
  }
}

function isFinitePositive(value: number | undefined): boolean {
  return value !== undefined && value >= 1 && value < Infinity;
}

/** I5: no earlier than the deadline, and no later. */
function timeoutFault({ ask, stalledUntil }: RefusedAsk): string | undefined {
  const deadline = ask.askedAt + ask.timeoutMs;
  if (ask.settledAt < deadline) return `I5: timed out at ${ask.settledAt}, before its deadline ${deadline}`;
  const late = ask.settledAt > deadline && ask.settledAt !== stalledUntil;
  return late ? `I5: timed out at ${ask.settledAt}, after its deadline ${deadline}` : undefined;
}
