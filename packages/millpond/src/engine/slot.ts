// A slot is a place in the pool: from the moment a create starts until its resource is gone. Its state is the list it stands in
// (slots.ts), and only `Slots.move` changes it.

import type { Lane } from './lanes.ts';
import type { Linked } from './list.ts';
import type { StateList } from './slots.ts';
import type { DestroyReason } from './words.ts';

/**
 * `lent` and `leaving` have at least one live lease: together they are what the outside calls borrowed. A shared resource that may
 * not take another lease (broken, outdated, over age) is `leaving`. `abandoned` is a create that still runs though its result is not
 * wanted any more. `gone` is outside every list.
 */
export type SlotState = 'creating' | 'abandoned' | 'idle' | 'validating' | 'lent' | 'leaving' | 'resetting' | 'destroying' | 'gone';

/** One live lease, as far as the rules need to know it. The runtime's lease is one; with `sharing` a slot has several, linked. */
export interface Hold<T> extends Linked<Hold<T>> {
  readonly slot: Slot<T>;
  readonly lane: Lane;
  readonly since: number;
  /** Reported as a leak already. */
  leaked: boolean;
  readonly ended: boolean;
}

export class Slot<T> implements Linked<Slot<T>> {
  prev: Slot<T> | undefined = undefined;
  next: Slot<T> | undefined = undefined;
  /** The list of its state; only {@link Slots.move} changes it. */
  list: StateList<T>;
  resource: T | undefined = undefined;
  readonly id: number;
  /** The pool's generation it belongs to. An eviction with a spread takes it along into the new one until its turn. */
  generation: number;
  /** Which attempt in a row its create was, from 1. */
  readonly attempt: number;
  /** When it entered its state, if that is one in which a hook runs. */
  since: number;
  createdAt: number;
  /** When it was last given back (or created): what idleTimeoutMs counts from. */
  idleSince: number;
  /** When it was last known to be alive: the later of idleSince and its last good validation. */
  aliveAt: number;
  /** It was there during a freeze, when nobody could see it die: not to be lent again before it has answered. */
  suspect = false;
  /** Its end by maxLifetimeMs, jitter included. */
  expiresAt: number = Infinity;
  /** Its turn in an eviction with a spread, if there is one. */
  evictAt: number | undefined = undefined;
  uses = 0;
  /** What `uses` was when it was last validated: with another lease in between, that validation says nothing. */
  vouchedFor = -1;
  leases = 0;
  /** How many leases it can carry, if it has told; never less than 1. `sharing` is a limit besides. */
  capacity: number = Infinity;
  /** The first of its live leases. */
  holds: Hold<T> | undefined = undefined;
  /** Died while nobody was looking (`onLost`). */
  broken = false;
  /** It must end when nobody uses it any more, for this reason: evict({ where }), or a lease of a shared one was destroyed. */
  doom: DestroyReason | undefined = undefined;
  /** Why it is being destroyed; set with the state `destroying`. */
  reason: DestroyReason | undefined = undefined;
  /** What broke it, where that is known. */
  error: unknown = undefined;
  /** What the runtime keeps with it: the hook that runs, and how to stop listening for its loss. The rules never look. */
  hook: unknown = undefined;
  unsubscribe: (() => void) | undefined = undefined;
  /** Somebody waits for it to be at rest. */
  watched = false;

  constructor(list: StateList<T>, id: number, generation: number, attempt: number, now: number) {
    this.list = list;
    this.id = id;
    this.generation = generation;
    this.attempt = attempt;
    this.since = now;
    this.createdAt = now;
    this.idleSince = now;
    this.aliveAt = now;
  }

  get state(): SlotState {
    return this.list.state;
  }
}

/** It has just shown that it is alive. */
export function answered<T>(slot: Slot<T>, now: number): void {
  slot.aliveAt = now;
  slot.suspect = false;
}

/** Links a lease into its slot. */
export function addHold<T>(slot: Slot<T>, hold: Hold<T>): void {
  const first = slot.holds;
  hold.next = first;
  if (first !== undefined) first.prev = hold;
  slot.holds = hold;
}

/** Takes an ended lease out of its slot. */
export function removeHold<T>(slot: Slot<T>, hold: Hold<T>): void {
  const { prev, next } = hold;
  if (prev === undefined && next === undefined) {
    slot.holds = undefined;
    return;
  }
  if (prev === undefined) slot.holds = next;
  else prev.next = next;
  if (next !== undefined) next.prev = prev;
  hold.prev = undefined;
  hold.next = undefined;
}
