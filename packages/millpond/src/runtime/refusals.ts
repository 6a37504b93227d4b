// Words a refusal for the person on call: who waited how long, where the resources are, why the last create failed, and what to do about
// it.

import type { Refusal } from '../engine/ports.ts';
import {
  AcquireTimeoutError, CreateError, OverloadedError, PoolClosedError, PoolPausedError, PoolUnavailableError, QueueFullError, withoutStack,
  type AcquireError,
} from '../errors.ts';
import type { Holder } from '../lease.ts';
import type { PoolStats } from '../stats.ts';

export interface Circumstances {
  readonly stats: PoolStats;
  readonly waitedMs: number;
  readonly limit: number;
  readonly lastCreateError: unknown;
  /** Leases that are held, oldest first; as many as are worth naming. */
  readonly holders: readonly Holder[];
  readonly label: string | undefined;
  /** The caller's lane and how many leases it holds, where there are several lanes. */
  readonly lane: { readonly name: string; readonly held: number } | undefined;
}

/** The error for a refusal other than an abort, whose reason is passed on untouched. */
export function refusalError(refusal: Exclude<Refusal, { kind: 'aborted' }>, about: Circumstances): AcquireError {
  return withoutStack(() => make(refusal, about));
}

function make(refusal: Exclude<Refusal, { kind: 'aborted' }>, about: Circumstances): AcquireError {
  const { stats, waitedMs, lastCreateError } = about;
  const base = { pool: stats.name, stats, waitedMs } as const;
  const known = lastCreateError === undefined ? {} : { cause: lastCreateError };
  const who = `Pool "${stats.name}": acquire${about.label === undefined ? '' : ` "${about.label}"`}`;
  switch (refusal.kind) {
    case 'timeout':
      return new AcquireTimeoutError(`${who} timed out after ${ms(waitedMs)}. ${numbers(about)}${failure(about)} ${remedy(about)}`,
        { ...base, ...known, code: 'ERR_POOL_ACQUIRE_TIMEOUT', retryable: true });
    case 'queueFull':
      return new QueueFullError(`${who} refused: maxWaiting allows no more to wait. ${numbers(about)} ${remedy(about)}`,
        { ...base, code: 'ERR_POOL_QUEUE_FULL', retryable: true });
    case 'overloaded':
      return new OverloadedError(`${who} refused: it would have waited about ${ms(refusal.retryAfterMs)}. ${numbers(about)} `
        + 'Come back after that time, or send less.',
        { ...base, code: 'ERR_POOL_OVERLOADED', retryable: true, retryAfterMs: refusal.retryAfterMs });
    case 'paused':
      return new PoolPausedError(`${who} refused: the pool is paused. resume() ends it.`,
        { ...base, code: 'ERR_POOL_PAUSED', retryable: true });
    case 'unavailable':
      return new PoolUnavailableError(`${who} refused: nothing is alive and creating keeps failing.${failure(about)} `
        + 'The pool probes by itself and recovers when a probe succeeds.',
        { ...base, ...known, code: 'ERR_POOL_UNAVAILABLE', retryable: true });
    case 'closed':
      return new PoolClosedError(`${who} refused: the pool is ${stats.state}.`, { ...base, code: 'ERR_POOL_CLOSED' });
    case 'createFailed':
      return createError(refusal, `${who} failed`, base, about);
  }
}

function createError(
  refusal: Extract<Refusal, { kind: 'createFailed' }>,
  who: string,
  base: Pick<Circumstances, 'stats' | 'waitedMs'> & { readonly pool: string },
  about: Circumstances,
): CreateError {
  const init = { ...base, retryable: !refusal.permanent, cause: refusal.cause };
  const why = reason(refusal.cause);
  if (refusal.timedOut) {
    const message = `${who}: ${why}. ${numbers(about)} Is the server reachable, and does it answer?`;
    return new CreateError(message, { ...init, code: 'ERR_POOL_CREATE_TIMEOUT' });
  }
  const advice = refusal.permanent ? ' Trying again will not help: check the credentials and the address.' : '';
  return new CreateError(`${who}, because a resource could not be created: ${why}.${advice}`, { ...init, code: 'ERR_POOL_CREATE_FAILED' });
}

function numbers({ stats, limit }: Circumstances): string {
  const parts = [`${stats.borrowed} of ${limit} borrowed`, `${stats.idle} idle`, `${stats.creating} creating`];
  if (stats.validating > 0) parts.push(`${stats.validating} validating`);
  if (stats.resetting > 0) parts.push(`${stats.resetting} resetting`);
  parts.push(`${stats.destroying} destroying`, `${stats.waiting} waiting`);
  return `${parts.join(', ')}.`;
}

function failure({ lastCreateError }: Circumstances): string {
  return lastCreateError === undefined ? '' : ` The last create failed: ${reason(lastCreateError)}.`;
}

function remedy({ stats, waitedMs, limit, lane, lastCreateError, holders }: Circumstances): string {
  if (stats.state === 'paused') return 'The pool is paused: resume() ends it.';
  if (lastCreateError !== undefined && stats.borrowed < limit) {
    return 'Look at why creating fails: address, credentials, the server\'s own limit.';
  }
  if (stats.creating > 0) return 'Creating is slow: look at the server and the network to it.';
  if (stats.destroying > 0 && stats.borrowed + stats.destroying >= limit) {
    return 'Destroying is slow and keeps places taken (strictMax, destroyTimeoutMs).';
  }
  if (lane !== undefined && stats.borrowed < limit) {
    return `Lane "${lane.name}" holds ${lane.held} and may hold no more now: look at its share, its borrowLimit and the headroom.`;
  }
  if (waitedMs === 0 && stats.borrowed < limit) return 'Nothing was idle, and this acquire was not to wait.';
  const names = holders.map(({ label, heldMs, id }) => `#${id}${label === undefined ? '' : ` "${label}"`} for ${ms(heldMs)}`);
  const held = names.length === 0 ? '' : `Held longest: ${names.join(', ')}. `;
  if (limit < stats.max) return `${held}The budget grants ${limit} of max ${stats.max}: others hold the rest, or it is too small.`;
  return `${held}Look for leases that are held too long (leakThresholdMs names them), send less at once, or raise max.`;
}

/** The message of an error, without what looks like a secret in it. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? messageOf(error) : String(error);
  return redact(text).replace(/\.$/, '');
}

/** Errors of several attempts, as connecting to several addresses gives, have an empty message of their own. */
function messageOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map((each) => reason(each)).join('; ');
  return error.message || error.name;
}

const PASSWORD_IN_URL = /(:\/\/[^\s:@/]*):\S*@/g;
const NAMED_SECRET = new RegExp([
  /((?:passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|authorization)["']?\s*[=:]\s*)/,
  /("[^"]*"|'[^']*'|(?:(?:basic|bearer) )?[^\s&;,}]+)/,
].map(({ source }) => source).join(''), 'gi');

/** Takes out what looks like a secret; rather too much than too little. */
export function redact(text: string): string {
  return text.replace(PASSWORD_IN_URL, '$1:***@').replace(NAMED_SECRET, '$1***');
}

function ms(value: number): string {
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}
