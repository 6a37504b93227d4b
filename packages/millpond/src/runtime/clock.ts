// The system's clock, and the alarm that a pool sets on whatever clock it has.
//
// `coarse` answers without asking the system each time: one reading serves the event-loop turn in which it was taken (and at most
// READS_PER_READING calls, for loops that never yield). Within a turn nothing from outside can have happened, so a turn's first reading is
// as true as its last for deciding whether an idle resource may be trusted, and whether somebody is late whose deadline is not near;
// whatever is a promise to a caller, when a wait begins above all, uses `now`. A process that was frozen while it slept has to begin a new
// turn first, so the coarse time cannot hide the gap; one that was stopped in the middle of a turn takes the time before for the present
// until that turn ends. (A timer that refreshes a cached time would: since libuv 1.45 timers run after I/O.)

import type { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../clock.ts';

const READS_PER_READING = 64;
/** The wall clock may run ahead of the monotonic one by this between two turns. */
const LEAP_MS = 1_000;
/** The longest delay that setTimeout takes; longer ones fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

// Taken at load: a test that fakes the globals must not stop the pool's time unasked; it can pass a clock of its own.
const { Date, performance, setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis;

let reading = 0;
let readsLeft = 0;
let endOfTurn: NodeJS.Immediate | undefined;
/** By how much the wall clock was ahead in the last turn. */
let ahead = Infinity;

/**
 * How often the wall clock has leapt ahead. A machine that was suspended may not count that time as monotonic, so this is the only sign of
 * it; but a wall clock also leaps when somebody sets it. So it is a hint, good enough to have a resource answer once more before it is
 * lent, and nothing else follows from it: nothing expires.
 */
export const wall: { leaps: number } = { leaps: 0 };

function now(): number {
  reading = performance.now();
  readsLeft = READS_PER_READING;
  // Not unref'd: the loop would go to sleep with the reading still valid, and whatever woke it, hours later, would be told that time.
  if (endOfTurn === undefined) beginTurn();
  return reading;
}

function beginTurn(): void {
  endOfTurn = setImmediate(forget);
  const lead = Date.now() - reading;
  if (lead - ahead > LEAP_MS) wall.leaps++;
  ahead = lead;
}

function forget(): void {
  readsLeft = 0;
  endOfTurn = undefined;
}

export function coarseNow(): number {
  return readsLeft-- > 0 ? reading : now();
}

export const systemClock: Clock = {
  now,
  schedule: (atMs, callback, keepAlive = true) => {
    const timer = setTimeout(callback, delayUntil(atMs));
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** setTimeout counts whole milliseconds and may be up to one early: whoever is woken early looks at the clock and sets the rest. */
function delayUntil(atMs: number): number {
  return Math.min(LONGEST_TIMEOUT_MS, Math.max(1, Math.ceil(atMs - now())));
}

/** One wake-up that can be moved. Only while somebody waits does it keep the process alive. */
export interface Alarm {
  /** Infinity: none. */
  set(atMs: number): void;
  /** For good: nothing of it is left. */
  stop(): void;
  keepAlive(on: boolean): void;
}

/** `scope`: the async context of its timers; a timer must not keep the context of whichever caller happened to set it. */
export function createAlarm(clock: Clock, scope: AsyncResource, onDue: () => void): Alarm {
  return clock === systemClock ? new SystemAlarm(scope, onDue) : new ClockAlarm(clock, onDue);
}

/**
 * Lazy: a timer that would fire too early is left standing and set anew when it does, so that a wish that moves with every acquire costs
 * nothing. When it is time, pending I/O is read first: after a stall Node runs timers before it looks at the sockets, and an answer that
 * arrived in time must not lose against a timer that fires late.
 */
class SystemAlarm implements Alarm {
  #timer: NodeJS.Timeout | undefined = undefined;
  #afterReading: NodeJS.Immediate | undefined = undefined;
  #firesAt = Infinity;
  #wantedAt = Infinity;
  #kept = false;
  readonly #scope: AsyncResource;
  readonly #onTimer: () => void;

  constructor(scope: AsyncResource, onDue: () => void) {
    this.#scope = scope;
    this.#onTimer = () => {
      this.#timer = undefined;
      this.#firesAt = Infinity;
      if (this.#wantedAt === Infinity) return;
      if (this.#wantedAt > now()) {
        this.#arm(this.#wantedAt);
        return;
      }
      this.#afterReading = setImmediate(onRead);
    };
    const onRead = (): void => {
      this.#afterReading = undefined;
      // What was read may have put it off.
      if (this.#wantedAt > now()) {
        if (this.#wantedAt < Infinity) this.#arm(this.#wantedAt);
        return;
      }
      this.#wantedAt = Infinity;
      onDue();
    };
  }

  set(atMs: number): void {
    this.#wantedAt = atMs;
    if (atMs < this.#firesAt && this.#afterReading === undefined) this.#arm(atMs);
  }

  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#afterReading !== undefined) clearImmediate(this.#afterReading);
    this.#timer = undefined;
    this.#afterReading = undefined;
    this.#firesAt = Infinity;
    this.#wantedAt = Infinity;
  }

  keepAlive(on: boolean): void {
    if (on === this.#kept) return;
    this.#kept = on;
    if (on) this.#timer?.ref();
    else this.#timer?.unref();
  }

  #arm(atMs: number): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#firesAt = atMs;
    const timer = this.#scope.runInAsyncScope(() => setTimeout(this.#onTimer, delayUntil(atMs)));
    this.#timer = timer;
    if (!this.#kept) timer.unref();
  }
}

/** Whether a wake-up keeps the process alive is said when it is scheduled; when that changes, it is scheduled anew. */
class ClockAlarm implements Alarm {
  #atMs = Infinity;
  #cancel: (() => void) | undefined = undefined;
  #kept = false;
  readonly #clock: Clock;
  readonly #onDue: () => void;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = () => {
      this.#cancel = undefined;
      onDue();
    };
  }

  set(atMs: number): void {
    this.#cancel?.();
    this.#atMs = atMs;
    this.#cancel = atMs === Infinity ? undefined : this.#clock.schedule(atMs, this.#onDue, this.#kept);
  }

  stop(): void {
    this.set(Infinity);
  }

  keepAlive(on: boolean): void {
    if (on === this.#kept) return;
    this.#kept = on;
    if (this.#cancel !== undefined) this.set(this.#atMs);
  }
}
