// A way to come by a connection for one exchange: a question and its answer. Chapters and demos about one kind of connection have lists of
// these, and everything else of theirs is shared.

export interface Opened {
  /** One question; resolves when the right answer has come. */
  exchange(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** `P`: where the server is and how to get in. It has to survive a message between processes. */
export interface Contender<P> {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  /** What it does not do, in a few words. */
  readonly lacks: string;
  readonly ours: boolean;
  /** Callers at once, where all of them would be too many. */
  readonly callers?: number;
  /** `size`: the most connections it may hold. */
  open(place: P, size: number): Opened | Promise<Opened>;
}

export function contenderOf<P>(contenders: readonly Contender<P>[], id: string): Contender<P> {
  const found = contenders.find((contender) => contender.id === id);
  if (found === undefined) throw new Error(`no contender is called "${id}"`);
  return found;
}
