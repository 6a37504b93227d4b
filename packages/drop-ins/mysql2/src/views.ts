// The lists that mysql2's pool keeps, as those that watch a pool read them. There are no such lists: the engine has the state, and these
// look at it.

export interface View<T> {
  readonly length: number;
  get(index: number): T | undefined;
  toArray(): T[];
}

/** `length` alone is what is mostly asked for. */
export function view<T>(length: () => number, items: () => T[]): View<T> {
  return {
    get length() {
      return length();
    },
    get: (index) => items().at(index),
    toArray: items,
  };
}
