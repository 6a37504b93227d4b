// All slots of a pool, partitioned by state: each state is a list, and `move` is the only way from one to another. Every number
// that the pool reports is the size of such a list, so there is no counter that could drift from the truth.

import { List } from './list.ts';
import type { Hold, Slot, SlotState } from './slot.ts';

/** All slots in one state. */
export class StateList<T> extends List<Slot<T>> {
  readonly state: SlotState;

  constructor(state: SlotState) {
    super();
    this.state = state;
  }
}

export class Slots<T> {
  readonly creating: StateList<T> = new StateList('creating');
  /** Creates that still run but whose result is not wanted any more (evicted or closed meanwhile). */
  readonly abandoned: StateList<T> = new StateList('abandoned');
  /** From least to most recently given back: the head is the first to age out, the tail the first to be lent (LIFO). */
  readonly idle: StateList<T> = new StateList('idle');
  readonly validating: StateList<T> = new StateList('validating');
  readonly resetting: StateList<T> = new StateList('resetting');
  readonly destroying: StateList<T> = new StateList('destroying');
  /**
   * `lent[k]`: resources with exactly k live leases; only those below `sharing` may take another. Index 0 is unused. Those that carry no
   * more than that stand in `full`.
   */
  readonly lent: readonly StateList<T>[];
  /** Lent, with as many leases as they can carry (or more, when that has become fewer), though `sharing` would allow another. */
  readonly full: StateList<T> = new StateList('lent');
  /** Lent, but not to be lent again: broken, outdated or over age while shared. */
  readonly leaving: StateList<T> = new StateList('leaving');
  /** Where slots stand that are outside; it keeps none of them. */
  readonly gone: StateList<T> = new StateList('gone');
  /** Everything in the pool, creating and destroying included: how many slots stand in a list. */
  size = 0;
  /** `lent[1]`. */
  readonly single: StateList<T>;
  /** No resource has fewer leases; a lower bound, so that looking for the least shared one does not start from 1 each time. */
  #fewest = 1;

  constructor(sharing: number) {
    this.lent = Array.from({ length: sharing + 1 }, () => new StateList<T>('lent'));
    this.single = this.lent[1]!;
  }

  get borrowed(): number {
    return this.size - this.idle.size - this.underWay;
  }

  /** Creates that run, wanted or not. */
  get pending(): number {
    return this.creating.size + this.abandoned.size;
  }

  /** Those on which a hook runs. */
  get underWay(): number {
    return this.creating.size + this.abandoned.size + this.validating.size + this.resetting.size + this.destroying.size;
  }

  /** Resources that exist and are meant to stay. */
  get alive(): number {
    return this.size - this.pending - this.destroying.size;
  }

  /** Moves a slot to another state, that is to the list of that state. */
  move(slot: Slot<T>, to: StateList<T>, now: number): void {
    const from = slot.list;
    if (from === this.gone) this.size++;
    else from.remove(slot);
    slot.list = to;
    slot.since = now;
    if (to === this.gone) this.size--;
    else to.push(slot);
  }

  /**
   * Lends an idle one. This and {@link rest} are a move written out, because they are what most acquires and releases consist of. They
   * leave `since` alone: nobody asks an idle or lent one for it.
   */
  lend(slot: Slot<T>): void {
    const list = this.lent.length === 2 || slot.capacity > 1 ? this.single : this.full;
    this.idle.remove(slot);
    slot.list = list;
    slot.leases = 1;
    this.#fewest = 1;
    list.push(slot);
  }

  /** Makes one idle that comes from elsewhere in the pool. */
  rest(slot: Slot<T>): void {
    slot.list.remove(slot);
    slot.list = this.idle;
    pushIdle(this.idle, slot);
  }

  /** Adds or ends one of several leases of a shared resource, or finds its place when what it can carry has changed. */
  share(slot: Slot<T>, leases: number, now: number): void {
    slot.leases = leases;
    if (slot.list === this.leaving) return;
    if (leases >= slot.capacity && leases < this.lent.length - 1) {
      this.move(slot, this.full, now);
      return;
    }
    if (leases < this.#fewest) this.#fewest = leases;
    this.move(slot, this.lent[leases]!, now);
  }

  /** The least shared resource that can carry one more lease. */
  leastShared(): Slot<T> | undefined {
    const { lent } = this;
    const full = lent.length - 1;
    while (this.#fewest < full && lent[this.#fewest]!.head === undefined) this.#fewest++;
    return this.#fewest < full ? lent[this.#fewest]!.head : undefined;
  }

  *borrowedSlots(): Generator<Slot<T>> {
    for (let k = 1; k < this.lent.length; k++) yield* this.lent[k]!.toArray();
    yield* this.full.toArray();
    yield* this.leaving.toArray();
  }

  /** Everything that exists and is meant to stay, in no particular order. */
  *aliveSlots(): Generator<Slot<T>> {
    yield* this.idle.toArray();
    yield* this.borrowedSlots();
    yield* this.validating.toArray();
    yield* this.resetting.toArray();
  }

  /** Everything that counts, what is on its way in or out included. */
  *present(): Generator<Slot<T>> {
    yield* this.aliveSlots();
    yield* this.creating.toArray();
    yield* this.abandoned.toArray();
    yield* this.destroying.toArray();
  }
}

/** Keeps `idle` sorted by idleSince: one that comes back from a keepalive takes its old place and does not look used. */
function pushIdle<T>(idle: StateList<T>, slot: Slot<T>): void {
  let after = idle.tail;
  while (after !== undefined && after.idleSince > slot.idleSince) after = after.prev;
  if (after === idle.tail) idle.push(slot);
  else idle.insertAfter(slot, after);
}

/** The live leases as they stand now: reporting one calls listeners, which may end others. */
export function liveHolds<T>(slots: Slots<T>): Hold<T>[] {
  const all: Hold<T>[] = [];
  for (const slot of slots.borrowedSlots()) for (let hold = slot.holds; hold !== undefined; hold = hold.next) all.push(hold);
  return all;
}
