// A pool with everything lent and a queue of waiters before it.
import { hop, type Subject } from './subject.ts';

const nothing = (): void => undefined;
/** As in life: what is done with a borrowed connection takes at least one turn. */
const oneHop = (): Promise<void> => hop;

/** Takes everything there is; returns what gives it back. */
export async function holdAll(subject: Subject, max: number): Promise<() => void> {
  if (subject.kind === 'tries') throw new Error('it never waits');
  if (subject.kind === 'lends') {
    const held = await Promise.all(Array.from({ length: max }, () => subject.acquire()));
    return () => { for (const one of held) subject.release(one); };
  }
  const gate = resolvers();
  await Promise.all(Array.from({ length: max }, () => new Promise<void>((lent, failed) => {
    subject.use(() => { lent(); return gate.promise; }).catch(failed);
  })));
  return () => { gate.resolve(); };
}

/** One waiter: resolves when it was served and has given back what it got. */
export function waitOnce(subject: Subject): Promise<unknown> {
  if (subject.kind === 'lends') return subject.acquire().then(subject.release);
  if (subject.kind === 'runs') return subject.use(oneHop);
  throw new Error('it never waits');
}

/** One waiter that a signal can send away. */
export function waitWith(subject: Subject, signal: AbortSignal): Promise<unknown> {
  if (subject.kind === 'lends' && subject.acquireWith !== undefined) return subject.acquireWith(signal).then(subject.release);
  if (subject.kind === 'runs' && subject.useWith !== undefined) return subject.useWith(signal, oneHop);
  throw new Error('its waiters cannot be sent away');
}

/** Counts down to the last of `size`; the one that is told by `done`. */
export class Countdown {
  readonly done: Promise<void>;
  readonly tick: () => void;

  constructor(size: number) {
    const { promise, resolve } = resolvers();
    let left = size;
    this.done = promise;
    this.tick = () => {
      left -= 1;
      if (left === 0) resolve();
    };
  }
}

/** The longest time in which nothing else could run, in milliseconds. A timer looks each millisecond. */
export class Stalls {
  #longestMs = 0;
  #last = performance.now();
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#look(), 1);
  }

  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    return this.#longestMs;
  }

  #look(): void {
    const now = performance.now();
    this.#longestMs = Math.max(this.#longestMs, now - this.#last);
    this.#last = now;
  }
}

function resolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = nothing;
  const promise = new Promise<void>((settle) => { resolve = settle; });
  return { promise, resolve };
}
