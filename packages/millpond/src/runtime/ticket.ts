// A waiter with a caller behind it.

import type { Lane } from '../engine/lanes.ts';
import { Waiter } from '../engine/waiter.ts';
import type { LeaseMeta } from './lease.ts';

export class Ticket extends Waiter {
  /** Settles the caller's promise; typed loosely because the engine's waiters know no resource type. */
  readonly resolve: (lease: never) => void;
  readonly reject: (error: unknown) => void;
  readonly meta: LeaseMeta | undefined;
  signal: AbortSignal | undefined = undefined;

  constructor(
    lane: Lane,
    now: number,
    timeoutMs: number,
    meta: LeaseMeta | undefined,
    resolve: (lease: never) => void,
    reject: (error: unknown) => void,
  ) {
    super(lane, now, timeoutMs);
    this.meta = meta;
    this.resolve = resolve;
    this.reject = reject;
  }
}
