// The one dispatch. It runs after every change of state and works from state alone: (a) waiters whose deadline passed are told, (b) waiters
// and idle resources are brought together, (c) what demand, `min` and the limit ask for is created or retired. Then the next wake-up is
// set.
//
// Ports may call the engine back in the middle (a factory that answers at once, a listener that acquires): such a call finds
// `dispatching` set, changes its state, asks for another round and returns; each step below therefore reads the state afresh.

import { holdsStill, missingCreates } from './demand.ts';
import type { Engine } from './engine.ts';
import { canSpare, hasTurn, overReason, unfit } from './fitness.ts';
import { Slot } from './slot.ts';
import { liveHolds } from './slots.ts';
import type { Lane } from './lanes.ts';
import { nextDue, noticeFreeze, watch } from './maintenance.ts';
import type { Waiter } from './waiter.ts';
import type { DestroyReason } from './words.ts';

export function dispatch<T>(engine: Engine<T>, now: number): void {
  if (engine.dispatching) {
    engine.again = true;
    return;
  }
  noticeFreeze(engine, now);
  engine.dispatching = true;
  try {
    do {
      engine.again = false;
      engine.dirty = false;
      expire(engine, now);
      if (engine.budgeted) recall(engine, now);
      if (!engine.closing) {
        match(engine, now);
        retireSurplus(engine, now);
        replenish(engine, now);
      }
    } while (engine.again);
  } finally {
    engine.dispatching = false;
  }
  announce(engine);
  if (engine.waiting === 0) engine.expiryAt = Infinity;
  watch(engine, now);
  // What is overdue is due now: a wake-up that was asked for in the past would pass for one that comes late.
  const due = Math.max(nextDue(engine, now), now);
  if (due !== engine.wakeAt) {
    engine.wakeAt = due;
    engine.ports.wakeAt(due);
  }
}

/**
 * What a dispatch would do for somebody who has just come to wait at a pool that {@link isFull}: nothing, apart from the wake-up. Most
 * acquires under load are this one.
 */
export function arrive<T>(engine: Engine<T>, now: number): void {
  if (!isSettled(engine, now) || !isFull(engine)) {
    dispatch(engine, now);
  } else if (engine.expiryAt < engine.wakeAt) {
    engine.wakeAt = engine.expiryAt;
    engine.ports.wakeAt(engine.expiryAt);
  }
}

/**
 * What a dispatch would do with a resource that is fit to be lent again when its pool {@link isFull}: it goes to the head of the queue,
 * the only one who can get it, without becoming idle on the way. False: it is not as simple as that.
 */
export function passOn<T>(engine: Engine<T>, slot: Slot<T>, now: number): boolean {
  const { queue } = engine.lanes.all[0]!;
  const waiter = queue.head;
  if (waiter === undefined || engine.paused !== false || !isSettled(engine, now) || !isFull(engine)) return false;
  // Whoever was asked whether it is fit may have called the pool.
  if (engine.closing || slot.doom !== undefined || slot.generation !== engine.generation) return false;
  // Back from leaving: it may be shared again, which only one that has been idle is. Suspect: it has to answer first.
  const { destroying, leaving } = engine.slots;
  // With more leases than it can carry by now, it is to carry one less.
  if (slot.list === leaving || slot.suspect || slot.leases > slot.capacity) return false;
  const leavers = destroying.size;
  slot.uses++;
  // Serving calls listeners, and those the pool.
  engine.dispatching = true;
  handOver(engine, waiter, slot, now);
  engine.dispatching = false;
  if (queue.size === 0) engine.expiryAt = Infinity;
  if (engine.again || destroying.size !== leavers) dispatch(engine, now);
  return true;
}

/** Everything that could be done has been, and there is one lane and no budget: only what is about to change has consequences. */
function isSettled<T>(engine: Engine<T>, now: number): boolean {
  return engine.plain && !engine.dispatching && !engine.dirty && now < engine.expiryAt;
}

/** Only a return can serve anybody: there is no room for another resource, none is idle and none could carry one more lease. */
function isFull<T>(engine: Engine<T>): boolean {
  const { slots } = engine;
  return slots.idle.head === undefined && engine.counted >= engine.settings.max && slots.leastShared() === undefined;
}

function expire<T>(engine: Engine<T>, now: number): void {
  if (now < engine.expiryAt) return;
  engine.deadlines.expire(now, (waiter) => engine.refuse(waiter, { kind: 'timeout' }, now));
  engine.expiryAt = engine.deadlines.earliest();
}

function match<T>(engine: Engine<T>, now: number): void {
  const { slots, settings } = engine;
  while ((slots.idle.size > 0 || settings.sharing > 1) && laneToServe(engine, now) !== undefined) {
    const slot = takeProved(engine, now) ?? pickIdle(engine, now, true);
    if (slot === undefined) return;
    // Asked again: picking may have called hooks, and those the pool.
    const lane = laneToServe(engine, now);
    if (lane === undefined) return;
    serveHead(engine, lane, slot, now);
  }
}

/** It comes back to its old place among the idle, which need not be where the next one is taken from. */
function takeProved<T>(engine: Engine<T>, now: number): Slot<T> | undefined {
  const slot = engine.proved;
  engine.proved = undefined;
  return slot?.list === engine.slots.idle && isTrusted(engine, slot, now) && unfit(engine, slot, now) === undefined ? slot : undefined;
}

function laneToServe<T>(engine: Engine<T>, now: number): Lane | undefined {
  return engine.paused === false ? engine.lanes.next(now, engine.lanes.many ? engine.capacity : 0) : undefined;
}

/** The giver keeps the resource when there is nobody (any more) to take it: it simply stays where it is. */
function serveHead<T>(engine: Engine<T>, lane: Lane, slot: Slot<T>, now: number): void {
  const waiter = lane.queue.head;
  if (waiter === undefined) return;
  engine.lend(slot, now);
  handOver(engine, waiter, slot, now);
}

function handOver<T>(engine: Engine<T>, waiter: Waiter, slot: Slot<T>, now: number): void {
  const waited = now - waiter.since;
  engine.unlink(waiter);
  engine.totals.waitMs += waited;
  engine.totals.served++;
  engine.shedding?.served(waited, now);
  engine.ports.serve(waiter, slot, now);
}

/**
 * A resource that may be lent now: the most recently used idle one (or the least, by `idleOrder`), else the least shared one. Those that
 * may not be lent any more leave on the way; for waiters, those that need it are sent to be validated, one a waiter.
 */
export function pickIdle<T>(engine: Engine<T>, now: number, forWaiters: boolean): Slot<T> | undefined {
  const { settings } = engine;
  const { idle } = engine.slots;
  for (;;) {
    const slot = settings.lifo ? idle.tail : idle.head;
    if (slot === undefined) break;
    const reason = unfit(engine, slot, now);
    if (reason === undefined && (!settings.canValidate || isTrusted(engine, slot, now))) return slot;
    if (!passOver(engine, slot, reason, forWaiters, now)) break;
  }
  return settings.sharing > 1 ? pickShared(engine, now) : undefined;
}

/** This idle one may not be lent now. True: it is not idle any more. */
function passOver<T>(engine: Engine<T>, slot: Slot<T>, reason: DestroyReason | undefined, forWaiters: boolean, now: number): boolean {
  const { idle, validating } = engine.slots;
  // Whoever was asked whether it is fit has seen to it.
  if (slot.list !== idle) return true;
  if (reason !== undefined) {
    engine.destroy(slot, reason, now);
  } else {
    if (!forWaiters || validating.size >= engine.waiting) return false;
    engine.slots.move(slot, validating, now);
    engine.ports.validate(slot);
  }
  return true;
}

function pickShared<T>(engine: Engine<T>, now: number): Slot<T> | undefined {
  for (;;) {
    const slot = engine.slots.leastShared();
    if (slot === undefined) return undefined;
    // A suspect one cannot answer while others use it: it has to come back first.
    if (unfit(engine, slot, now) === undefined && slot.uses < engine.settings.maxUses && !slot.suspect) return slot;
    engine.slots.move(slot, engine.slots.leaving, now);
  }
}

/** Known to be alive recently enough, and not through a freeze. */
function isTrusted<T>(engine: Engine<T>, slot: Slot<T>, now: number): boolean {
  if (engine.settings.validateOnAcquire) return slot.vouchedFor === slot.uses && slot.aliveAt >= now;
  return now - slot.aliveAt <= engine.settings.validateAfterIdleMs && !slot.suspect;
}

/** After a shrink, after a quiesce, and at their turn in an eviction with a spread: idle ones go now, borrowed ones when they come back. */
function retireSurplus<T>(engine: Engine<T>, now: number): void {
  const { idle } = engine.slots;
  engine.budgetSeenAt = now;
  while (idle.head !== undefined && engine.staying > engine.limit) engine.destroy(idle.head, overReason(engine), now);
  while (idle.head !== undefined && engine.quiet && engine.waiting === 0) engine.destroy(idle.head, 'evicted', now);
  if (!engine.spreading) return;
  for (const slot of idle.toArray()) {
    if (slot.state === 'idle' && hasTurn(slot, now) && canSpare(engine)) engine.destroy(slot, 'evicted', now);
  }
}

/**
 * What the budget lets nobody keep goes before anybody is served, what is on its way before what is lent; of the leases those that have
 * the least to lose.
 */
function recall<T>(engine: Engine<T>, now: number): void {
  const kept = engine.ports.budget.kept();
  if (engine.staying <= kept) return;
  clear(engine, kept, 'recalled', now);
  for (const hold of liveHolds(engine.slots).sort((a, b) => b.since - a.since)) {
    if (engine.staying > kept && !hold.ended) engine.ports.revoke(hold, 'recalled', now);
  }
}

/** What nobody holds goes until no more than `kept` stay: first what is idle, then what is on its way. */
export function clear<T>(engine: Engine<T>, kept: number, reason: DestroyReason, now: number): void {
  const { slots } = engine;
  for (const list of [slots.idle, slots.creating, slots.validating, slots.resetting]) {
    for (const slot of list.toArray()) {
      // Whoever was told of the one before may have called the pool.
      if (engine.staying <= kept || slot.list !== list) continue;
      engine.interrupt(slot);
      if (list === slots.creating) abandon(engine, slot);
      else engine.destroy(slot, reason, now);
    }
  }
}

function replenish<T>(engine: Engine<T>, now: number): void {
  if (holdsStill(engine)) return;
  if (engine.probeAt !== undefined) {
    probe(engine, now);
    return;
  }
  const { slots, settings } = engine;
  if (!engine.budgeted && engine.counted >= settings.max) return;
  let missing = missingCreates(engine, now);
  while (missing > 0 && !engine.again && engine.counted < engine.limit && slots.pending < settings.maxCreating) {
    startCreate(engine, now);
    missing = missingCreates(engine, now);
  }
  if (missing > 0 && engine.counted >= engine.limit && engine.limit < settings.max) engine.ports.budget.tell('want');
}

function probe<T>(engine: Engine<T>, now: number): void {
  if (now < engine.probeAt! || engine.slots.pending > 0 || engine.counted >= engine.limit) return;
  engine.probeAt = now + engine.settings.breaker!.probeIntervalMs;
  startCreate(engine, now);
}

/** The result of this create is not wanted any more. It still counts until it has ended. */
export function abandon<T>(engine: Engine<T>, slot: Slot<T>): void {
  if (slot.state !== 'creating') return;
  engine.slots.move(slot, engine.slots.abandoned, slot.since);
  engine.ports.giveUp(slot, 'create', false);
}

function startCreate<T>(engine: Engine<T>, now: number): void {
  const slot = new Slot<T>(engine.slots.gone, engine.nextId++, engine.generation, engine.backoff.attempt, now);
  engine.slots.move(slot, engine.slots.creating, now);
  engine.ports.create(slot);
}

function announce<T>(engine: Engine<T>): void {
  if (engine.closing && engine.slots.size === 0) {
    engine.closed = true;
    engine.closeAt = Infinity;
  }
  const to = engine.state;
  const from = engine.lastState;
  if (to === from) return;
  engine.lastState = to;
  engine.ports.stateChanged(from, to);
}
