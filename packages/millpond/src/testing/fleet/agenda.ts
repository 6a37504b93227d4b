// What happens when, for simulations without promises: a heap of moments. A hundred thousand members' worth of them fit.

interface Entry {
  readonly at: number;
  readonly order: number;
  action: (() => void) | undefined;
}

export class Agenda {
  now = 0;
  #order = 0;
  readonly #heap: Entry[] = [];

  /** Returns how to cancel it. */
  at(time: number, action: () => void): () => void {
    const entry: Entry = { at: Math.max(time, this.now), order: this.#order++, action };
    const heap = this.#heap;
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = entry;
    return () => {
      entry.action = undefined;
    };
  }

  after(ms: number, action: () => void): () => void {
    return this.at(this.now + ms, action);
  }

  /** Everything up to `end`, in order. `each` is called after every one. */
  run(end: number, each?: () => void): void {
    for (let entry = this.#heap[0]; entry !== undefined && entry.at <= end; entry = this.#heap[0]) {
      this.#pop();
      if (entry.action === undefined) continue;
      this.now = entry.at;
      entry.action();
      each?.();
    }
    this.now = end;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
