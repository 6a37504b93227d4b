// A queue with two ends. The pool does not need it; it is one of generic-pool's names.

export class Deque<T> implements Iterable<T> {
  readonly #items: T[] = [];

  get length(): number {
    return this.#items.length;
  }

  get head(): T | undefined {
    return this.#items[0];
  }

  get tail(): T | undefined {
    return this.#items.at(-1);
  }

  push(item: T): void {
    this.#items.push(item);
  }

  unshift(item: T): void {
    this.#items.unshift(item);
  }

  shift(): T | undefined {
    return this.#items.shift();
  }

  pop(): T | undefined {
    return this.#items.pop();
  }

  iterator(): Iterator<T> {
    return this.#items.values();
  }

  [Symbol.iterator](): Iterator<T> {
    return this.iterator();
  }
}
