// Words a refusal for the person on call: who waited how long, where the resources are, why the last create failed, and what to do about
// it.

import type { Refusal } from '../engine/ports.ts';
import {
  AcquireTimeoutError, CreateError, OverloadedError, PoolClosedError, PoolPausedError, PoolUnavailableError, QueueFullError, withoutStack,
  type AcquireError,
} from '../errors.ts';
import type { Moment } from './moment.ts';

export interface Circumstances {
  readonly moment: Moment;
  readonly waitedMs: number;
  readonly label: string | undefined;
  /** The caller's lane and how many leases it holds, where there are several lanes. */
  readonly lane: { readonly name: string; readonly held: number } | undefined;
}

type Told = Exclude<Refusal, { kind: 'aborted' }>;

/** The error for a refusal other than an abort, whose reason is passed on untouched. */
export function refusalError(refusal: Told, about: Circumstances): AcquireError {
  return withoutStack(() => make(refusal, about));
}

function make(refusal: Told, about: Circumstances): AcquireError {
  const { waitedMs, moment } = about;
  const { stats, budget, lastCreateError } = moment;
  const message = messageFor(refusal, about);
  const init = { pool: stats.name, stats, waitedMs, budget, retryable: true } as const;
  const known = lastCreateError === undefined ? init : { ...init, cause: lastCreateError };
  switch (refusal.kind) {
    case 'timeout':
      return new AcquireTimeoutError(message, { ...known, code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
    case 'queueFull':
      return new QueueFullError(message, { ...init, code: 'ERR_POOL_QUEUE_FULL' });
    case 'overloaded':
      return new OverloadedError(message, { ...init, code: 'ERR_POOL_OVERLOADED', retryAfterMs: refusal.retryAfterMs });
    case 'paused':
      return new PoolPausedError(message, { ...init, code: 'ERR_POOL_PAUSED' });
    case 'unavailable':
      return new PoolUnavailableError(message, { ...known, code: 'ERR_POOL_UNAVAILABLE' });
    case 'closed':
      return new PoolClosedError(message, { ...init, code: 'ERR_POOL_CLOSED', retryable: false });
    case 'createFailed': {
      const code = refusal.timedOut ? 'ERR_POOL_CREATE_TIMEOUT' : 'ERR_POOL_CREATE_FAILED';
      return new CreateError(message, { ...init, code, retryable: !refusal.permanent, cause: refusal.cause });
    }
  }
}

function messageFor(refusal: Told, about: Circumstances): string {
  const { moment, label, lane } = about;
  const { kind } = refusal;
  const waited = ms(about.waitedMs);
  if (label !== undefined || lane !== undefined || kind === 'overloaded') return wordsFor(refusal, about, waited);
  if (moment.saidTo?.kind !== kind || moment.saidTo.waited !== waited) {
    moment.said = wordsFor(refusal, about, waited);
    moment.saidTo = { kind, waited };
  }
  return moment.said;
}

function wordsFor(refusal: Told, about: Circumstances, waited: string): string {
  const { moment, label } = about;
  const { stats, lastCreateError } = moment;
  const who = `Pool "${stats.name}": acquire${label === undefined ? '' : ` "${label}"`}`;
  const failure = lastCreateError === undefined ? '' : ` The last create failed: ${reason(lastCreateError)}.`;
  switch (refusal.kind) {
    case 'timeout':
      return `${who} timed out after ${waited}. ${numbers(moment)}${failure} ${remedy(about)}`;
    case 'queueFull':
      return `${who} refused: maxWaiting allows no more to wait. ${numbers(moment)} ${remedy(about)}`;
    case 'overloaded':
      return `${who} refused: it would have waited about ${ms(refusal.retryAfterMs)}. ${numbers(moment)} `
        + 'Come back after that time, or send less.';
    case 'paused':
      return `${who} refused: the pool is paused. resume() ends it.`;
    case 'unavailable':
      return `${who} refused: nothing is alive and creating keeps failing.${failure} `
        + 'The pool probes by itself and recovers when a probe succeeds.';
    case 'closed':
      return `${who} refused: the pool is ${stats.state}.`;
    case 'createFailed': {
      const why = reason(refusal.cause);
      if (refusal.timedOut) return `${who} failed: ${why}. ${numbers(moment)} Is the server reachable, and does it answer?`;
      const advice = refusal.permanent ? ' Trying again will not help: check the credentials and the address.' : '';
      return `${who} failed, because a resource could not be created: ${why}.${advice}`;
    }
  }
}

function numbers({ stats, limit, budget }: Moment): string {
  const parts = [`${stats.borrowed} of ${limit} borrowed`, `${stats.idle} idle`, `${stats.creating} creating`];
  if (stats.validating > 0) parts.push(`${stats.validating} validating`);
  if (stats.resetting > 0) parts.push(`${stats.resetting} resetting`);
  parts.push(`${stats.destroying} destroying`, `${stats.waiting} waiting`);
  return `${parts.join(', ')}.${budget === undefined ? '' : ` ${budget.message}`}`;
}

function remedy(about: Circumstances): string {
  const { moment, waitedMs, lane } = about;
  return lane === undefined && waitedMs > 0 ? moment.remedy ??= adviceFor(about) : adviceFor(about);
}

function adviceFor({ moment, waitedMs, lane }: Circumstances): string {
  const { stats, limit, lastCreateError } = moment;
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
  const names = moment.holders().map(({ label, heldMs, id }) => `#${id}${label === undefined ? '' : ` "${label}"`} for ${ms(heldMs)}`);
  const held = names.length === 0 ? '' : `Held longest: ${names.join(', ')}. `;
  if (limit < stats.max) return `${held}The budget grants ${limit} of max ${stats.max}: others hold the rest, or it is too small.`;
  return `${held}Look for leases that are held too long (leakThresholdMs names them), send less at once, or raise max.`;
}

/** The message of an error, without what looks like a secret in it. */
export function reason(error: unknown): string {
  try {
    // Errors of several attempts, as connecting to several addresses gives, have an empty message of their own.
    const text = !(error instanceof Error) ? String(error) : error instanceof AggregateError && error.message === ''
      ? error.errors.map((each) => reason(each)).join('; ') : error.message || error.name;
    return redact(text).replace(/\.$/, '');
  } catch {
    // Thrown by somebody's hook, and may be what has no words.
    return 'unknown error';
  }
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
