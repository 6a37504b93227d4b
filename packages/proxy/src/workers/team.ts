// What a worker has of the others: limits that hold over all of them, how many clients they have, and their answers to questions. All of
// it comes from the parent, over the channel that the process was started with.

import type { Client } from '../client/client.ts';
import { countClients, NOBODY, type ClientCounts } from './census.ts';
import type { Answers, Down, Question, Result, Up } from './messages.ts';
import { Shares } from './shares.ts';

interface Asked {
  readonly done: (results: readonly Result[]) => void;
}

/** How often the others are told how many clients there are. */
const COUNT_EVERY_MS = 5;

export class Team {
  /** From 1 on. */
  readonly number: number;
  readonly size: number;
  readonly shares: Shares = new Shares((claims) => this.send({ kind: 'claims', claims }));
  /** Clients of the other workers, as they were a moment ago. */
  elsewhere: ClientCounts = NOBODY;
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;
  #counting: NodeJS.Timeout | undefined = undefined;

  constructor(number: number, size: number) {
    this.number = number;
    this.size = size;
  }

  send(message: Up): void {
    // Without a parent there is nobody to tell; the process is about to end.
    if (process.connected) process.send!(message, undefined, undefined, () => undefined);
  }

  /** A part of something that is configured for the whole: the parts of all workers are as much as that. */
  partOf(whole: number): number {
    return Math.floor(whole / this.size) + Number(this.number <= whole % this.size);
  }

  /** Clients have come or gone. */
  count(clients: ReadonlyMap<string, Client>): void {
    if (this.#counting !== undefined) return;
    this.#counting = setTimeout(() => {
      this.#counting = undefined;
      this.send({ kind: 'counts', counts: countClients(clients) });
    }, COUNT_EVERY_MS);
  }

  /** Asks all workers, or all but this one. Those that die meanwhile do not answer. */
  async ask<Kind extends Question['kind']>(
    question: Extract<Question, { kind: Kind }>,
    { others = false, signal }: { readonly others?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Result<Answers[Kind]>[]> {
    const id = ++this.#lastId;
    const withdraw = (): void => this.send({ kind: 'withdraw', id, reason: signal?.reason === 'canceled' ? 'canceled' : undefined });
    const answered = new Promise<readonly Result[]>((resolve) => { this.#asked.set(id, { done: resolve }); });
    this.send({ kind: 'ask', id, question, others });
    if (signal?.aborted === true) withdraw();
    else signal?.addEventListener('abort', withdraw, { once: true });
    try {
      return await answered as Result<Answers[Kind]>[];
    } finally {
      signal?.removeEventListener('abort', withdraw);
      this.#asked.delete(id);
    }
  }

  take(message: Down): void {
    switch (message.kind) {
      case 'grants': this.shares.take(message.grants); break;
      case 'elsewhere': this.elsewhere = message.counts; break;
      case 'results': this.#asked.get(message.id)?.done(message.results); break;
      default:
    }
  }
}
