// What ends by itself: deadlines of hooks, retirement, keepalive, leaks, evictions that were spread, the deadline of a close. One wake-up
// serves them all. The states' lists are in the order of arrival and each state has one timeout, so a head tells when its list is due;
// what hangs on single resources (age, idleness) is looked through by `maintain`, whose next time is a lower bound and never too late:
// while there are resources it runs at least once per shortest interval, so releases need not compute when they will be due.

import { holdsStill, missingCreates, overdue } from './demand.ts';
import type { Engine } from './engine.ts';
import { unfit } from './fitness.ts';
import type { List } from './list.ts';
import type { Slot } from './slot.ts';
import { liveHolds } from './slots.ts';

/** A wake-up that comes this late means that the event loop stalled or the process was frozen. */
export const STALL_MS = 100;
/** One that comes this late was no busy loop: nothing that was there meanwhile is taken on trust. */
const FREEZE_MS = 1_000;
/** While something is lent, or trusted for long, the engine is woken at least this often: a freeze shows in a wake-up that comes late. */
export const WATCH_MS = 1_000;
/** How long hooks get after a stall, so that answers that have arrived meanwhile are read before anything is called dead. */
const GRACE_MS = 50;

/** When the engine must be woken next; Infinity when nothing is due. */
export function nextDue<T>(engine: Engine<T>, now: number): number {
  const { slots } = engine;
  // A pool that closes keeps nothing that could age.
  let due = engine.closing ? engine.closeAt : Math.min(engine.expiryAt, engine.maintenanceAt);
  if (slots.underWay > 0) due = Math.min(due, hooksDue(engine));
  if (engine.closing || holdsStill(engine)) return due;
  if (engine.probeAt !== undefined) return slots.pending === 0 && engine.counted < engine.limit ? Math.min(due, engine.probeAt) : due;
  const { retryAt } = engine.backoff;
  if (retryAt > now && missingCreates(engine, retryAt) > 0) due = Math.min(due, retryAt);
  return engine.lanes.many ? Math.min(due, engine.lanes.nextLapse(now)) : due;
}

/** When the first hook that runs must be given up. */
function hooksDue<T>(engine: Engine<T>): number {
  const { slots, settings } = engine;
  return Math.min(
    hookDue(engine, slots.creating, settings.createTimeoutMs),
    hookDue(engine, slots.abandoned, settings.createTimeoutMs),
    hookDue(engine, slots.validating, settings.validateTimeoutMs),
    hookDue(engine, slots.resetting, settings.resetTimeoutMs),
    hookDue(engine, slots.destroying, settings.destroyTimeoutMs),
  );
}

function hookDue<T>(engine: Engine<T>, list: List<Slot<T>>, timeoutMs: number): number {
  return list.head === undefined ? Infinity : Math.max(list.head.since + timeoutMs, engine.graceUntil);
}

/** Everything that is due, waiters aside: dispatch sees to them. */
export function runDue<T>(engine: Engine<T>, now: number): void {
  if (now - engine.wakeAt > STALL_MS) {
    // What was overdue at the stall before has had its grace; under a loop that always lags it would have it for ever.
    if (now >= engine.graceUntil) endOverlongHooks(engine, engine.graceUntil - GRACE_MS, now);
    engine.graceUntil = now + GRACE_MS;
    noticeFreeze(engine, now);
  }
  engine.wakeAt = Infinity;
  if (now >= engine.graceUntil) endOverlongHooks(engine, now, now);
  if (now >= engine.maintenanceAt && !engine.closing) maintain(engine, now);
  if (now >= engine.closeAt) endRemaining(engine, now);
}

/** The wake-up is overdue: what sat through that is not trusted. Whatever comes first after a freeze has to look, be it a timer or not. */
export function noticeFreeze<T>(engine: Engine<T>, now: number): void {
  const { settings, slots } = engine;
  const lateMs = now - engine.wakeAt;
  if (lateMs <= STALL_MS) return;
  distrust(engine, lateMs > FREEZE_MS ? now : now - settings.idleTimeoutMs);
  // What sat idle goes where nobody can ask it. What is borrowed its borrower knows, and ends if it is dead.
  if (lateMs <= FREEZE_MS || settings.canValidate || !settings.flushOnStale) return;
  for (const slot of slots.idle.toArray()) if (slot.state === 'idle' && slot.aliveAt < now) engine.destroy(slot, 'stale', now);
}

/** What was last known to be alive before this has to answer before it is lent again: idle now, or borrowed and coming back. */
export function distrust<T>(engine: Engine<T>, before: number): void {
  if (!engine.settings.canValidate) return;
  for (const slot of engine.slots.aliveSlots()) if (slot.aliveAt < before) slot.suspect = true;
}

/** One was found dead: whoever sat idle for at least as long is dead as well, or was there during the same freeze. */
export function flushStale<T>(engine: Engine<T>, dead: Slot<T>, now: number): void {
  for (const slot of engine.slots.idle.toArray()) {
    if (slot.state === 'idle' && slot.aliveAt <= dead.aliveAt && (slot.suspect || !dead.suspect)) engine.destroy(slot, 'stale', now);
  }
}

/** Makes sure that a freeze will be noticed, where it matters: where silence is looked at anyway, what is idle needs no such look. */
export function watch<T>(engine: Engine<T>, now: number): void {
  const { slots, settings } = engine;
  const asks = settings.canValidate;
  const watched = slots.borrowed > 0 || (slots.idle.size > 0 && (!asks || settings.validateAfterIdleMs > WATCH_MS));
  if (watched && (asks || settings.flushOnStale)) dueAt(engine, now + WATCH_MS);
}

/** Gives up the hooks whose time was over at `overdueAt`. */
function endOverlongHooks<T>(engine: Engine<T>, overdueAt: number, now: number): void {
  const { slots, settings, ports } = engine;
  for (const slot of overlong(slots.creating, settings.createTimeoutMs, overdueAt)) {
    const error = ports.giveUp(slot, 'create', true);
    engine.createFailed(slot, error, false, true, now);
  }
  for (const slot of overlong(slots.abandoned, settings.createTimeoutMs, overdueAt)) {
    engine.toGone(slot, now);
    ports.freed();
  }
  for (const slot of overlong(slots.validating, settings.validateTimeoutMs, overdueAt)) {
    const error = ports.giveUp(slot, 'validate', true);
    engine.validated(slot, false, error, now);
  }
  for (const slot of overlong(slots.resetting, settings.resetTimeoutMs, overdueAt)) {
    const error = ports.giveUp(slot, 'reset', true);
    engine.resetDone(slot, false, error, now);
  }
  for (const slot of overlong(slots.destroying, settings.destroyTimeoutMs, overdueAt)) {
    const error = ports.giveUp(slot, 'destroy', true);
    engine.totals.destroyTimeouts++;
    engine.destroyed(slot, error, now);
  }
}

function overlong<T>(list: List<Slot<T>>, timeoutMs: number, now: number): Slot<T>[] {
  const found: Slot<T>[] = [];
  for (let slot = list.head; slot !== undefined && slot.since + timeoutMs <= now; slot = slot.next) found.push(slot);
  return found;
}

/** A resource has come: maintenance must not be later than its first event. */
export function noteArrival<T>(engine: Engine<T>, slot: Slot<T>, now: number): void {
  engine.maintenanceAt = Math.min(engine.maintenanceAt, slot.expiresAt, now + shortestInterval(engine));
  // It may be the one by which another is above `min` now, and that one may have been idle for long.
  const oldest = engine.slots.idle.head!;
  if (engine.slots.alive > leastKept(engine, now)) dueAt(engine, oldest.idleSince + engine.settings.idleTimeoutMs);
}

/** A resource is idle again after a hook during which it aged, unseen by maintenance. */
export function noteReturn<T>(engine: Engine<T>, slot: Slot<T>): void {
  const { idleTimeoutMs, keepaliveIntervalMs, canValidate } = engine.settings;
  dueAt(engine, slot.idleSince + idleTimeoutMs);
  if (canValidate) dueAt(engine, slot.aliveAt + keepaliveIntervalMs);
}

function shortestInterval<T>(engine: Engine<T>): number {
  const { idleTimeoutMs, keepaliveIntervalMs, leakThresholdMs, canValidate } = engine.settings;
  return Math.min(idleTimeoutMs, canValidate ? keepaliveIntervalMs : Infinity, leakThresholdMs);
}

function maintain<T>(engine: Engine<T>, now: number): void {
  // Set first: what happens below may ask for an earlier time.
  engine.maintenanceAt = engine.slots.size === 0 ? Infinity : now + shortestInterval(engine);
  retireIdle(engine, now);
  noteTurns(engine, now);
  keepalive(engine, now);
  reportLeaks(engine, now);
}

function dueAt<T>(engine: Engine<T>, atMs: number): void {
  if (atMs < engine.maintenanceAt) engine.maintenanceAt = atMs;
}

/** How many resources idleness alone does not retire: `min`, and those that wait for their replacement to become it. */
function leastKept<T>(engine: Engine<T>, now: number): number {
  return (engine.quiet ? 0 : Math.min(engine.settings.min, engine.limit)) + overdue(engine, now);
}

/** Least recently used first, so that what remains is what is in use. */
function retireIdle<T>(engine: Engine<T>, now: number): void {
  const { settings, slots } = engine;
  let floor = leastKept(engine, now);
  // A copy of all: destroying calls hooks, and what they give back meanwhile must not be missed.
  for (const slot of [...slots.aliveSlots()]) {
    if (slot.expiresAt > now) dueAt(engine, slot.expiresAt);
    if (slot.state !== 'idle') continue;
    const reason = unfit(engine, slot, now);
    if (slot.list !== slots.idle) continue; // whoever was asked has seen to it
    if (reason !== undefined) {
      engine.destroy(slot, reason, now);
    } else if (slots.alive > floor) {
      if (slot.idleSince + settings.idleTimeoutMs > now) {
        dueAt(engine, slot.idleSince + settings.idleTimeoutMs);
        continue;
      }
      engine.destroy(slot, 'idleTimeout', now);
      // It may have been one whose turn to be evicted had come, and which had raised the floor itself.
      if (engine.spreading) floor = leastKept(engine, now);
    }
  }
}

function noteTurns<T>(engine: Engine<T>, now: number): void {
  engine.spreading = false;
  for (const slot of engine.slots.aliveSlots()) {
    if (slot.evictAt === undefined) continue;
    engine.spreading = true;
    if (slot.evictAt > now) dueAt(engine, slot.evictAt);
  }
}

/** One at a time: a server that just came back should not be asked by everybody at once. */
function keepalive<T>(engine: Engine<T>, now: number): void {
  const { settings, slots } = engine;
  if (!settings.canValidate || settings.keepaliveIntervalMs === Infinity || engine.closing || engine.pinging !== undefined) return;
  for (const slot of slots.idle.toArray()) {
    if (slot.state !== 'idle') continue;
    const due = slot.aliveAt + settings.keepaliveIntervalMs;
    if (due > now) {
      dueAt(engine, due);
    } else {
      engine.pinging = slot;
      slots.move(slot, slots.validating, now);
      engine.ports.validate(slot);
      return;
    }
  }
}

function reportLeaks<T>(engine: Engine<T>, now: number): void {
  const { leakThresholdMs, reclaim } = engine.settings;
  if (leakThresholdMs === Infinity) return;
  for (const hold of liveHolds(engine.slots)) {
    if (hold.ended || hold.leaked) continue;
    if (hold.since + leakThresholdMs > now) {
      dueAt(engine, hold.since + leakThresholdMs);
    } else {
      hold.leaked = true;
      engine.ports.leak(hold, now);
      if (reclaim && !hold.ended) engine.ports.revoke(hold, 'reclaimed', now);
    }
  }
}

/** The deadline of a close has passed: leases are revoked, creates are not waited for any more. */
function endRemaining<T>(engine: Engine<T>, now: number): void {
  engine.closeAt = Infinity;
  for (const hold of liveHolds(engine.slots)) {
    if (!hold.ended) engine.ports.revoke(hold, 'poolClosed', now);
  }
  for (const slot of engine.slots.abandoned.toArray()) engine.toGone(slot, now);
}
