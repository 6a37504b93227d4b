// What must hold of an engine whenever nothing is running in it: the invariants I1 to I12 of the contract, seen from inside. Tests and the
// simulator call this after every step; the engine itself never does. Each rule is worded anew from the contract instead of calling the
// code that implements it, because a check that shares code with what it checks shares its mistakes.
//
// The check that matters most is the last: for everything that is to happen by itself there must be a wake-up at or before its time. A
// pool that forgets to wake looks healthy in every number that it reports.

import type { Engine } from './engine.ts';
import { canSpare, hasTurn } from './fitness.ts';
import type { Lane } from './lanes.ts';
import type { Linked, List } from './list.ts';
import type { Slot } from './slot.ts';
import type { StateList } from './slots.ts';
import { deadlineOf, type Waiter } from './waiter.ts';

type Fault = (text: string) => void;

/** Everything that is wrong with an engine at rest at the time `now`; empty when all is well. */
export function checkEngine<T>(engine: Engine<T>, now: number): string[] {
  const faults: string[] = [];
  const fault: Fault = (text) => void faults.push(text);
  if (engine.dispatching || engine.again) fault('I1: a dispatch is running');
  if (engine.dirty) fault('I1: something begun outside a dispatch was not looked after');
  checkSlots(engine, now, fault);
  checkSize(engine, fault);
  checkWaiters(engine, now, fault);
  checkLanes(engine, fault);
  checkWork(engine, now, fault);
  checkSpread(engine, now, fault);
  checkTotals(engine, fault);
  if (engine.closing) checkClosing(engine, fault);
  if (!engine.closed) checkWakeUp(engine, now, fault);
  return faults;
}

// ------------------------------------------------------------------------- lists

/** The members of a list, after a look at its links. */
function membersOf<N extends Linked<N>>(list: List<N>, name: string, fault: Fault): N[] {
  const members: N[] = [];
  let before: N | undefined;
  for (let node = list.head; node !== undefined; node = node.next) {
    if (node.prev !== before) fault(`I1: a link of ${name} leads nowhere`);
    members.push(node);
    before = node;
    if (members.length > list.size) break;
  }
  if (members.length !== list.size) fault(`I1: ${name} has ${members.length} members and the size ${list.size}`);
  if (list.tail !== before) fault(`I1: the tail of ${name} is not its last member`);
  return members;
}

function checkSlots<T>(engine: Engine<T>, now: number, fault: Fault): void {
  const { slots, settings } = engine;
  const seen = new Set<number>();
  const lists: StateList<T>[] = [
    slots.creating, slots.abandoned, slots.idle, slots.validating, slots.resetting, slots.destroying, slots.leaving, slots.full,
    ...slots.lent,
  ];
  for (const list of lists) {
    let last: Slot<T> | undefined;
    for (const slot of membersOf(list, list.state, fault)) {
      if (slot.list !== list) fault(`I1: #${slot.id} stands in the list ${list.state}, and says ${slot.state}`);
      if (seen.has(slot.id) || slot.id >= engine.nextId) fault(`I1: the number ${slot.id} is taken twice or was never given`);
      if (slot.since > now) fault(`I1: #${slot.id} is ${list.state} since a time to come`);
      // The deadline of a state's list is that of its head.
      if (last !== undefined && !isLent(list.state) && list !== slots.idle && last.since > slot.since)
        fault(`I1: ${list.state} is out of order at #${slot.id}`);
      seen.add(slot.id);
      last = slot;
      checkHolds(slot, settings.sharing, fault);
    }
  }
  slots.lent.forEach((list, count) => {
    for (const slot of list.toArray()) {
      if (slot.leases !== count) fault(`I4: #${slot.id} stands among those with ${count} leases, and has ${slot.leases}`);
      if (count < settings.sharing && count >= slot.capacity)
        fault(`I4: #${slot.id} could be lent once more, and carries ${count} leases of ${slot.capacity}`);
    }
  });
  for (const slot of slots.full.toArray()) {
    if (slot.leases < slot.capacity || slot.leases >= settings.sharing)
      fault(`I4: #${slot.id} stands among the full with ${slot.leases} leases of ${slot.capacity}`);
  }
  checkIdle(engine, now, fault);
  if (engine.pinging !== undefined && engine.pinging.state !== 'validating')
    fault(`I1: the keepalive waits for #${engine.pinging.id}, which is ${engine.pinging.state}`);
}

function isLent(state: string): boolean {
  return state === 'lent' || state === 'leaving';
}

/** I4: leases only on lent resources, and no more than may be. */
function checkHolds<T>(slot: Slot<T>, sharing: number, fault: Fault): void {
  let holds = 0;
  for (let hold = slot.holds; hold !== undefined && holds <= slot.leases; hold = hold.next) {
    holds++;
    if (hold.slot !== slot) fault(`I4: #${slot.id} has a lease of #${hold.slot.id}`);
    if (hold.next !== undefined && hold.next.prev !== hold) fault(`I4: a link of the leases of #${slot.id} leads nowhere`);
  }
  const lent = isLent(slot.state);
  if (lent ? holds !== slot.leases || holds < 1 : holds > 0)
    fault(`I4: #${slot.id} is ${slot.state} with ${holds} leases (${slot.leases} counted)`);
  if (holds > sharing) fault(`I4: #${slot.id} has ${holds} leases of at most ${sharing}`);
  if (slot.watched && slot.state !== 'resetting' && slot.state !== 'destroying')
    fault(`I1: #${slot.id} is ${slot.state} and still waited for`);
  if (slot.state === 'destroying' && slot.reason === undefined) fault(`I8: #${slot.id} is destroyed without a reason`);
}

/** What lies idle may be lent as far as is known, and lies in the order of its last use. */
function checkIdle<T>(engine: Engine<T>, now: number, fault: Fault): void {
  let last = -Infinity;
  if (isResting(engine) && engine.slots.idle.size > 0) fault(`I9: ${engine.slots.idle.size} lie idle in a pool that was told to be quiet`);
  for (const slot of engine.slots.idle.toArray()) {
    if (slot.idleSince < last) fault(`I1: idle is out of order at #${slot.id}`);
    last = slot.idleSince;
    if (slot.broken || slot.doom !== undefined || slot.generation !== engine.generation)
      fault(`I9: #${slot.id} lies idle and may not be lent`);
    if (slot.uses >= engine.settings.maxUses) fault(`I9: #${slot.id} lies idle after ${slot.uses} uses`);
    if (slot.aliveAt < slot.idleSince || slot.aliveAt > now)
      fault(`I9: #${slot.id} was seen alive at ${slot.aliveAt}, idle since ${slot.idleSince}`);
  }
}

/** After a quiesce, until the next acquire, and with nobody left who waited before it. */
function isResting<T>(engine: Engine<T>): boolean {
  return engine.quiet && engine.waiting === 0 && !engine.closing;
}

/** `min`, as far as it counts now. */
function leastOf<T>({ quiet, settings, limit }: Engine<T>): number {
  return quiet ? 0 : Math.min(settings.min, limit);
}

/** I1: never more than may be; a create that is over the limit runs on, an idle resource does not stay. */
function checkSize<T>(engine: Engine<T>, fault: Fault): void {
  const { slots, settings, limit } = engine;
  const parts = slots.idle.size + slots.borrowed + slots.creating.size + slots.abandoned.size + slots.validating.size
    + slots.resetting.size + slots.destroying.size;
  if (parts !== slots.size) fault(`I1: the states have ${parts} slots, the pool ${slots.size}`);
  if (!engine.closing && staying(engine) > limit && slots.idle.size > 0)
    fault(`I1: ${slots.idle.size} idle with ${staying(engine)} of at most ${limit}`);
  if (slots.pending > settings.maxCreating) fault(`I7: ${slots.pending} creates at once`);
}

function staying<T>({ slots }: Engine<T>): number {
  return slots.idle.size + slots.borrowed + slots.validating.size + slots.resetting.size + slots.creating.size;
}

function countedOf<T>({ slots, settings }: Engine<T>): number {
  return settings.strictMax ? slots.size : slots.size - slots.destroying.size;
}

// ----------------------------------------------------------------------- waiters

/** I5 and I6: every waiter stands once in its queue, in the order of arrival, and once among the deadlines, and none is overdue. */
function checkWaiters<T>(engine: Engine<T>, now: number, fault: Fault): void {
  let finite = 0;
  let earliest = Infinity;
  for (const lane of engine.lanes.all) {
    let last = -Infinity;
    for (const waiter of membersOf(lane.queue, `the queue of ${lane.name}`, fault)) {
      if (!waiter.waiting) fault(`I5: somebody in the queue of ${lane.name} does not wait`);
      if (waiter.lane !== lane) fault(`I6: somebody of ${waiter.lane.name} waits in ${lane.name}`);
      if (waiter.since < last) fault(`I6: the queue of ${lane.name} is out of order`);
      last = waiter.since;
      if (deadlineOf(waiter) <= now) fault(`I5: somebody waits since ${waiter.since} with the deadline ${deadlineOf(waiter)}`);
      if (waiter.timeoutMs !== Infinity) finite++;
      earliest = Math.min(earliest, deadlineOf(waiter));
    }
  }
  if (engine.expiryAt > earliest) fault(`I5: the first waiter expires at ${earliest}, not at ${engine.expiryAt}`);
  const listed: Waiter[] = [];
  for (const { head } of engine.deadlines.lists.values()) for (let each = head; each !== undefined; each = each.later) listed.push(each);
  if (listed.length !== finite) fault(`I5: ${finite} waiters have a deadline, and ${listed.length} deadlines are kept`);
  listed.forEach((waiter, index) => checkDeadline(waiter, listed[index + 1], fault));
}

function checkDeadline(waiter: Waiter, next: Waiter | undefined, fault: Fault): void {
  if (!waiter.waiting) fault('I5: a deadline is kept for somebody who does not wait');
  if (next !== waiter.later && waiter.later !== undefined) fault('I5: a link of the deadlines leads nowhere');
  if (waiter.later !== undefined && (deadlineOf(waiter.later) < deadlineOf(waiter) || waiter.later.sooner !== waiter))
    fault('I5: deadlines are out of order');
}

/** I6: what a lane holds is what its leases say. (A pool with one lane does not count.) */
function checkLanes<T>(engine: Engine<T>, fault: Fault): void {
  if (!engine.lanes.many) return;
  const held = new Map<Lane, number>();
  for (const slot of engine.slots.borrowedSlots()) {
    for (let hold = slot.holds; hold !== undefined; hold = hold.next) held.set(hold.lane, (held.get(hold.lane) ?? 0) + 1);
  }
  for (const lane of engine.lanes.all) {
    // A lease outlives the pool's care when another of the same resource was detached; only then may a lane hold more.
    const counted = held.get(lane) ?? 0;
    if (lane.held < counted || (engine.totals.detached === 0 && lane.held !== counted))
      fault(`I6: ${lane.name} holds ${counted} leases and counts ${lane.held}`);
  }
}

// -------------------------------------------------------------------------- work

/** I2, I3 and the deficit of `min`: nothing lies idle and no room stays empty while somebody needs it. */
function checkWork<T>(engine: Engine<T>, now: number, fault: Fault): void {
  const { slots, settings } = engine;
  if (engine.closing || engine.paused !== false) return;
  const waiting = engine.waiting;
  const entitled = engine.lanes.next(now, engine.lanes.many ? engine.capacity : 0) !== undefined;
  if (entitled && waiting > slots.validating.size && slots.idle.size > 0) fault(`I2: ${waiting} wait beside ${slots.idle.size} idle`);
  if (entitled && settings.sharing > 1 && mayShare(engine, now)) fault(`I2: ${waiting} wait, and a resource could carry one more lease`);
  if (engine.probeAt !== undefined) {
    const alive = staying(engine) - slots.creating.size;
    if (settings.breaker === undefined || alive > 0) fault(`I3: the breaker is open with ${alive} alive`);
    return;
  }
  if (countedOf(engine) >= engine.limit || slots.pending >= settings.maxCreating) return;
  const backing = slots.creating.size + slots.validating.size;
  const held = now < engine.backoff.retryAt;
  const wanted = Math.ceil(engine.lanes.servable(now, engine.lanes.many ? engine.capacity : 0) / settings.sharing);
  // Without retries a failure is told to who waits, unless it is one of those that nobody is told of: resources that die unused.
  const paced = settings.retryForWaiters || engine.backoff.permanent || engine.backoff.stillborns > settings.max;
  if (wanted > backing && !(held && paced))
    fault(`I3: ${wanted} are wanted, and ${backing} on their way`);
  if (!held && settings.fill && staying(engine) < leastOf(engine))
    fault(`I3: ${staying(engine)} of min ${settings.min}, and none on its way`);
}

function mayShare<T>(engine: Engine<T>, now: number): boolean {
  const { slots, settings } = engine;
  for (let count = 1; count < settings.sharing; count++) {
    for (const slot of slots.lent[count]!.toArray()) {
      const current = slot.generation === engine.generation && slot.expiresAt > now;
      if (!slot.broken && slot.doom === undefined && current && slot.uses < settings.maxUses
        && !(settings.canBreak && engine.ports.isBroken(slot))) return true;
    }
  }
  return false;
}

/** Rule 15: whose turn has come in an eviction with a spread goes as soon as it can be spared. */
function checkSpread<T>(engine: Engine<T>, now: number, fault: Fault): void {
  if (engine.closing) return;
  for (const slot of engine.slots.aliveSlots()) {
    if (slot.evictAt !== undefined && !engine.spreading) fault(`I9: the turn of #${slot.id} to be evicted is forgotten`);
    if (slot.state === 'idle' && hasTurn(slot, now) && canSpare(engine)) fault(`I9: #${slot.id} lies idle after its turn to be evicted`);
  }
}

/** I11: nothing asked for, made or unmade gets lost in the books. */
function checkTotals<T>(engine: Engine<T>, fault: Fault): void {
  const { totals, slots } = engine;
  const settled = totals.served + totals.timedOut + totals.aborted + totals.rejected;
  if (totals.acquires !== settled + engine.waiting)
    fault(`I11: ${totals.acquires} acquires, ${settled} settled, ${engine.waiting} waiting`);
  const destroyed = Object.values(totals.destroyed).reduce((sum, count) => sum + count, 0);
  const present = slots.size - slots.pending;
  if (totals.created !== destroyed + totals.detached + present) {
    fault(`I11: ${totals.created} created, ${destroyed} destroyed, ${totals.detached} detached, ${present} present`);
  }
}

/** I12: a pool that closes lends, creates and keeps nothing. */
function checkClosing<T>(engine: Engine<T>, fault: Fault): void {
  const { slots } = engine;
  const kept = slots.idle.size + slots.validating.size + slots.resetting.size + slots.creating.size;
  if (engine.waiting > 0) fault(`I12: ${engine.waiting} wait at a pool that closes`);
  if (kept > 0)
    fault(`I12: ${kept} kept: ${slots.idle.size} idle, ${slots.validating.size} validating, ${slots.resetting.size} resetting`);
  if (!engine.closed && slots.size === 0) fault('I12: empty and not closed');
  if (engine.closed && engine.wakeAt !== Infinity && slots.size === 0) fault(`I12: closed, with a wake-up at ${engine.wakeAt}`);
  if (engine.closed && slots.size > slots.destroying.size) fault(`I12: closed, with ${slots.size - slots.destroying.size} resources`);
}

// ---------------------------------------------------------------------- wake-ups

/** The worst fault of all: something is to happen by itself, and nothing will wake the engine in time. */
function checkWakeUp<T>(engine: Engine<T>, now: number, fault: Fault): void {
  const promise = (what: string, atMs: number): void => {
    if (engine.wakeAt <= Math.max(atMs, now)) return;
    fault(`wake-up: ${what} is due at ${atMs}, and the engine wakes at ${engine.wakeAt} (now ${now})`);
  };
  for (const lane of engine.lanes.all) {
    for (let waiter = lane.queue.head; waiter !== undefined; waiter = waiter.next) promise('a deadline', deadlineOf(waiter));
  }
  promiseHooks(engine, promise);
  promiseAgeing(engine, now, promise);
  promiseWatch(engine, now, promise);
  if (engine.closing) {
    if (slotsHeld(engine)) promise('the end of the close', engine.closeAt);
    return;
  }
  if (engine.paused !== false || isResting(engine)) return;
  if (engine.probeAt !== undefined) {
    if (engine.slots.pending === 0 && countedOf(engine) < engine.limit) promise('a probe', engine.probeAt);
  } else if (engine.backoff.retryAt > now && wantsRetry(engine)) {
    promise('a retry', engine.backoff.retryAt);
  }
}

function slotsHeld<T>({ slots }: Engine<T>): boolean {
  return slots.borrowed + slots.abandoned.size > 0;
}

function promiseHooks<T>(engine: Engine<T>, promise: (what: string, atMs: number) => void): void {
  const { slots, settings } = engine;
  const limits = [
    [slots.creating, settings.createTimeoutMs], [slots.abandoned, settings.createTimeoutMs], [slots.validating, settings.validateTimeoutMs],
    [slots.resetting, settings.resetTimeoutMs], [slots.destroying, settings.destroyTimeoutMs],
  ] as const;
  for (const [list, timeoutMs] of limits) {
    for (const slot of list.toArray()) promise(`the end of ${list.state} #${slot.id}`, Math.max(slot.since + timeoutMs, engine.graceUntil));
  }
}

/** What comes with age: retirement, keepalive, the turn in an eviction, a leak report. */
function promiseAgeing<T>(engine: Engine<T>, now: number, promise: (what: string, atMs: number) => void): void {
  const { slots, settings } = engine;
  let spare = slots.idle.size + slots.borrowed + slots.validating.size + slots.resetting.size - leastOf(engine);
  for (const slot of slots.aliveSlots()) if (hasTurn(slot, now)) spare--;
  for (const slot of slots.idle.toArray()) {
    promise(`the retirement of #${slot.id}`, slot.expiresAt);
    if (spare-- > 0) promise(`the idle timeout of #${slot.id}`, slot.idleSince + settings.idleTimeoutMs);
    if (settings.canValidate && engine.pinging === undefined)
      promise(`the keepalive of #${slot.id}`, slot.aliveAt + settings.keepaliveIntervalMs);
  }
  if (engine.closing) return;
  for (const slot of slots.aliveSlots()) {
    if (slot.evictAt !== undefined && slot.evictAt > now) promise(`the turn of #${slot.id} to be evicted`, slot.evictAt);
    for (let hold = slot.holds; hold !== undefined; hold = hold.next) {
      if (!hold.leaked) promise(`the leak report of #${slot.id}`, hold.since + settings.leakThresholdMs);
    }
  }
}

/** A freeze is told by a wake-up that comes late. Whatever is lent may have been lent since the last dispatch, so not before its time. */
function promiseWatch<T>({ slots, settings, closing }: Engine<T>, now: number, promise: (what: string, atMs: number) => void): void {
  const drops = !settings.canValidate && settings.flushOnStale;
  if (closing || (!settings.canValidate && !drops)) return;
  const idlesUnseen = slots.idle.size > 0 && (drops || settings.validateAfterIdleMs > 1_000);
  if (slots.borrowed > 0 || idlesUnseen) promise('a look at the time', now + 1_000);
}

/** Somebody needs a resource, there is room for one, and only the delay after a failure holds it back. */
function wantsRetry<T>(engine: Engine<T>): boolean {
  const { slots, settings } = engine;
  if (countedOf(engine) >= engine.limit || slots.pending >= settings.maxCreating) return false;
  const wanted = Math.ceil(engine.lanes.servable(engine.backoff.retryAt, engine.lanes.many ? engine.capacity : 0) / settings.sharing);
  return wanted > slots.creating.size + slots.validating.size || staying(engine) < leastOf(engine);
}
