// Time that stands still until a test moves it.
//
// A pool is given this clock instead of the real one, so every timeout, backoff and lifetime happens exactly when the test says, in an
// order that never changes. Moving the clock fires what is due in the order of the deadlines (ties: in the order of scheduling) and lets
// the promises that hang on each firing run to their end before the next one fires, as a real event loop would.

import type { Clock } from '../index.ts';

interface Timer {
  readonly atMs: number;
  /** Breaks ties: what was scheduled first fires first. */
  readonly order: number;
  readonly keepAlive: boolean;
  /** Undefined once it was cancelled. */
  callback: (() => void) | undefined;
}

/** Microtask turns without any use of the clock after which everything is taken to have come to rest. */
const QUIET_TURNS = 40;

/** So many events without any passing of time keep each other going for ever: a hot loop in real life. */
const MAX_STIRS_AT_ONE_TIME = 300_000;

/** So many firings without any progress of time are a timer that re-arms itself for ever: a busy loop in real life. */
const MAX_FIRINGS_AT_ONE_TIME = 100_000;

export class VirtualClock implements Clock {
  #nowMs: number;
  #order = 0;
  #armed = 0;
  #keepingAlive = 0;
  /** Grows with every use; draining goes on while it does. */
  #activity = 0;
  #stirs = 0;
  #stirredAt = Number.NaN;
  #stuck = false;
  /** A binary heap by (atMs, order). Cancelled timers stay until they surface. */
  #heap: Timer[] = [];

  /** `startMs`: what the clock shows first, default 0. */
  constructor(startMs = 0) {
    if (!Number.isFinite(startMs)) throw new RangeError(`VirtualClock: startMs must be a finite number, not ${startMs}`);
    this.#nowMs = startMs;
  }

  /** Milliseconds that this clock shows. */
  now(): number {
    return this.#nowMs;
  }

  /**
   * Calls `callback` once, when the clock is moved to `atMs` or beyond; never at once, also when `atMs` has passed already. Returns the
   * function that cancels it. `keepAlive` is only counted ({@link keepingAlive}).
   */
  schedule(atMs: number, callback: () => void, keepAlive = false): () => void {
    if (Number.isNaN(atMs)) throw new RangeError('VirtualClock: a timer at NaN never fires');
    const timer: Timer = { atMs, order: this.#order++, keepAlive, callback };
    this.#activity++;
    this.#armed++;
    if (keepAlive) this.#keepingAlive++;
    push(this.#heap, timer);
    return () => {
      this.#disarm(timer);
    };
  }

  /** How many timers are armed. A pool that is closed leaves 0. */
  get pending(): number {
    return this.#armed;
  }

  /** How many of the armed timers would keep a real process alive. */
  get keepingAlive(): number {
    return this.#keepingAlive;
  }

  /** When the next timer is due, or Infinity. May lie in the past. */
  get nextAt(): number {
    this.#dropCancelled();
    return this.#heap[0]?.atMs ?? Infinity;
  }

  /** Moves the clock by `ms` and fires what comes due on the way, each at its own time. `advance(0)` fires what is due now. */
  async advance(ms: number): Promise<void> {
    await this.advanceTo(this.#nowMs + checked(ms));
  }

  /** Like {@link advance}, to a point in time. Time never goes back: an earlier `atMs` is an error. */
  async advanceTo(atMs: number): Promise<void> {
    this.#checkTarget(atMs);
    await this.flush();
    const fuse = new Fuse();
    for (let timer = this.#takeDue(atMs); timer !== undefined; timer = this.#takeDue(atMs)) {
      fuse.burn(this.#nowMs);
      timer();
      await this.flush();
    }
    this.#nowMs = atMs;
  }

  /** Like {@link advance} for code without promises: fires, but lets no promise run in between. Returns how many timers fired. */
  runSync(ms: number): number {
    const target = this.#nowMs + checked(ms);
    this.#checkTarget(target);
    const fuse = new Fuse();
    let fired = 0;
    for (let timer = this.#takeDue(target); timer !== undefined; timer = this.#takeDue(target)) {
      fuse.burn(this.#nowMs);
      timer();
      fired++;
    }
    this.#nowMs = target;
    return fired;
  }

  /**
   * A blocked event loop, a suspended laptop, a frozen container: time passes and nothing fires. Then the overdue timers fire, late,
   * all at the new time. `io` stands for what arrived at the sockets meanwhile. As in Node's event loop it is read after the timers
   * that were overdue, and before any timer that those arm.
   */
  async stall(ms: number, io?: () => void): Promise<void> {
    await this.flush();
    this.#nowMs += checked(ms);
    const newest = this.#order;
    const overdue: Timer[] = [];
    for (const timer of this.#heap) {
      if (timer.callback !== undefined && timer.atMs <= this.#nowMs && timer.order < newest) overdue.push(timer);
    }
    overdue.sort((a, b) => (before(a, b) ? -1 : 1));
    for (const timer of overdue) {
      const callback = timer.callback; // an earlier one may have cancelled it
      if (callback === undefined) continue;
      this.#disarm(timer);
      callback();
      await this.flush();
    }
    io?.();
    await this.advance(0);
  }

  /**
   * Lets promises run until all is quiet, without moving time. Quiet means: some dozens of turns in which nobody used this clock or called
   * {@link stir}. Real I/O and real timers are not waited for.
   */
  async flush(): Promise<void> {
    let seen = this.#activity;
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await null;
      if (this.#activity === seen) continue;
      seen = this.#activity;
      quiet = 0;
      if (this.#stuck)
        throw new Error(
          `VirtualClock: no rest after ${MAX_STIRS_AT_ONE_TIME} events at ${this.#nowMs} ms: something goes round in circles`,
        );
    }
  }

  /**
   * Something has happened that more may follow from: a flush under way goes on. Scripted factories and scenes call it. Returns false when
   * far too much has happened without any passing of time: whoever calls it should stop then, for a flush can only report it.
   */
  stir(): boolean {
    this.#activity++;
    if (this.#stirredAt !== this.#nowMs) {
      this.#stirredAt = this.#nowMs;
      this.#stirs = 0;
    }
    if (++this.#stirs > MAX_STIRS_AT_ONE_TIME) this.#stuck = true;
    return !this.#stuck;
  }

  #checkTarget(atMs: number): void {
    if (!(atMs >= this.#nowMs)) throw new RangeError(`VirtualClock: cannot go from ${this.#nowMs} ms to ${atMs} ms`);
    if (atMs === Infinity) throw new RangeError('VirtualClock: the end of time is never reached');
  }

  /** Removes the next timer due by `untilMs`, sets the clock to its time and returns its callback. */
  #takeDue(untilMs: number): (() => void) | undefined {
    this.#dropCancelled();
    const timer = this.#heap[0];
    if (timer === undefined || timer.atMs > untilMs) return undefined;
    const callback = timer.callback!;
    this.#disarm(timer);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    return callback;
  }

  #disarm(timer: Timer): void {
    if (timer.callback === undefined) return;
    timer.callback = undefined;
    this.#activity++;
    this.#armed--;
    if (timer.keepAlive) this.#keepingAlive--;
    // A pool that arms and cancels for hours must not make the heap grow.
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#armed) this.#compact();
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.callback === undefined) pop(this.#heap);
  }

  #compact(): void {
    const armed = this.#heap.filter((timer) => timer.callback !== undefined);
    this.#heap = armed.sort((a, b) => (before(a, b) ? -1 : 1)); // a sorted array is a heap
  }
}

class Fuse {
  #atMs = Number.NaN;
  #firings = 0;

  burn(nowMs: number): void {
    if (nowMs !== this.#atMs) {
      this.#atMs = nowMs;
      this.#firings = 0;
    }
    if (++this.#firings > MAX_FIRINGS_AT_ONE_TIME) {
      throw new Error(`VirtualClock: ${MAX_FIRINGS_AT_ONE_TIME} timers fired at ${nowMs} ms without any progress: a timer re-arms itself`);
    }
  }
}

function checked(ms: number): number {
  if (!(ms >= 0)) throw new RangeError(`VirtualClock: cannot move by ${ms} ms`);
  return ms;
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(timer, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
