// Abort signals of waiters. One listener per signal, however many acquires wait on it: a listener each would make removing one a search
// through all (Node keeps them in a list), so that a signal shared by a hundred thousand waiters, say of a shutdown, would cost their
// square.

import type { Ticket } from './ticket.ts';

/** Most signals have one acquire: the set is for those that have more. */
interface Watch {
  first: Ticket | undefined;
  others: Set<Ticket> | undefined;
  readonly listener: () => void;
}

const ONCE = { once: true } as const;

export class Aborts {
  readonly #watched = new Map<AbortSignal, Watch>();
  readonly #onAbort: (ticket: Ticket, reason: unknown) => void;

  constructor(onAbort: (ticket: Ticket, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  add(signal: AbortSignal, ticket: Ticket): void {
    const watch = this.#watched.get(signal);
    if (watch !== undefined) {
      (watch.others ??= new Set()).add(ticket);
      return;
    }
    const made: Watch = { first: ticket, others: undefined, listener: () => this.#aborted(signal, made) };
    this.#watched.set(signal, made);
    signal.addEventListener('abort', made.listener, ONCE);
  }

  remove(signal: AbortSignal, ticket: Ticket): void {
    const watch = this.#watched.get(signal);
    if (watch === undefined) return;
    if (watch.first === ticket) watch.first = undefined;
    else watch.others?.delete(ticket);
    if (watch.first !== undefined || (watch.others !== undefined && watch.others.size > 0)) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watch.listener);
  }

  #aborted(signal: AbortSignal, { first, others }: Watch): void {
    this.#watched.delete(signal);
    if (first !== undefined) this.#onAbort(first, signal.reason);
    if (others !== undefined) for (const each of others) this.#onAbort(each, signal.reason);
  }
}
