// A queue per priority, 0 first. Leaving from anywhere costs the same at any length.

import { List, type Linked } from './list.ts';

/** Where an item waits. */
export interface Place<T> extends Linked<Place<T>> {
  readonly item: T;
  /** Undefined when it has left. */
  level: List<Place<T>> | undefined;
}

export class PriorityQueue<T> {
  readonly #levels: readonly List<Place<T>>[];
  #length = 0;

  constructor(priorityRange: number) {
    this.#levels = Array.from({ length: Math.max(Math.trunc(Number(priorityRange)) || 0, 1) }, () => new List<Place<T>>());
  }

  get length(): number {
    return this.#length;
  }

  get head(): T | undefined {
    return this.#first()?.item;
  }

  get tail(): T | undefined {
    return [...this.#levels].reverse().find(({ tail }) => tail !== undefined)?.tail?.item;
  }

  /** Of each priority that has one. */
  heads(): T[] {
    return this.#levels.flatMap(({ head }) => head === undefined ? [] : [head.item]);
  }

  /** A priority outside the range is the last; none is the first. */
  enqueue(item: T, priority?: number): Place<T> {
    const place: Place<T> = { item, level: undefined, prev: undefined, next: undefined };
    this.enter(place, priority);
    return place;
  }

  /** The same with a place that is made already. */
  enter(place: Place<T>, priority?: number): void {
    const last = this.#levels.length - 1;
    const asked = Math.trunc(Number(priority)) || 0;
    const level = this.#levels[asked < 0 || asked > last ? last : asked]!;
    place.level = level;
    level.push(place);
    this.#length++;
  }

  dequeue(): T | undefined {
    const place = this.#first();
    if (place !== undefined) this.remove(place);
    return place?.item;
  }

  /** False: it was not there any more. */
  remove(place: Place<T>): boolean {
    const { level } = place;
    if (level === undefined) return false;
    level.remove(place);
    place.level = undefined;
    this.#length--;
    return true;
  }

  #first(): Place<T> | undefined {
    for (const { head } of this.#levels) if (head !== undefined) return head;
    return undefined;
  }
}
