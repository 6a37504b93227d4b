// What comes and goes with every acquire, in order: linked through its members, so that leaving is cheap and leaves nothing behind.

export interface Linked<N> {
  prev: N | undefined;
  next: N | undefined;
}

export class List<N extends Linked<N>> {
  head: N | undefined = undefined;
  tail: N | undefined = undefined;

  push(node: N): void {
    node.prev = this.tail;
    if (this.tail === undefined) this.head = node;
    else this.tail.next = node;
    this.tail = node;
  }

  /** `node` is in it. */
  remove(node: N): void {
    const { prev, next } = node;
    if (prev === undefined) this.head = next;
    else prev.next = next;
    if (next === undefined) this.tail = prev;
    else next.prev = prev;
    node.prev = undefined;
    node.next = undefined;
  }
}
