// Lanes: classes of callers that share one pool instead of splitting it into several.
//
// A lane below its share that has waiters goes first; that is the guarantee against starvation. Whatever is left is borrowed by whoever
// waits, in the order of connection time used in proportion to the share: a connection is held, not counted, so a lane whose leases last
// forty times longer has had forty times as much. A part of the pool (the headroom) is not borrowed while a higher lane is active, so
// that the higher lane, when it comes back, need not wait for somebody's long lease to end. Lanes rank in the order of their declaration.
//
// A pool without lanes has one lane with everything, and pays nothing for this file.

import { WaiterQueue } from './waiter.ts';

export interface LaneSettings {
  readonly name: string;
  readonly share: number;
  /** How many leases above its share it may hold. */
  readonly borrowLimit: number;
  /** May others borrow what it leaves unused of its share? */
  readonly lendable: boolean;
}

/** How long after its last acquire a lane still counts as active: the headroom is kept for it. */
const ACTIVE_FOR_MS = 60_000;

export class Lane {
  readonly queue: WaiterQueue = new WaiterQueue();
  readonly name: string;
  readonly rank: number;
  readonly share: number;
  readonly borrowLimit: number;
  readonly lendable: boolean;
  /** Live leases. */
  held = 0;
  /** When its newest acquire came. */
  lastAcquireAt: number;
  /** Lease time of its ended leases, in ms; raised when it becomes active, so that a silence earns no credit. */
  #usedMs = 0;
  /** Sum of the start times of its live leases: held × now − this is their age. */
  #startSum = 0;

  constructor(settings: LaneSettings, rank: number, now: number) {
    this.name = settings.name;
    this.rank = rank;
    this.share = settings.share;
    this.borrowLimit = settings.borrowLimit;
    this.lendable = settings.lendable;
    this.lastAcquireAt = now;
  }

  /** Lease time used, running leases included, in proportion to the share. */
  used(now: number): number {
    return (this.#usedMs + this.held * now - this.#startSum) / this.share;
  }

  /** Sets {@link used} to at least `least`; called when nothing is held. */
  catchUp(least: number): void {
    this.#usedMs = Math.max(this.#usedMs, least * this.share);
  }

  lent(now: number): void {
    this.held++;
    this.#startSum += now;
  }

  ended(since: number, now: number): void {
    this.held--;
    this.#startSum -= since;
    this.#usedMs += now - since;
  }

  activeUntil(): number {
    return this.held > 0 || this.queue.size > 0 ? Infinity : this.lastAcquireAt + ACTIVE_FOR_MS;
  }
}

export class Lanes {
  readonly all: readonly Lane[];
  readonly many: boolean;
  readonly #totalShare: number;
  readonly #headroom: number;

  constructor(settings: readonly LaneSettings[], headroom: number, now: number) {
    this.all = settings.map((lane, rank) => new Lane(lane, rank, now));
    this.many = this.all.length > 1;
    this.#totalShare = settings.reduce((sum, lane) => sum + lane.share, 0);
    this.#headroom = headroom;
  }

  /** Every acquire that is not served. */
  get waiting(): number {
    if (!this.many) return this.all[0]!.queue.size;
    let sum = 0;
    for (const lane of this.all) sum += lane.queue.size;
    return sum;
  }

  find(name: string): Lane | undefined {
    return this.all.find((lane) => lane.name === name);
  }

  /** A lane is about to acquire. */
  enter(lane: Lane, now: number): void {
    if (lane.held === 0 && lane.queue.size === 0) {
      let least = Infinity;
      for (const other of this.all) {
        if (other !== lane && (other.held > 0 || other.queue.size > 0)) least = Math.min(least, other.used(now));
      }
      if (least !== Infinity) lane.catchUp(least);
    }
    lane.lastAcquireAt = now;
  }

  /** The lane whose head is served next, if something is free for it. `capacity`: how many leases the pool can carry. */
  next(now: number, capacity: number): Lane | undefined {
    if (!this.many) return this.all[0]!.queue.size > 0 ? this.all[0] : undefined;
    return this.#belowShare(capacity) ?? this.#leastUsedBorrower(now, capacity);
  }

  /** May this lane hold one more, its waiters aside? */
  mayHold(lane: Lane, now: number, capacity: number): boolean {
    return lane.held < this.#guaranteed(lane, capacity) || this.#mayBorrow(lane, now, capacity);
  }

  /** How many of the waiters the rules would serve if the pool were filled up. Only these justify creating. */
  servable(now: number, capacity: number): number {
    if (!this.many) return this.all[0]!.queue.size;
    let free = capacity - this.#held();
    let sum = 0;
    const rests = this.all.map((lane) => {
      const owed = Math.ceil(this.#guaranteed(lane, capacity) - lane.held);
      const first = Math.min(lane.queue.size, Math.max(0, owed));
      sum += first;
      free -= first;
      return lane.queue.size - first;
    });
    for (const lane of this.all) {
      const limit = lane.borrowLimit - Math.max(0, lane.held - this.#guaranteed(lane, capacity));
      const room = Math.min(rests[lane.rank]!, limit, free - this.#kept(lane, now, capacity));
      if (room >= 1) {
        sum += Math.floor(room);
        free -= Math.floor(room);
      }
    }
    return sum;
  }

  /** Part of the pool's throughput that this lane can count on, given who waits. */
  portion(lane: Lane): number {
    if (!this.many) return 1;
    let shares = lane.share;
    for (const other of this.all) if (other !== lane && other.queue.size > 0) shares += other.share;
    return lane.share / shares;
  }

  /** When a waiting lane may get what was kept for a higher one that has fallen silent; Infinity when there is no such moment. */
  nextLapse(now: number): number {
    if (!this.many || this.waiting === 0) return Infinity;
    let lapse = Infinity;
    for (const lane of this.all) {
      const until = lane.activeUntil();
      if (until > now && until < lapse) lapse = until;
    }
    return lapse;
  }

  #held(): number {
    let sum = 0;
    for (const lane of this.all) sum += lane.held;
    return sum;
  }

  #guaranteed(lane: Lane, capacity: number): number {
    return (capacity * lane.share) / this.#totalShare;
  }

  #belowShare(capacity: number): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of this.all) {
      if (lane.queue.size === 0 || lane.held >= this.#guaranteed(lane, capacity)) continue;
      if (best === undefined || lane.held / lane.share < best.held / best.share) best = lane;
    }
    return best;
  }

  #leastUsedBorrower(now: number, capacity: number): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of this.all) {
      if (lane.queue.size === 0 || !this.#mayBorrow(lane, now, capacity)) continue;
      if (best === undefined || lane.used(now) < best.used(now)) best = lane;
    }
    return best;
  }

  #mayBorrow(lane: Lane, now: number, capacity: number): boolean {
    if (lane.held + 1 - this.#guaranteed(lane, capacity) > lane.borrowLimit) return false;
    return capacity - this.#held() - this.#kept(lane, now, capacity) >= 1;
  }

  /** What this lane must leave free: unlendable shares of others, and the headroom while a higher lane is active. */
  #kept(lane: Lane, now: number, capacity: number): number {
    let kept = 0;
    let higherActive = false;
    for (const other of this.all) {
      if (other === lane) continue;
      if (!other.lendable) kept += Math.max(0, this.#guaranteed(other, capacity) - other.held);
      if (other.rank < lane.rank && other.activeUntil() > now) higherActive = true;
    }
    if (!higherActive || this.#headroom === 0) return kept;
    return Math.max(kept, Math.max(1, Math.round(this.#headroom * capacity)));
  }
}
