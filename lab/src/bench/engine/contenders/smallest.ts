// The smallest pool that is right: a stack of what is idle, a queue of who waits, `max`. No timeout, no validation, no limits of age, no
// leases, no events, no close: what lending costs when nothing can go wrong.
import { lender, type Setup, type Source, type Subject, type Thing } from '../subject.ts';

type Give = (thing: Thing) => void;

/** First in, first out, in constant time at any depth: a ring that doubles. */
class Queue {
  #items: (Give | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #size = 0;

  push(item: Give): void {
    if (this.#size === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item;
    this.#size += 1;
  }

  shift(): Give | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size -= 1;
    return item;
  }

  #grow(): void {
    const old = this.#items;
    this.#items = Array.from({ length: old.length * 2 });
    for (let index = 0; index < old.length; index += 1) this.#items[index] = old[(this.#head + index) & (old.length - 1)];
    this.#head = 0;
  }
}

class SmallestPool {
  readonly #max: number;
  readonly #source: Source;
  readonly #idle: Thing[] = [];
  readonly #waiting = new Queue();
  #live = 0;

  constructor(max: number, source: Source) {
    this.#max = max;
    this.#source = source;
  }

  acquire(): Promise<Thing> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return Promise.resolve(idle);
    if (this.#live < this.#max) {
      this.#live += 1;
      return Promise.resolve(this.#source.make());
    }
    return new Promise((give) => { this.#waiting.push(give); });
  }

  release(thing: Thing): void {
    const give = this.#waiting.shift();
    if (give === undefined) this.#idle.push(thing);
    else give(thing);
  }
}

export function open({ max }: Setup, source: Source): Subject {
  const pool = new SmallestPool(max, source);
  return lender<Thing>({
    acquire: () => pool.acquire(), release: (held) => pool.release(held), thingOf: (held) => held, close: () => Promise.resolve(),
  });
}
