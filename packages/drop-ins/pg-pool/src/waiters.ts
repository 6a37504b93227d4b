// Those who wait for a client, in the order in which they came. The links are in the waiters: a Set with a member added and deleted per
// call is copied by V8 now and then, and once one of its old copies has been promoted, so is all that comes after it.

import { AsyncResource } from 'node:async_hooks';
import type { DriverClient } from './driver.ts';
import type { Done } from './types.ts';

export type Borrowed = (error: unknown, client?: DriverClient, done?: Done) => void;

/** In a ring; alone, in one of its own. */
class Link {
  prev: Link = this;
  next: Link = this;
}

/** Somebody who waits for a client. */
export class Waiter extends Link {
  readonly settle: Borrowed;
  /** The async context of who asked: what is done with the client is theirs, and so is a connect. */
  readonly scope: AsyncResource = new AsyncResource('pg-pool');
  /** To somebody outside of the pool, who gets a handle if there are any. */
  readonly away: boolean;
  /** How many connects had begun when it came. */
  readonly begun: number;
  /** Somebody wants to know when it has left. */
  onLeft: (() => void) | undefined = undefined;

  constructor(settle: Borrowed, away: boolean, begun: number) {
    super();
    this.settle = settle;
    this.away = away;
    this.begun = begun;
  }
}

/** The ring of all, and the place in it where the last meets the first. */
export class Waiters extends Link {
  add(waiter: Waiter): void {
    const { prev } = this;
    waiter.prev = prev;
    waiter.next = this;
    prev.next = waiter;
    this.prev = waiter;
  }

  /** False: it had left before, and has been told. */
  delete(waiter: Waiter): boolean {
    const { prev, next } = waiter;
    if (next === waiter) return false;
    prev.next = next;
    next.prev = prev;
    // What has grown old must not keep what comes after it.
    waiter.prev = waiter;
    waiter.next = waiter;
    waiter.onLeft?.();
    return true;
  }

  /** As they stand now, oldest first. */
  toArray(): Waiter[] {
    const all: Waiter[] = [];
    for (let link = this.next; link !== this; link = link.next) all.push(link as Waiter);
    return all;
  }
}
