// Intrusive doubly linked list: the links live in the members, so that entering and leaving allocate nothing and cost O(1) wherever a
// member stands. A member is in one list at a time; the engine's rule "a state is a list" rests on that.

export interface Linked<N> {
  prev: N | undefined;
  next: N | undefined;
}

export class List<N extends Linked<N>> {
  head: N | undefined = undefined;
  tail: N | undefined = undefined;
  size = 0;

  /** Adds at the tail. */
  push(node: N): void {
    const tail = this.tail;
    node.prev = tail;
    node.next = undefined;
    if (tail === undefined) this.head = node;
    else tail.next = node;
    this.tail = node;
    this.size++;
  }

  /** Adds behind `after`, or at the head when that is undefined. */
  insertAfter(node: N, after: N | undefined): void {
    const next = after === undefined ? this.head : after.next;
    node.prev = after;
    node.next = next;
    if (after === undefined) this.head = node;
    else after.next = node;
    if (next === undefined) this.tail = node;
    else next.prev = node;
    this.size++;
  }

  /** Takes a member out. Handing in something that is not a member breaks the list. */
  remove(node: N): void {
    const { prev, next } = node;
    if (prev === undefined) this.head = next;
    else prev.next = next;
    if (next === undefined) this.tail = prev;
    else next.prev = prev;
    node.prev = undefined;
    node.next = undefined;
    this.size--;
  }

  /** The members from head to tail, as they stand now: the list may change while the copy is walked. */
  toArray(): N[] {
    const all: N[] = [];
    for (let node = this.head; node !== undefined; node = node.next) all.push(node);
    return all;
  }
}
