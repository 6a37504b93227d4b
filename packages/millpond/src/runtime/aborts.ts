// Abort signals of waiters. One listener per signal, however many acquires wait on it: a listener each would make removing one a search
// through all (Node keeps them in a list), so that a signal shared by a hundred thousand waiters, say of a shutdown, would cost their
// square.

import type { Ticket } from './ticket.ts';

export class Aborts {
  readonly #watched = new Map<AbortSignal, { readonly tickets: Set<Ticket>; readonly listener: () => void }>();
  readonly #onAbort: (ticket: Ticket, reason: unknown) => void;

  constructor(onAbort: (ticket: Ticket, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  add(signal: AbortSignal, ticket: Ticket): void {
    const entry = this.#watched.get(signal);
    if (entry !== undefined) {
      entry.tickets.add(ticket);
      return;
    }
    const tickets = new Set([ticket]);
    const listener = (): void => {
      this.#watched.delete(signal);
      for (const each of tickets) this.#onAbort(each, signal.reason);
    };
    this.#watched.set(signal, { tickets, listener });
    signal.addEventListener('abort', listener, { once: true });
  }

  remove(signal: AbortSignal, ticket: Ticket): void {
    const entry = this.#watched.get(signal);
    if (entry === undefined) return;
    entry.tickets.delete(ticket);
    if (entry.tickets.size > 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', entry.listener);
  }
}
