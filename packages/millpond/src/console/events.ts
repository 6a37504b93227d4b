// What has happened to the pools, in words, for the console's list. Kept are the last few hundred, and of those at most so many a second:
// when ten thousand connections break at once, the list says how many it has left out instead of standing in their way.

import { PoolError } from '../errors.ts';
import type { Pool } from '../pool.ts';
import type { PoolStats } from '../stats.ts';
import { Ring } from './ring.ts';

export type EventKind = 'create' | 'createError' | 'destroy' | 'refused' | 'leak' | 'unleak' | 'staleRelease' | 'state' | 'action';

export interface ConsoleEvent {
  /** Counts up; none is used twice. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** As {@link PoolView.id}. */
  readonly pool: string;
  readonly kind: EventKind;
  /** The code of an error, the reason of a destroy, the name of a state. */
  readonly what: string;
  /** A sentence. */
  readonly text: string;
  /** What could be done about it, where the pool knows. */
  readonly stack?: string;
}

const KEPT = 300;
/** Per second, of all pools together. */
const MOST_PER_SECOND = 40;
const LONGEST_TEXT = 600;

const REASONS: Readonly<Record<keyof PoolStats['totals']['destroyed'], string>> = {
  idleTimeout: 'was idle for longer than idleTimeoutMs', maxLifetime: 'was older than maxLifetimeMs',
    maxUses: 'had been used maxUses times',
  invalid: 'did not pass its validation', stale: 'was as old as one that did not pass', broken: 'was broken',
  resetFailed: 'could not be reset after its use', evicted: 'was evicted by request', leaseDestroyed: 'was ended by its borrower',
  reclaimed: 'was taken back from a borrower who kept it', late: 'came too late', overSize: 'was one too many',
  recalled: 'was recalled by the budget', poolClosed: 'went with its pool',
};

export class EventLog {
  readonly #ring = new Ring<ConsoleEvent>(KEPT);
  #nextId = 1;
  #second = 0;
  #inSecond = 0;
  /** How many were not kept since the beginning. */
  leftOut = 0;

  /** The oldest first; only those after the one with this id. */
  since(id: number): ConsoleEvent[] {
    return this.#ring.toArray().filter((event) => event.id > id);
  }

  add(pool: string, kind: EventKind, what: string, text: string, stack?: string): void {
    const at = wallTime();
    const second = Math.floor(at / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
    }
    if (++this.#inSecond > MOST_PER_SECOND && kind !== 'action') {
      this.leftOut++;
      return;
    }
    const short = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
    this.#ring.add({ id: this.#nextId++, at, pool, kind, what, text: short, ...(stack === undefined ? {} : { stack }) });
  }

  /** Of another thread, which has left out what was too much. */
  adopt(event: ConsoleEvent): void {
    this.#ring.add({ ...event, id: this.#nextId++ });
  }

  /** Listens to what is rare in a pool. Returns how to stop. */
  listen(pool: Pool<unknown>, id: string): () => void {
    const full = (): boolean => {
      // Saves making words for what would be left out.
      if (Math.floor(wallTime() / 1000) !== this.#second || this.#inSecond < MOST_PER_SECOND) return false;
      this.#inSecond++;
      this.leftOut++;
      return true;
    };
    const deaf = [
      pool.on('create', ({ info, durationMs }) => full() || this.add(id, 'create', 'created',
        `#${info.id} was created in ${ms(durationMs)}`)),
      pool.on('createError', ({ error, attempt, retryInMs }) => {
        const next = retryInMs === undefined ? '' : `; next attempt in ${ms(retryInMs)}`;
        if (!full()) this.add(id, 'createError', codeOf(error), `create failed (attempt ${attempt}): ${wordsOf(error)}${next}`);
      }),
      pool.on('destroy', ({ info, reason, error }) => {
        const why = error === undefined ? '' : `: ${wordsOf(error)}`;
        if (!full()) this.add(id, 'destroy', reason, `#${info.id} ${REASONS[reason]}, after ${info.uses} uses${why}`);
      }),
      pool.on('acquireError', ({ error, waitMs }) => {
        if (!full()) this.add(id, 'refused', codeOf(error), `after ${ms(waitMs)}: ${wordsOf(error)}`);
      }),
      pool.on('leak', ({ label, heldMs, stack }) => {
        if (!full()) this.add(id, 'leak', label ?? '', `${named(label)} has been held for ${ms(heldMs)}`, stack);
      }),
      pool.on('unleak', ({ label, heldMs }) => {
        if (!full()) this.add(id, 'unleak', label ?? '', `${named(label)} came back after ${ms(heldMs)}`);
      }),
      pool.on('staleRelease', ({ label }) => {
        if (!full()) this.add(id, 'staleRelease', label ?? '', `${named(label)} was ended a second time`);
      }),
      pool.on('state', ({ from, to }) => this.add(id, 'state', to, `from ${from} to ${to}`)),
    ];
    return () => {
      for (const stop of deaf) stop();
    };
  }
}

/** Of the wall, as people read it; from a clock that does not jump. */
export function wallTime(): number {
  return performance.timeOrigin + performance.now();
}

function ms(time: number): string {
  return time < 1_000 ? `${Math.round(time)} ms` : `${(time / 1_000).toFixed(1)} s`;
}

function named(label: string | undefined): string {
  return label === undefined ? 'a lease' : `the lease "${label}"`;
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'aborted';
}

/** The pool's own errors say what to do, so they are told whole; of others the first line, without what may be secret in it. */
function wordsOf(error: unknown): string {
  if (PoolError.is(error)) return error.message;
  let text: string;
  try {
    text = String(error instanceof Error ? error.message : error);
  } catch {
    // Thrown by somebody's hook, and may be what has no words.
    text = 'unknown error';
  }
  return masked(text.split('\n')[0]!);
}

const PASSWORD = /(:\/\/[^\s:@/]*):\S*@/g;
const NAMED = new RegExp([
  /\b(password|passwd|pwd|secret|token|api[_-]?key|authorization)(["']?\s*[=:]\s*)/,
  /("[^"]*"|'[^']*'|(?:(?:basic|bearer) )?[^\s"',;&]+)/,
].map(({ source }) => source).join(''), 'gi');

/** Passwords in addresses, and values that are named like secrets. */
export function masked(text: string): string {
  return text.replace(PASSWORD, '$1:***@').replace(NAMED, '$1$2***');
}
