// All slots of a pool, partitioned by state: each state is a list, and `move` is the only way from one to another. Every number
// that the pool reports is the size of such a list, so there is no counter that could drift from the truth.

import { List } from './list.ts';
import type { Slot, SlotState } from './slot.ts';

export class Slots<T> {
  readonly creating = new List<Slot<T>>();
  /** Creates that still run but whose result is not wanted any more (evicted or closed meanwhile). */
  readonly abandoned = new List<Slot<T>>();
  /** From least to most recently given back: the head is the first to age out, the tail the first to be lent (LIFO). */
  readonly idle = new List<Slot<T>>();
  readonly validating = new List<Slot<T>>();
  readonly resetting = new List<Slot<T>>();
  readonly destroying = new List<Slot<T>>();
  /** `lent[k]`: resources with exactly k live leases; only those below `sharing` may take another. Index 0 is unused. */
  readonly lent: readonly List<Slot<T>>[];
  /** Lent, but not to be lent again: broken, outdated or over age while shared. */
  readonly leaving = new List<Slot<T>>();

  constructor(sharing: number) {
    this.lent = Array.from({ length: sharing + 1 }, () => new List<Slot<T>>());
  }

  get borrowed(): number {
    const lent = this.lent;
    if (lent.length === 2) return lent[1]!.size;
    let sum = this.leaving.size;
    for (let k = 1; k < lent.length; k++) sum += lent[k]!.size;
    return sum;
  }

  /** Creates that run, wanted or not. */
  get pending(): number {
    return this.creating.size + this.abandoned.size;
  }

  /** Resources that exist and are meant to stay. */
  get alive(): number {
    return this.idle.size + this.borrowed + this.validating.size + this.resetting.size;
  }

  /** Everything in the pool, creating and destroying included. */
  get size(): number {
    return this.alive + this.pending + this.destroying.size;
  }

  /** Moves a slot to another state. A slot that becomes `lent` stands where its number of leases says. */
  move(slot: Slot<T>, to: SlotState, now: number): void {
    this.leave(slot);
    slot.state = to;
    slot.since = now;
    switch (to) {
      case 'creating': this.creating.push(slot); break;
      case 'abandoned': this.abandoned.push(slot); break;
      case 'idle': this.pushIdle(slot); break;
      case 'validating': this.validating.push(slot); break;
      case 'lent': this.lent[slot.leases]!.push(slot); break;
      case 'leaving': this.leaving.push(slot); break;
      case 'resetting': this.resetting.push(slot); break;
      case 'destroying': this.destroying.push(slot); break;
      case 'gone': break;
    }
  }

  /** Adds or ends one of several leases of a shared resource. */
  share(slot: Slot<T>, leases: number): void {
    if (slot.state === 'lent') {
      this.lent[slot.leases]!.remove(slot);
      this.lent[leases]!.push(slot);
    }
    slot.leases = leases;
  }

  /** The least shared resource that can carry one more lease. */
  leastShared(): Slot<T> | undefined {
    const lent = this.lent;
    for (let k = 1; k < lent.length - 1; k++) {
      const slot = lent[k]!.head;
      if (slot !== undefined) return slot;
    }
    return undefined;
  }

  *borrowedSlots(): Generator<Slot<T>> {
    for (let k = 1; k < this.lent.length; k++) yield* this.lent[k]!.toArray();
    yield* this.leaving.toArray();
  }

  /** Everything that exists and is meant to stay, in no particular order. */
  *aliveSlots(): Generator<Slot<T>> {
    yield* this.idle.toArray();
    yield* this.borrowedSlots();
    yield* this.validating.toArray();
    yield* this.resetting.toArray();
  }

  private leave(slot: Slot<T>): void {
    switch (slot.state) {
      case 'creating': this.creating.remove(slot); break;
      case 'abandoned': this.abandoned.remove(slot); break;
      case 'idle': this.idle.remove(slot); break;
      case 'validating': this.validating.remove(slot); break;
      case 'lent': this.lent[slot.leases]!.remove(slot); break;
      case 'leaving': this.leaving.remove(slot); break;
      case 'resetting': this.resetting.remove(slot); break;
      case 'destroying': this.destroying.remove(slot); break;
      case 'gone': break;
    }
  }

  /** Keeps `idle` sorted by idleSince: one that comes back from a keepalive takes its old place and does not look used. */
  private pushIdle(slot: Slot<T>): void {
    const idle = this.idle;
    let after = idle.tail;
    while (after !== undefined && after.idleSince > slot.idleSince) after = after.prev;
    if (after === idle.tail) idle.push(slot);
    else idle.insertAfter(slot, after);
  }
}
