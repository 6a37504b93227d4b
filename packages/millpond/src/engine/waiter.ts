// A waiter is an acquire that is not served yet. It stands in two lists at once: the queue of its lane, which decides when it is
// served, and the list of its timeout, which decides when it expires. Both are left in O(1), at any depth.

import type { Lane } from './lanes.ts';
import { List, type Linked } from './list.ts';

/** The runtime's ticket is one. */
export interface Waiter extends Linked<Waiter> {
  /** Neighbours with the same timeout. */
  sooner: Waiter | undefined;
  later: Waiter | undefined;
  /** Handing over is acknowledged: whoever finds this false keeps what it wanted to give. */
  waiting: boolean;
  readonly lane: Lane;
  readonly since: number;
  /** Whole or Infinity: see {@link Deadlines}. */
  readonly timeoutMs: number;
}

export function deadlineOf(waiter: Waiter): number {
  return waiter.since + waiter.timeoutMs;
}

interface Expiries { head: Waiter | undefined; tail: Waiter | undefined }

/**
 * The deadlines of all waiters. Waiters with the same timeout expire in the order in which they came, so there is one list a
 * distinct timeout and its head is its earliest; entering and leaving never search. Timeouts are whole milliseconds, which bounds
 * the number of lists by the longest timeout however oddly callers compute theirs. (Node's own timers are built on the same
 * observation.)
 */
export class Deadlines {
  readonly lists: Map<number, Expiries> = new Map();
  #recent: Expiries | undefined = undefined;
  #recentTimeout = -1;

  add(waiter: Waiter): void {
    if (waiter.timeoutMs === Infinity) return;
    const list = this.listFor(waiter.timeoutMs);
    const tail = list.tail;
    waiter.sooner = tail;
    if (tail === undefined) list.head = waiter;
    else tail.later = waiter;
    list.tail = waiter;
  }

  remove(waiter: Waiter): void {
    if (waiter.timeoutMs === Infinity) return;
    const list = this.listFor(waiter.timeoutMs);
    const { sooner, later } = waiter;
    if (sooner === undefined) list.head = later;
    else sooner.later = later;
    if (later === undefined) list.tail = sooner;
    else later.sooner = sooner;
    waiter.sooner = undefined;
    waiter.later = undefined;
  }

  /** The earliest deadline, or Infinity. Forgets timeouts that nobody uses any more. */
  earliest(): number {
    let earliest = Infinity;
    for (const [timeoutMs, list] of this.lists) {
      if (list.head === undefined) {
        if (list !== this.#recent) this.lists.delete(timeoutMs);
      } else {
        earliest = Math.min(earliest, deadlineOf(list.head));
      }
    }
    return earliest;
  }

  /** Hands every waiter whose deadline is at or before `now` to `each`, which must remove it. */
  expire(now: number, each: (waiter: Waiter) => void): void {
    for (const list of this.lists.values()) {
      while (list.head !== undefined && deadlineOf(list.head) <= now) each(list.head);
    }
  }

  private listFor(timeoutMs: number): Expiries {
    if (timeoutMs === this.#recentTimeout) return this.#recent!;
    let list = this.lists.get(timeoutMs);
    if (list === undefined) {
      list = { head: undefined, tail: undefined };
      this.lists.set(timeoutMs, list);
    }
    this.#recent = list;
    this.#recentTimeout = timeoutMs;
    return list;
  }
}

/** A queue of waiters: first come, first served. */
export class WaiterQueue extends List<Waiter> {}
