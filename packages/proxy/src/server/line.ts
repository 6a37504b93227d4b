// Who is in line for a server connection. A list of its own: a Map that is added to and deleted from thousands of times a second is made
// anew again and again.

/** Somebody who may be in line; `place` is the line's. */
export interface Queued {
  place?: Place | undefined;
}

export interface Place {
  /** Leaves the line, for a reason. */
  leave: (reason: unknown) => void;
  before: Place | undefined;
  behind: Place | undefined;
}

const nothing = (): void => undefined;

export class Line {
  size = 0;
  #first: Place | undefined = undefined;
  #last: Place | undefined = undefined;

  /** At the end of it. */
  join(somebody: Queued): Place {
    const place: Place = { leave: nothing, before: this.#last, behind: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.behind = place;
    this.#last = place;
    this.size++;
    somebody.place = place;
    return place;
  }

  /** Their turn has come, or they have gone. */
  left(somebody: Queued): void {
    const { place } = somebody;
    if (place === undefined) return;
    somebody.place = undefined;
    const { before, behind } = place;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    this.size--;
  }

  /** Sends everybody away who is there now. */
  disperse(reason: unknown): void {
    const all: Place[] = [];
    for (let place = this.#first; place !== undefined; place = place.behind) all.push(place);
    for (const { leave } of all) leave(reason);
  }
}
