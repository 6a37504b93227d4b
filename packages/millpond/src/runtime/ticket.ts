// A waiter with a caller behind it.

import type { Lane } from '../engine/lanes.ts';
import type { Waiter } from '../engine/waiter.ts';
import type { Watched } from './aborts.ts';
import type { LeaseMeta } from './lease.ts';

/** Settles the caller's promise; typed loosely because the engine's waiters know no resource type. */
type Resolve = (lease: never, waitedMs: number) => void;
type Reject = (error: unknown) => void;

export class Ticket implements Waiter {
  prev: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  sooner: Waiter | undefined = undefined;
  later: Waiter | undefined = undefined;
  waiting = true;
  /** Its place at its abort signal, if it has one. */
  watched: Watched | undefined = undefined;
  readonly lane: Lane;
  readonly since: number;
  readonly timeoutMs: number;
  readonly meta: LeaseMeta | undefined;
  readonly resolve: Resolve;
  readonly reject: Reject;

  constructor(lane: Lane, now: number, timeoutMs: number, meta: LeaseMeta | undefined, resolve: Resolve, reject: Reject) {
    this.lane = lane;
    this.since = now;
    this.timeoutMs = timeoutMs;
    this.meta = meta;
    this.resolve = resolve;
    this.reject = reject;
  }
}
