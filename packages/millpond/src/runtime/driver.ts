// Drives the engine: runs the factory's hooks, settles callers' promises, sets the alarm, tells listeners. It decides nothing; whatever
// happens is handed to the engine as an event, and whatever the engine asks for is done here.

import { AsyncResource } from 'node:async_hooks';
import type { BudgetSeat } from '../budget.ts';
import type { Clock, Random } from '../clock.ts';
import { carries } from '../engine/capacity.ts';
import { dispatch } from '../engine/dispatch.ts';
import { Engine } from '../engine/engine.ts';
import type { Lane } from '../engine/lanes.ts';
import { distrust } from '../engine/maintenance.ts';
import type { HookName, Ports, Refusal } from '../engine/ports.ts';
import type { Hold, Slot } from '../engine/slot.ts';
import { liveHolds } from '../engine/slots.ts';
import type { DestroyReason, PoolState } from '../engine/words.ts';
import type { Waiter } from '../engine/waiter.ts';
import { PoolError } from '../errors.ts';
import type { Factory, ResourceInfo } from '../factory.ts';
import type { Holder } from '../lease.ts';
import type { Resolved } from '../options.ts';
import { statsOf, type PoolStats } from '../stats.ts';
import { creating, traced, validating } from '../telemetry/tracing.ts';
import { isThenable } from '../thenable.ts';
import { Aborts } from './aborts.ts';
import { coarseNow, createAlarm, systemClock, wall, type Alarm } from './clock.ts';
import { Emitter } from './emitter.ts';
import { HookContext, InfoContext, runHook, subscribe } from './hooks.ts';
import { holderOf, labelled, LiveLease, type LeaseMeta } from './lease.ts';
import { isStill, momentOf, type Moment } from './moment.ts';
import { refusalError, type Circumstances } from './refusals.ts';
import { Seat } from './seat.ts';
import { Ticket } from './ticket.ts';

export interface DriverInit<T> {
  readonly name: string;
  readonly factory: Factory<T>;
  readonly resolved: Resolved;
  readonly clock: Clock;
  readonly random: Random;
}

/** Executors run at once, so what they are given can be kept here for the next line: a closure for each promise costs more than it. */
let resolveLast: (lease: never) => void;
let rejectLast: (error: unknown) => void;
const keepSettlers = (resolve: (lease: never) => void, reject: (error: unknown) => void): void => {
  resolveLast = resolve;
  rejectLast = reject;
};

/** With a deadline this near, the end of a lease looks at the clock, not at its last reading, to tell who is still in time. */
const NEAR_MS = 1_000;
/** How often the earliest deadline is looked up for that at most. */
const BOUND_LASTS_MS = 100;

export class Driver<T> implements Ports<T> {
  readonly name: string;
  readonly engine: Engine<T>;
  readonly events: Emitter<T>;
  readonly budget: Seat;
  readonly clock: Clock;
  /** The time, cheaply; at most one event-loop turn behind {@link Clock.now}. */
  readonly coarse: () => number;
  /** Called when the state has changed, after the listeners. */
  onState: ((to: PoolState) => void) | undefined = undefined;
  /** Called after every create that ended well, or badly with nobody having given it up. */
  onCreateEnd: ((error: unknown, permanent: boolean) => void) | undefined = undefined;
  /** Called when the pool holds fewer resources than before, or nobody waits any more. */
  onLess: (() => void) | undefined = undefined;
  /** Called for a lease that the pool ends itself. */
  onRevoke: ((holder: Holder) => void) | undefined = undefined;
  readonly #factory: Factory<T>;
  readonly #alarm: Alarm;
  readonly #aborts: Aborts;
  readonly #resting = new Map<Slot<T>, (() => void)[]>();
  /** Hooks and timers run in the context in which the pool was built: a connection must not live in its first caller's. */
  readonly #scope = new AsyncResource('millpond.Pool');
  #boundStaleAt: number = -Infinity;
  #leapsSeen = wall.leaps;
  /** When somebody was last refused. */
  #moment: Moment | undefined = undefined;

  constructor(init: DriverInit<T>) {
    this.name = init.name;
    this.budget = new Seat(init.name);
    this.#factory = init.factory;
    this.clock = init.clock;
    this.coarse = init.clock === systemClock ? coarseNow : () => init.clock.now();
    this.events = new Emitter(init.name);
    this.engine = new Engine(init.resolved.settings, this, init.random, init.clock.now());
    this.#alarm = createAlarm(init.clock, this.#scope, () => this.engine.tick(this.clock.now()));
    this.#aborts = new Aborts((ticket, reason) => {
      this.engine.abort(ticket, reason, this.clock.now());
    });
  }

  sit(seat: BudgetSeat): void {
    this.engine.budgeted = true;
    this.engine.plain = false;
    this.budget.sit(seat, () => dispatch(this.engine, this.clock.now()));
  }

  // ------------------------------------------------------------- what callers ask

  /** A lease at once, or undefined. */
  lend(lane: Lane, meta: LeaseMeta | undefined): LiveLease<T> | undefined {
    const now = this.coarse();
    if (wall.leaps !== this.#leapsSeen) this.#noteLeap();
    const slot = this.engine.tryLend(lane, now);
    if (slot === undefined) return undefined;
    const lease = this.leaseOf(slot, lane, now, now, meta);
    this.engine.lookAfter(now);
    return lease;
  }

  /** Waits for a lease. `timeoutMs` whole or Infinity. */
  wait(lane: Lane, timeoutMs: number, signal: AbortSignal | undefined, meta: LeaseMeta | undefined): Promise<LiveLease<T>> {
    const promise = new Promise<LiveLease<T>>(keepSettlers);
    const now = this.clock.now();
    const ticket = new Ticket(lane, now, timeoutMs, meta, resolveLast, rejectLast);
    this.enqueue(ticket, now);
    if (ticket.waiting && signal !== undefined) this.#watch(ticket, signal);
    return promise;
  }

  enqueue(ticket: Ticket, now: number): void {
    this.engine.enqueue(ticket, now);
    if (ticket.waiting) this.#alarm.keepAlive(true);
  }

  #watch(ticket: Ticket, signal: AbortSignal): void {
    if (signal.aborted) {
      // By a hook or a listener that was called on the way here; it will not tell again.
      this.engine.abort(ticket, signal.reason, this.clock.now());
    } else {
      this.#aborts.add(signal, ticket);
    }
  }

  release(lease: LiveLease<T>): void {
    const now = this.endTime();
    this.noteEnd(lease, now);
    this.engine.release(lease, now);
  }

  discard(lease: LiveLease<T>, reason: DestroyReason, cause: unknown): void {
    const now = this.endTime();
    this.engine.withhold(lease.slot, now);
    this.noteEnd(lease, now);
    this.engine.discard(lease, reason, cause, now);
  }

  detach(lease: LiveLease<T>): T {
    const now = this.endTime();
    this.engine.withhold(lease.slot, now);
    this.noteEnd(lease, now);
    this.#unsubscribe(lease.slot);
    this.engine.detach(lease, now);
    return lease.slot.resource as T;
  }

  /** Somebody ends a lease that has ended: reported, and otherwise without effect. */
  staleEnd(lease: LiveLease<T>): false {
    this.engine.totals.staleReleases++;
    if (this.events.wants('staleRelease')) this.events.emit('staleRelease', labelled(lease.meta));
    return false;
  }

  /** Resolves when the slot's resource is clean, lent again or gone. */
  atRest(slot: Slot<T>): Promise<void> {
    if (slot.state !== 'resetting' && slot.state !== 'destroying') return Promise.resolve();
    return new Promise((resolve) => {
      slot.watched = true;
      this.#resting.set(slot, [...(this.#resting.get(slot) ?? []), resolve]);
    });
  }

  infoOf(slot: Slot<T>, now: number = this.clock.now()): ResourceInfo {
    return {
      id: slot.id,
      ageMs: now - slot.createdAt,
      idleMs: slot.state === 'lent' || slot.state === 'leaving' ? 0 : now - slot.idleSince,
      uses: slot.uses,
      generation: slot.generation,
    };
  }

  holders(): Holder[] {
    const now = this.clock.now();
    return liveHolds(this.engine.slots).map((hold) => holderOf(hold, now)).sort((a, b) => b.heldMs - a.heldMs);
  }

  stats(): PoolStats {
    return statsOf(this.name, this.engine);
  }

  // ------------------------------------------------------------------ Ports: hooks

  create(slot: Slot<T>): void {
    const context = Object.assign(new HookContext(), { attempt: slot.attempt });
    this.#startClock(slot, context);
    const done = (resource: T): void => {
      slot.hook = undefined;
      slot.resource = resource;
      if (slot.state === 'creating') this.#subscribe(slot);
      this.engine.created(slot, resource, this.clock.now());
    };
    const failed = (error: unknown): void => {
      this.engine.createFailed(slot, error, this.#isPermanent(error), false, this.clock.now());
    };
    const create = traced(creating, this.name, this.#factory.create);
    this.#run(() => create.call(this.#factory, context), done, failed);
  }

  validate(slot: Slot<T>): void {
    // Runs with every lease of whoever validates on acquire: no closures but the two for its answer.
    const context = this.#begin(slot, this.coarse());
    this.#startClock(slot, context);
    let answer: Promise<boolean> | boolean;
    try {
      const validate = traced(validating, this.name, this.#factory.validate!);
      answer = this.#scope.runInAsyncScope(validate, this.#factory, slot.resource, context);
    } catch (error) {
      this.engine.validated(slot, false, error, this.clock.now());
      return;
    }
    if (!isThenable(answer)) {
      this.engine.validated(slot, answer !== false, undefined, this.clock.now());
      return;
    }
    Promise.resolve(answer).then(
      (alive) => this.engine.validated(slot, alive !== false, undefined, this.endTime()),
      (error: unknown) => this.engine.validated(slot, false, error, this.endTime()),
    );
  }

  reset(slot: Slot<T>): boolean {
    // Runs with nearly every release of whoever has such a hook, and nearly always has nothing to do: no closures, no reading of the clock.
    const context = this.#begin(slot, slot.idleSince);
    let outcome: Promise<void> | void;
    try {
      outcome = this.#scope.runInAsyncScope(this.#factory.reset!, this.#factory, slot.resource, context);
    } catch (error) {
      this.engine.resetDone(slot, false, error, this.clock.now());
      return false;
    }
    if (!isThenable(outcome)) return true;
    // The hook may have called the pool, and its resource be at its next one.
    if (slot.state === 'resetting') this.#startClock(slot, context);
    Promise.resolve(outcome).then(
      () => this.engine.resetDone(slot, true, undefined, this.clock.now()),
      (error: unknown) => this.engine.resetDone(slot, false, error, this.clock.now()),
    );
    return false;
  }

  destroy(slot: Slot<T>, reason: DestroyReason): void {
    this.#unsubscribe(slot);
    const context = Object.assign(new HookContext(), { reason });
    this.#startClock(slot, context);
    this.#run(
      () => this.#factory.destroy(slot.resource as T, context),
      () => this.engine.destroyed(slot, undefined, this.clock.now()),
      (error) => this.engine.destroyed(slot, error, this.clock.now()),
    );
  }

  giveUp(slot: Slot<T>, hook: HookName, overlong: boolean): unknown {
    const timeoutMs = this.engine.settings[`${hook}TimeoutMs`];
    const message = overlong ? `${hook} did not finish within ${timeoutMs} ms` : `the result of this ${hook} is not wanted any more`;
    const code = overlong ? `ERR_POOL_${hook.toUpperCase()}_TIMEOUT` as const : 'ERR_POOL_ABANDONED';
    const error = new PoolError(message, { code, pool: this.name });
    (slot.hook as HookContext | undefined)?.giveUp(error);
    return error;
  }

  isBroken(slot: Slot<T>): boolean {
    try {
      return this.#factory.isBroken!(slot.resource as T);
    } catch (error) {
      slot.error ??= error;
      return true;
    }
  }

  // ---------------------------------------------------------------- Ports: callers

  serve(waiter: Waiter, slot: Slot<T>, now: number): void {
    const ticket = waiter as Ticket;
    this.forget(ticket);
    const lease = this.leaseOf(slot, ticket.lane, now, ticket.since, ticket.meta);
    (ticket.resolve as (lease: LiveLease<T>, waitedMs: number) => void)(lease, now - ticket.since);
  }

  refuse(waiter: Waiter, refusal: Refusal, now: number): void {
    const ticket = waiter as Ticket;
    this.forget(ticket);
    const waitMs = now - ticket.since;
    const error = refusal.kind === 'aborted' ? refusal.reason
      : refusalError(refusal, this.#circumstancesOf(ticket, waitMs, now));
    ticket.reject(error);
    this.noteRefusal(error, waitMs);
  }

  #circumstancesOf({ lane, meta }: Ticket, waitedMs: number, now: number): Circumstances {
    if (this.#moment === undefined || !isStill(this.#moment, this.engine, now)) this.#moment = momentOf(this, now);
    const heldByLane = this.engine.lanes.many ? { name: lane.name, held: lane.held } : undefined;
    return { moment: this.#moment, waitedMs, label: meta?.label, lane: heldByLane };
  }

  /** Tells that an acquire was refused. */
  noteRefusal(error: unknown, waitMs: number): void {
    if (this.events.wants('acquireError')) this.events.emit('acquireError', { error, waitMs });
  }

  revoke(hold: Hold<T>, reason: DestroyReason, now: number): void {
    const lease = hold as LiveLease<T>;
    lease.ended = true;
    this.onRevoke?.(holderOf(lease, now));
    this.engine.withhold(lease.slot, now);
    this.noteEnd(lease, now);
    this.engine.discard(lease, reason, undefined, now);
  }

  leak(hold: Hold<T>, now: number): void {
    if (!this.events.wants('leak')) return;
    const { label, heldMs, stack } = holderOf(hold, now);
    this.events.emit('leak', { ...(label === undefined ? {} : { label }), heldMs, ...(stack === undefined ? {} : { stack }) });
  }

  rested(slot: Slot<T>): void {
    const waiting = this.#resting.get(slot) ?? [];
    this.#resting.delete(slot);
    slot.watched = false;
    for (const resolve of waiting) resolve();
  }

  // ------------------------------------------------------- Ports: events and wake-ups

  createdResource(slot: Slot<T>, durationMs: number): void {
    this.onCreateEnd?.(undefined, false);
    if (!this.events.wants('create')) return;
    this.events.emit('create', { resource: slot.resource as T, info: this.infoOf(slot), durationMs });
  }

  createError(error: unknown, attempt: number, retryInMs: number | undefined, permanent: boolean): void {
    this.onCreateEnd?.(error, permanent);
    if (this.events.wants('createError')) this.events.emit('createError', { error, attempt, retryInMs });
  }

  destroyedResource(slot: Slot<T>, reason: DestroyReason, error: unknown): void {
    if (!this.events.wants('destroy')) return;
    const event = { resource: slot.resource as T, info: this.infoOf(slot), reason };
    this.events.emit('destroy', error === undefined ? event : { ...event, error });
  }

  stateChanged(from: PoolState, to: PoolState): void {
    if (to === 'draining') this.#alarm.keepAlive(true);
    if (to === 'closed') {
      // A create that was given up may still come, and be destroyed; that is no reason to stay alive.
      this.#alarm.keepAlive(false);
      this.#alarm.stop();
      this.budget.leave();
      this.onLess?.();
    }
    if (this.events.wants('state')) this.events.emit('state', { from, to });
    this.onState?.(to);
  }

  freed(): void {
    this.budget.tell('freed');
    this.onLess?.();
  }

  wakeAt(atMs: number): void {
    this.#alarm.set(atMs);
  }

  // ---------------------------------------------------------------------- details

  private leaseOf(slot: Slot<T>, lane: Lane, now: number, since: number, meta: LeaseMeta | undefined): LiveLease<T> {
    const lease = new LiveLease(this, slot, lane, now, meta);
    this.engine.attach(lease);
    if (this.events.wantsAcquire) this.#tellAcquire(lease, now - since);
    return lease;
  }

  /**
   * The time at which a lease or a validation ends. It decides who is still in time, so with a deadline near it has to be exact. As for
   * the others: what kept the loop busy for a second within one turn kept everybody from noticing.
   */
  private endTime(): number {
    const now = this.coarse();
    return now < this.engine.expiryAt - NEAR_MS ? now : this.#exactTime(now);
  }

  #noteLeap(): void {
    this.#leapsSeen = wall.leaps;
    if (this.clock === systemClock) distrust(this.engine, Infinity);
  }

  #exactTime(coarse: number): number {
    const { engine } = this;
    // What the engine knows is a bound that may have stood since somebody came who was served long ago.
    if (coarse >= this.#boundStaleAt) {
      this.#boundStaleAt = coarse + BOUND_LASTS_MS;
      engine.expiryAt = engine.deadlines.earliest();
      if (coarse < engine.expiryAt - NEAR_MS) return coarse;
    }
    return this.clock.now();
  }

  #tellAcquire(lease: LiveLease<T>, waitMs: number): void {
    this.events.emit('acquire', { lease, waitMs });
  }

  private noteEnd(lease: LiveLease<T>, now: number): void {
    if (lease.leaked || this.events.wantsRelease) this.#tellEnd(lease, now);
  }

  #tellEnd(lease: LiveLease<T>, now: number): void {
    const useMs = now - lease.since;
    if (lease.leaked && this.events.wants('unleak')) this.events.emit('unleak', { ...labelled(lease.meta), heldMs: useMs });
    const { slot } = lease;
    if (this.events.wantsRelease) this.events.emit('release', { resource: slot.resource as T, info: this.infoOf(slot, now), useMs });
  }

  private forget(ticket: Ticket): void {
    if (ticket.watched !== undefined) this.#aborts.remove(ticket);
    if (this.engine.waiting > 0 || this.engine.closing) return;
    this.#alarm.keepAlive(false);
    this.onLess?.();
  }

  /** A hook has its time from here on. What the engine took for the time may be as old as this turn of the loop. */
  #startClock(slot: Slot<T>, hook: HookContext): void {
    slot.hook = hook;
    slot.since = this.clock.now();
  }

  #begin(slot: Slot<T>, now?: number): InfoContext {
    const context = new InfoContext(this.infoOf(slot, now));
    slot.hook = context;
    return context;
  }

  #subscribe(slot: Slot<T>): void {
    try {
      subscribe(this.#factory, slot.resource as T, {
        kept: (unsubscribe) => { slot.unsubscribe = unsubscribe; },
        lost: (cause) => this.engine.lost(slot, cause, this.clock.now()),
        carries: (leases) => carries(this.engine, slot, leases, this.clock.now()),
      });
    } catch (error) {
      slot.broken = true;
      slot.error = error;
    }
  }

  #unsubscribe(slot: Slot<T>): void {
    const { unsubscribe } = slot;
    slot.unsubscribe = undefined;
    try {
      unsubscribe?.();
    } catch (error) {
      slot.error ??= error;
    }
  }

  #isPermanent(error: unknown): boolean {
    try {
      return this.#factory.classify?.(error) === 'permanent';
    } catch {
      // A classifier that fails says nothing; the default is transient.
      return false;
    }
  }

  #run<R>(hook: () => Promise<R> | R, done: (result: R) => void, failed: (error: unknown) => void): void {
    this.#scope.runInAsyncScope(runHook<R>, undefined, hook, done, failed);
  }
}
