// A queue per priority, 0 first. Leaving from anywhere costs the same at any length.

export class PriorityQueue<T> {
  readonly #levels: readonly Set<T>[];
  #length = 0;

  constructor(priorityRange: number) {
    this.#levels = Array.from({ length: Math.max(Math.trunc(Number(priorityRange)) || 0, 1) }, () => new Set<T>());
  }

  get length(): number {
    return this.#length;
  }

  get head(): T | undefined {
    for (const level of this.#levels) for (const item of level) return item;
    return undefined;
  }

  get tail(): T | undefined {
    return this.#levels.flatMap((level) => [...level]).at(-1);
  }

  /** A priority outside the range is the last; none is the first. */
  enqueue(item: T, priority?: number): void {
    const last = this.#levels.length - 1;
    const level = Math.trunc(Number(priority)) || 0;
    this.#levels[level < 0 || level > last ? last : level]!.add(item);
    this.#length++;
  }

  dequeue(): T | undefined {
    const { head } = this;
    if (head !== undefined) this.remove(head);
    return head;
  }

  has(item: T): boolean {
    return this.#levels.some((level) => level.has(item));
  }

  /** False: it was not there. */
  remove(item: T): boolean {
    const found = this.#levels.some((level) => level.delete(item));
    if (found) this.#length--;
    return found;
  }
}
