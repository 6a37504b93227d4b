// The engine: what a pool knows and what may happen to it. Pure: it takes the time as an argument, asks for effects through its ports
// (ports.ts) and never waits. Each method below is one event from outside; it changes state and ends in `dispatch` (dispatch.ts), which
// looks at the state alone and does whatever can be done now. Nothing is remembered for later ("wake that one", "refill two"), so
// nothing can be forgotten.
//
//   acquire ─▶ tryLend ──────────────▶ lent          created / createFailed ─┐
//      └────▶ enqueue ─▶ waiting ─▶ dispatch ◀── release / validated / resetDone / destroyed / lost / tick
//
// Where each rule lives: who is served and what is created: dispatch.ts · what ends by itself: maintenance.ts · what the user orders
// (pause, evict, resize, close): control.ts · lanes.ts, shedding.ts, backoff.ts as their names say · what must always hold: invariants.ts.

import { Backoff } from './backoff.ts';
import { wake } from './control.ts';
import { arrive, dispatch, passOn, pickIdle } from './dispatch.ts';
import { refusalAtDoor } from './door.ts';
import { afterCreateFailure } from './failures.ts';
import { overReason, unfit, unfitToReturn } from './fitness.ts';
import { Lanes, type Lane } from './lanes.ts';
import type { Ports, Random, Refusal } from './ports.ts';
import type { Settings } from './settings.ts';
import { Shedding } from './shedding.ts';
import { addHold, answered, removeHold, type Hold, type Slot, type SlotState } from './slot.ts';
import { Slots } from './slots.ts';
import { flushStale, noteArrival, noteReturn, runDue, STALL_MS, WATCH_MS } from './maintenance.ts';
import { newTotals, type Totals } from './totals.ts';
import { deadlineOf, Deadlines, type Waiter } from './waiter.ts';
import type { DestroyReason, PoolState } from './words.ts';

/** The budget is looked at again before a lease when the last look was longer ago than this. */
const BUDGET_STALE_MS = 50;

export class Engine<T> {
  readonly settings: Settings;
  readonly ports: Ports<T>;
  readonly random: Random;
  readonly slots: Slots<T>;
  readonly lanes: Lanes;
  readonly deadlines: Deadlines = new Deadlines();
  readonly backoff: Backoff;
  readonly shedding: Shedding | undefined;
  readonly totals: Totals = newTotals();
  /** `max` is not the only limit: ports.budget.granted() is another. */
  budgeted = false;
  /** One lane, no budget, no validation on acquire: whether somebody may have something depends on nothing but what there is. */
  plain: boolean;
  /** Lanes and shedding learn from every lease. */
  readonly #learns: boolean;
  budgetSeenAt: number = -Infinity;
  generation = 1;
  nextId = 1;
  lastCreateError: unknown = undefined;

  paused: false | 'hold' | 'reject' = false;
  /** After a quiesce, until the next acquire: `min` does not count, and nothing that comes back stays. */
  quiet = false;
  closing = false;
  /** Closing has come to its end. A create that was given up may still arrive; it is destroyed then. */
  closed = false;
  closeAt: number = Infinity;
  /** The breaker is open: the time of the next probe. */
  probeAt: number | undefined = undefined;
  lastState: PoolState = 'open';

  dispatching = false;
  again = false;
  /** Something was begun outside a dispatch that the next one must look after. */
  dirty = false;
  /** No waiter expires before this; a lower bound. */
  expiryAt: number = Infinity;
  /** No maintenance is due before this; a lower bound. */
  maintenanceAt: number = Infinity;
  /** After a stall: no hook is given up before this, so that answers that have arrived can be read. */
  graceUntil: number = -Infinity;
  /** What the runtime was last asked for. */
  wakeAt: number = Infinity;
  /** With validateOnAcquire: the one that was just validated. It goes to who waits before another is validated for the same. */
  proved: Slot<T> | undefined = undefined;
  /** The resource whose keepalive validation is running. */
  pinging: Slot<T> | undefined = undefined;
  /** Some resource may have its turn in an eviction with a spread still before it. */
  spreading = false;

  constructor(settings: Settings, ports: Ports<T>, random: Random, now: number) {
    this.settings = settings;
    this.ports = ports;
    this.random = random;
    this.slots = new Slots(settings.sharing);
    this.lanes = new Lanes(settings.lanes, settings.headroom, now);
    this.plain = !this.lanes.many && !(settings.validateOnAcquire && settings.canValidate);
    this.backoff = new Backoff(settings.retry, random);
    this.shedding = settings.shedding === undefined ? undefined : new Shedding(settings.shedding);
    this.#learns = this.lanes.many || this.shedding !== undefined;
  }

  // ------------------------------------------------------------ what is derived

  get state(): PoolState {
    if (this.closed) return 'closed';
    if (this.closing) return 'draining';
    if (this.paused !== false) return 'paused';
    return this.probeAt === undefined ? 'open' : 'unavailable';
  }

  get waiting(): number {
    return this.lanes.waiting;
  }

  /** How many resources there may be: `max`, or less by budget. */
  get limit(): number {
    return this.budgeted ? Math.min(this.settings.max, this.ports.budget.granted()) : this.settings.max;
  }

  /** How many count towards the limit. */
  get counted(): number {
    return this.settings.strictMax ? this.slots.size : this.slots.size - this.slots.destroying.size;
  }

  /** Resources that exist or are on their way and are meant to stay. */
  get staying(): number {
    return this.slots.alive + this.slots.creating.size;
  }

  /** How many leases the pool can carry. */
  get capacity(): number {
    return this.limit * this.settings.sharing;
  }

  // ---------------------------------------------------------- acquire and release

  /**
   * A resource for this lane at once, or undefined. It counts as borrowed; the caller attaches a lease in the same step, before anything
   * else can run, and then calls {@link lookAfter}.
   */
  tryLend(lane: Lane, now: number): Slot<T> | undefined {
    if (lane.queue.size > 0) return undefined;
    // The wake-up is overdue: the process was frozen, and this call, or a release, comes before the timer. What has expired goes first.
    if (now - this.wakeAt > STALL_MS) this.tick(now);
    if (this.closing || this.paused !== false || (!this.plain && !this.mayTake(lane, now))) return undefined;
    const slot = pickIdle(this, now, false);
    if (slot === undefined) {
      if (this.quiet) wake(this, now); // it has nothing idle, so every acquire comes by here or has to wait
      else this.lookAfter(now);
      return undefined;
    }
    if (this.#learns) this.shedding?.foundIdle(now);
    // While nothing was lent, nobody had to be woken; see `watch`.
    if (this.settings.canValidate && this.wakeAt - now > WATCH_MS) this.dirty = true;
    const { totals } = this;
    totals.acquires++;
    totals.served++;
    this.lend(slot, now);
    return slot;
  }

  /** Where more than what is idle decides: a validation before every lease, the budget, and the other lanes. */
  private mayTake(lane: Lane, now: number): boolean {
    if (this.settings.validateOnAcquire && this.settings.canValidate) return false;
    // The budget may have run out during a silence of the process, when nothing here was running.
    if (this.budgeted && now - this.budgetSeenAt > BUDGET_STALE_MS) dispatch(this, now);
    if (!this.lanes.many) return true;
    if (!this.lanes.mayHold(lane, now, this.capacity)) return false;
    // Whoever waits in another lane and is entitled goes first (as when a listener acquires before the dispatch that serves that one).
    if (this.waiting > 0 && this.lanes.next(now, this.capacity) !== undefined) return false;
    this.lanes.enter(lane, now);
    return true;
  }

  /** After {@link tryLend}, when the lease is attached: whatever was begun on the way is looked after. */
  lookAfter(now: number): void {
    if (this.dirty) dispatch(this, now);
  }

  /** Marks a picked resource as lent once more. */
  lend(slot: Slot<T>, now: number): void {
    const { slots } = this;
    slot.uses++;
    this.backoff.stillborns = 0;
    if (slot.list === slots.idle) slots.lend(slot);
    else slots.share(slot, slot.leases + 1, now);
  }

  attach(hold: Hold<T>): void {
    addHold(hold.slot, hold);
    if (!this.plain && this.lanes.many) hold.lane.lent(hold.since);
  }

  /** An acquire that could not be served at once. Serves it all the same if dispatching finds a way; refuses it, or lets it wait. */
  enqueue(waiter: Waiter, now: number): void {
    this.totals.acquires++;
    if (this.quiet) wake(this, now);
    const refusal = refusalAtDoor(this, waiter, now);
    if (refusal !== undefined) {
      this.#settle(waiter, refusal, now);
      return;
    }
    if (this.lanes.many) this.lanes.enter(waiter.lane, now);
    waiter.lane.queue.push(waiter);
    this.deadlines.add(waiter);
    const deadline = deadlineOf(waiter);
    if (deadline < this.expiryAt) this.expiryAt = deadline;
    arrive(this, now);
    const backed = this.slots.creating.size + this.slots.validating.size;
    if (waiter.waiting && this.waiting > this.settings.maxWaiting + backed) this.refuse(waiter, { kind: 'queueFull' }, now);
  }

  /** The caller left. */
  abort(waiter: Waiter, reason: unknown, now: number): void {
    if (!waiter.waiting) return;
    this.refuse(waiter, { kind: 'aborted', reason }, now);
    dispatch(this, now);
  }

  /** The end of a lease that gives its resource back. */
  release(hold: Hold<T>, now: number): void {
    const slot = hold.slot;
    if (now - this.wakeAt > STALL_MS) this.tick(now);
    this.account(hold, now);
    if (slot.list !== this.slots.single && this.endShare(slot, now)) return;
    const reason = unfitToReturn(this, slot, now);
    if (reason !== undefined || this.settings.canReset) this.endUse(slot, reason, now);
    else if (this.plain && hold.lane.queue.head === undefined) this.slots.rest(slot);
    else this.offer(slot, now);
  }

  /** A resource has come back that can be lent again, and perhaps somebody waits. */
  private offer(slot: Slot<T>, now: number): void {
    if (passOn(this, slot, now)) return;
    this.toIdle(slot, now);
    if (this.waiting > 0) dispatch(this, now);
  }

  /** A resource has come back that cannot be lent again as it is. */
  private endUse(slot: Slot<T>, reason: DestroyReason | undefined, now: number): void {
    if (reason !== undefined) {
      this.destroy(slot, reason, now);
    } else {
      this.slots.move(slot, this.slots.resetting, now);
      if (this.ports.reset(slot) && this.cleanAtOnce(slot, now)) return;
    }
    dispatch(this, now);
  }

  /** It needed nothing. True: it is idle, and nobody waits for it. */
  private cleanAtOnce(slot: Slot<T>, now: number): boolean {
    // The hook may have called the pool.
    if (slot.state !== 'resetting') return false;
    const reason = unfitToReturn(this, slot, now);
    this.#settleHook(slot, 'resetting', reason, now);
    return reason === undefined && this.waiting === 0 && !this.dirty;
  }

  /** Its hook ended well: it is idle, or leaves. Whoever was asked whether it is fit may have seen to it. */
  #settleHook(slot: Slot<T>, state: SlotState, reason: DestroyReason | undefined, now: number): void {
    if (slot.state !== state) return;
    if (reason === undefined) this.toIdle(slot, now);
    else this.destroy(slot, reason, now);
  }

  #learn(hold: Hold<T>, ms: number, now: number): void {
    this.shedding?.held(ms);
    if (this.lanes.many) hold.lane.ended(hold.since, now);
  }

  /** One lease of a resource with several has ended, or one of a resource that the pool has let go. False: it was the last. */
  private endShare(slot: Slot<T>, now: number): boolean {
    if (this.isGone(slot)) {
      // Its lane holds one less now.
      if (this.waiting > 0) dispatch(this, now);
      return true;
    }
    if (slot.leases === 1) return false;
    const fit = this.waiting > 0 && slot.uses < this.settings.maxUses && unfit(this, slot, now) === undefined;
    if (fit && slot.state === 'lent' && passOn(this, slot, now)) return true;
    this.slots.share(slot, slot.leases - 1, now);
    if (this.waiting > 0) dispatch(this, now);
    return true;
  }

  /** A lease is about to end that takes its resource along. Whoever is told of that end must not be given the resource, shared as it is. */
  withhold(slot: Slot<T>, now: number): void {
    if (this.settings.sharing > 1 && slot.state === 'lent') this.slots.move(slot, this.slots.leaving, now);
  }

  /** The end of a lease whose resource must not be used again. Others that share it keep it until they end. */
  discard(hold: Hold<T>, reason: DestroyReason, cause: unknown, now: number): void {
    const slot = hold.slot;
    slot.error ??= cause;
    if (slot.leases > 1) slot.doom ??= reason;
    if (this.#endHold(hold, now)) this.destroy(slot, reason, now);
    else if (slot.state === 'lent') this.slots.move(slot, this.slots.leaving, now);
    dispatch(this, now);
  }

  /** The end of a lease whose resource leaves the pool alive. Others that share it only lose the pool's care. */
  detach(hold: Hold<T>, now: number): void {
    const slot = hold.slot;
    this.#endHold(hold, now);
    if (slot.state !== 'gone') {
      this.totals.detached++;
      this.toGone(slot, now);
      this.ports.freed();
    }
    dispatch(this, now);
  }

  // -------------------------------------------------------------- answers of hooks

  created(slot: Slot<T>, resource: T, now: number): void {
    const startedAt = slot.since;
    slot.resource = resource;
    slot.createdAt = now;
    this.totals.created++;
    if (slot.state !== 'creating') {
      // Not wanted any more, or given up. It exists all the same, so it counts until it is gone again.
      this.destroy(slot, this.closing ? 'poolClosed' : slot.state === 'abandoned' ? 'evicted' : 'late', now);
      dispatch(this, now);
      return;
    }
    this.backoff.succeeded();
    this.lastCreateError = undefined;
    this.probeAt = undefined;
    slot.idleSince = now;
    slot.aliveAt = now;
    slot.expiresAt = now + this.settings.maxLifetimeMs * (1 - this.settings.lifetimeJitter * this.random());
    if (slot.broken) {
      this.destroy(slot, 'broken', now);
    } else if (this.staying > this.settings.max || (this.waiting === 0 && this.staying > this.limit)) {
      // One too many by budget alone serves whoever waits and leaves on release: pools that take turns would else destroy each other's
      // resources before anybody had used them.
      this.destroy(slot, overReason(this), now);
    } else {
      this.toIdle(slot, now);
      noteArrival(this, slot, now);
      this.ports.createdResource(slot, now - startedAt);
    }
    dispatch(this, now);
  }

  createFailed(slot: Slot<T>, error: unknown, permanent: boolean, timedOut: boolean, now: number): void {
    const { state } = slot;
    if (state !== 'creating' && state !== 'abandoned') return;
    this.toGone(slot, now);
    this.ports.freed();
    if (state === 'creating' && this.ports.budget.tell('denied', error) !== true) {
      afterCreateFailure(this, slot, error, permanent, timedOut, now);
    }
    dispatch(this, now);
  }

  validated(slot: Slot<T>, ok: boolean, cause: unknown, now: number): void {
    if (this.pinging === slot) this.#pingEnded(now);
    if (slot.state === 'validating') {
      if (ok) {
        answered(slot, now);
        slot.vouchedFor = slot.uses;
        if (this.settings.validateOnAcquire) this.proved = slot;
        this.#settleHook(slot, 'validating', unfit(this, slot, now), now);
      } else {
        slot.error ??= cause;
        this.destroy(slot, 'invalid', now);
        if (this.settings.flushOnStale) flushStale(this, slot, now);
      }
    }
    dispatch(this, now);
  }

  resetDone(slot: Slot<T>, ok: boolean, cause: unknown, now: number): void {
    if (slot.state !== 'resetting') return;
    if (ok) {
      answered(slot, now);
      this.#settleHook(slot, 'resetting', unfitToReturn(this, slot, now), now);
    } else {
      slot.error ??= cause;
      this.destroy(slot, 'resetFailed', now);
    }
    dispatch(this, now);
  }

  destroyed(slot: Slot<T>, error: unknown, now: number): void {
    if (slot.state !== 'destroying') return;
    const reason = slot.reason!;
    this.totals.destroyed[reason]++;
    this.toGone(slot, now);
    this.ports.destroyedResource(slot, reason, error ?? slot.error);
    this.ports.freed();
    dispatch(this, now);
  }

  /** The resource told that it died. Borrowed, it stays with its borrower until the release. */
  lost(slot: Slot<T>, cause: unknown, now: number): void {
    if (slot.broken || slot.state === 'destroying' || slot.state === 'gone') return;
    slot.broken = true;
    slot.error = cause;
    if (slot.state === 'idle' || slot.state === 'validating' || slot.state === 'resetting') {
      this.interrupt(slot);
      this.destroy(slot, 'broken', now);
      dispatch(this, now);
    } else if (slot.state === 'lent' && this.settings.sharing > 1) {
      this.slots.move(slot, this.slots.leaving, now);
    }
  }

  /** Time has passed. Everything that is due by `now` happens. */
  tick(now: number): void {
    runDue(this, now);
    dispatch(this, now);
  }

  // ----------------------------------------------------------------- transitions

  /** Starts the end of a resource. */
  destroy(slot: Slot<T>, reason: DestroyReason, now: number): void {
    slot.reason = reason;
    const unusable = reason === 'broken' || (reason === 'invalid' && this.settings.validateOnAcquire);
    if (unusable && slot.uses === 0) this.backoff.stillborn(this.settings.max, now);
    if (this.pinging === slot) this.#pingEnded(now);
    if (!this.dispatching) this.dirty = true;
    this.slots.move(slot, this.slots.destroying, now);
    this.ports.destroy(slot, reason);
  }

  /** Gives up the hook that runs on a resource which is about to be destroyed: it must not go on with what is no longer there. */
  interrupt(slot: Slot<T>): void {
    if (slot.state === 'validating') this.ports.giveUp(slot, 'validate', false);
    else if (slot.state === 'resetting') this.ports.giveUp(slot, 'reset', false);
  }

  toIdle(slot: Slot<T>, now: number): void {
    this.slots.rest(slot);
    if (slot.idleSince < now) noteReturn(this, slot);
    if (slot.watched) this.ports.rested(slot);
  }

  toGone(slot: Slot<T>, now: number): void {
    this.slots.move(slot, this.slots.gone, now);
    if (slot.watched) this.ports.rested(slot);
  }

  /** Takes a waiter out of both of its lists. */
  unlink(waiter: Waiter): void {
    waiter.waiting = false;
    waiter.lane.queue.remove(waiter);
    this.deadlines.remove(waiter);
  }

  refuse(waiter: Waiter, refusal: Refusal, now: number): void {
    this.unlink(waiter);
    this.#settle(waiter, refusal, now);
  }

  /** Refuses those who wait now. Who asks because of that (a listener of the refusal) is not one of them. */
  refuseAll(refusal: Refusal, now: number): void {
    for (const waiter of this.lanes.all.flatMap((lane) => lane.queue.toArray())) {
      if (waiter.waiting) this.refuse(waiter, refusal, now);
    }
  }

  /** Ends the accounting of a lease; true when the resource has no other. */
  #endHold(hold: Hold<T>, now: number): boolean {
    const { slot } = hold;
    this.account(hold, now);
    if (this.isGone(slot)) return false;
    if (slot.leases === 1) return true;
    this.slots.share(slot, slot.leases - 1, now);
    return false;
  }

  private account(hold: Hold<T>, now: number): void {
    const { slot } = hold;
    const ms = now - hold.since;
    this.totals.useMs += ms;
    removeHold(slot, hold);
    if (this.#learns) this.#learn(hold, ms, now);
    slot.idleSince = now;
    slot.aliveAt = now;
  }

  /** Detached while others still used it, which the pool does not care about any more. */
  private isGone(slot: Slot<T>): boolean {
    return slot.list === this.slots.gone || slot.list === this.slots.destroying;
  }

  /** The turn of the next one may have come meanwhile. */
  #pingEnded(now: number): void {
    this.pinging = undefined;
    this.maintenanceAt = now;
  }

  #settle(waiter: Waiter, refusal: Refusal, now: number): void {
    waiter.waiting = false;
    this.totals.waitMs += now - waiter.since;
    if (refusal.kind === 'timeout') this.totals.timedOut++;
    else if (refusal.kind === 'aborted') this.totals.aborted++;
    else this.totals.rejected++;
    this.ports.refuse(waiter, refusal, now);
  }
}
