// Abort signals of waiters. One listener per signal, however many acquires wait on it: a listener each would make removing one a search
// through all (Node keeps them in a list), so that a signal shared by a hundred thousand waiters, say of a shutdown, would cost their
// square.
//
// No Map and no Set: one whose members come and go with every acquire is copied now and then, and each old copy points to the next. Once a
// copy has grown old, the collector of young objects keeps all that come after it, with everybody who ever stood in one.

import { List, type Linked } from '../engine/list.ts';
import type { Ticket } from './ticket.ts';

/** The tickets that wait on a signal, in the order in which they came. */
class Watch extends List<Watched> {
  readonly signal: AbortSignal;
  readonly listener: () => void;

  constructor(signal: AbortSignal, onAbort: (watch: Watch) => void) {
    super();
    this.signal = signal;
    this.listener = () => onAbort(this);
  }
}

/** A ticket's place at its signal. */
export interface Watched extends Linked<Watched> {
  readonly watch: Watch;
  readonly ticket: Ticket;
}

export class Aborts {
  readonly #watches = new WeakMap<AbortSignal, Watch>();
  readonly #onAbort: (ticket: Ticket, reason: unknown) => void;

  constructor(onAbort: (ticket: Ticket, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  /** `signal` has not aborted yet. */
  add(signal: AbortSignal, ticket: Ticket): void {
    let watch = this.#watches.get(signal);
    if (watch === undefined) {
      watch = new Watch(signal, this.#aborted);
      this.#watches.set(signal, watch);
      signal.addEventListener('abort', watch.listener, { once: true });
    }
    ticket.watched = { watch, ticket, prev: undefined, next: undefined };
    watch.push(ticket.watched);
  }

  remove(ticket: Ticket): void {
    const { watch } = ticket.watched!;
    watch.remove(ticket.watched!);
    ticket.watched = undefined;
    if (watch.head !== undefined) return;
    this.#watches.delete(watch.signal);
    watch.signal.removeEventListener('abort', watch.listener);
  }

  readonly #aborted = (watch: Watch): void => {
    // One after the other: who leaves may make room for another.
    while (watch.head !== undefined) {
      const { ticket } = watch.head;
      this.remove(ticket);
      this.#onAbort(ticket, watch.signal.reason);
    }
  };
}
