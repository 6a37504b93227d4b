// Abort signals of waiters. One listener per signal, however many acquires wait on it: a listener each would make removing one a search
// through all (Node keeps them in a list), so that a signal shared by a hundred thousand waiters, say of a shutdown, would cost their
// square.
//
// No Map and no Set: one whose members come and go with every acquire is copied now and then, and each old copy points to the next. Once a
// copy has grown old, the collector of young objects keeps all that come after it, with everybody who ever stood in one.

import type { Ticket } from './ticket.ts';

/** The tickets that wait on a signal, in the order in which they came. */
interface Watch {
  readonly signal: AbortSignal;
  head: Watched | undefined;
  tail: Watched | undefined;
  listener: () => void;
}

/** A ticket's place at its signal. */
export interface Watched {
  readonly watch: Watch;
  readonly ticket: Ticket;
  prev: Watched | undefined;
  next: Watched | undefined;
}

const ONCE = { once: true } as const;

export class Aborts {
  readonly #watches = new WeakMap<AbortSignal, Watch>();
  readonly #onAbort: (ticket: Ticket, reason: unknown) => void;

  constructor(onAbort: (ticket: Ticket, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  /** `signal` has not aborted yet. */
  add(signal: AbortSignal, ticket: Ticket): void {
    const watch = this.#watches.get(signal) ?? this.#watch(signal);
    const watched: Watched = { watch, ticket, prev: watch.tail, next: undefined };
    if (watch.tail === undefined) watch.head = watched;
    else watch.tail.next = watched;
    watch.tail = watched;
    ticket.watched = watched;
  }

  remove(ticket: Ticket): void {
    const { watched } = ticket;
    if (watched === undefined) return;
    const { watch } = watched;
    leave(watched);
    if (watch.head === undefined) this.#forget(watch);
  }

  #watch(signal: AbortSignal): Watch {
    const watch: Watch = { signal, head: undefined, tail: undefined, listener: () => this.#aborted(watch) };
    this.#watches.set(signal, watch);
    signal.addEventListener('abort', watch.listener, ONCE);
    return watch;
  }

  #forget({ signal, listener }: Watch): void {
    this.#watches.delete(signal);
    signal.removeEventListener('abort', listener);
  }

  #aborted(watch: Watch): void {
    this.#watches.delete(watch.signal);
    // One after the other: who leaves may make room for another.
    for (let { head } = watch; head !== undefined; { head } = watch) {
      leave(head);
      this.#onAbort(head.ticket, watch.signal.reason);
    }
  }
}

function leave(watched: Watched): void {
  const { watch, prev, next } = watched;
  if (prev === undefined) watch.head = next;
  else prev.next = next;
  if (next === undefined) watch.tail = prev;
  else next.prev = prev;
  watched.prev = undefined;
  watched.next = undefined;
  watched.ticket.watched = undefined;
}
