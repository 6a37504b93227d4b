// What the rules need from outside: hooks to be run, callers to be told, a clock to wake them. The runtime implements it with promises and
// timers; a test can implement it with an array. Calls happen inside the engine's transitions and must not throw; they may call the
// engine back, also at once (a synchronous factory does).

import type { Hold, Slot } from './slot.ts';
import type { DestroyReason, PoolState } from './words.ts';
import type { Waiter } from './waiter.ts';

/** Uniform in [0, 1). */
export type Random = () => number;

/** Why a waiter is told no: a value, so that it can be logged, tested and worded elsewhere. */
export type Refusal =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'aborted'; readonly reason: unknown }
  | { readonly kind: 'queueFull' }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'createFailed'; readonly cause: unknown; readonly timedOut: boolean; readonly permanent: boolean };

export type HookName = 'create' | 'validate' | 'reset' | 'destroy';

export interface Ports<T> {
  /** Run `create`; answer with {@link Engine.created} or {@link Engine.createFailed}. */
  create(slot: Slot<T>): void;
  /** Run `validate`; answer with {@link Engine.validated}. */
  validate(slot: Slot<T>): void;
  /** Run `reset`. True: clean already. Otherwise answer with {@link Engine.resetDone}. */
  reset(slot: Slot<T>): boolean;
  /** Run `destroy`; answer with {@link Engine.destroyed}. */
  destroy(slot: Slot<T>, reason: DestroyReason): void;
  /**
   * Nobody waits for this hook any more, because it took too long or because its result is not wanted: abort it. Returns the error that
   * says so.
   */
  giveUp(slot: Slot<T>, hook: HookName, overlong: boolean): unknown;
  /** Ask `isBroken`; only called when the settings say that there is one. */
  isBroken(slot: Slot<T>): boolean;
  /** Give the resource to the caller behind the waiter, with a lease that is {@link Engine.attach}ed to it. */
  serve(waiter: Waiter, slot: Slot<T>, now: number): void;
  /** Tell the caller behind the waiter no. */
  refuse(waiter: Waiter, refusal: Refusal, now: number): void;
  /** The pool ends this lease itself (`reclaim`, the deadline of a close): mark it and {@link Engine.discard} it. */
  revoke(hold: Hold<T>, reason: DestroyReason, now: number): void;
  /** A resource became usable for the first time. */
  createdResource(slot: Slot<T>, durationMs: number): void;
  createError(error: unknown, attempt: number, retryInMs: number | undefined, permanent: boolean): void;
  /** A resource left the pool by being destroyed, or by not getting there within `destroyTimeoutMs`. */
  destroyedResource(slot: Slot<T>, reason: DestroyReason, error: unknown): void;
  /** A released resource is idle, lent again or gone; only called for slots marked as watched. */
  rested(slot: Slot<T>): void;
  leak(hold: Hold<T>, now: number): void;
  stateChanged(from: PoolState, to: PoolState): void;
  /** Without one nothing is denied, and the rest is not asked. */
  readonly budget: {
    /** How many resources it grants. */
    granted(): number;
    /** How many it lets the pool keep, lent ones included; at least what it grants, and mostly Infinity. */
    kept(): number;
    /** A create failed with this: is it only that there is less than it had granted? */
    tell(what: 'denied', error: unknown): boolean | undefined;
    /** A waiter found nothing left under it. */
    tell(what: 'want'): void;
  };
  /** The pool holds fewer resources than before. */
  freed(): void;
  /** Call {@link Engine.tick} at this time, or, with Infinity, not at all. Replaces the previous wish. */
  wakeAt(atMs: number): void;
}
