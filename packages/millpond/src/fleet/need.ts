// How many connections a pool's work needs, from what it has done. By Little's law, what arrives per second times how long each keeps its
// connection is how many are busy on average; those who wait already should be through in two seconds. Smoothed, faster upwards than
// downwards: a connection that is there too long costs little, one that is missing makes people wait.

/** What a pool has done and what it does, as `stats()` tells it. */
export interface Work {
  /** How many asked, ever. */
  readonly arrived: number;
  /** How many were served, ever. */
  readonly served: number;
  /** Sum of the lengths of all leases that have ended, in milliseconds. */
  readonly usedMs: number;
  readonly borrowed: number;
  readonly waiting: number;
  readonly min: number;
  readonly max: number;
}

const UP_MS = 700;
const DOWN_MS = 1_000;
/** Those who wait are to be served within this. */
const BACKLOG_MS = 2_000;
/** How long a lease takes, as long as none has ended. */
const FIRST_GUESS_MS = 100;
/** Leases of such length are counted while they last. */
const LONG_MS = 1_000;
/** Below this there is nothing to do. */
const NOTHING = 0.05;

export class Need {
  #level = 0;
  #holdMs: number | undefined = undefined;
  #last: Work;
  #at: number;

  constructor(work: Work, now: number) {
    this.#last = work;
    this.#at = now;
  }

  /** Looks at what has been done since it looked last. */
  note(work: Work, now: number): void {
    const passed = now - this.#at;
    if (passed <= 0) return;
    const last = this.#last;
    this.#last = work;
    this.#at = now;
    const served = work.served - last.served;
    const part = weightOf(passed, DOWN_MS);
    if (served > 0) {
      const holdMs = (work.usedMs - last.usedMs) / served;
      this.#holdMs = this.#holdMs === undefined ? holdMs : this.#holdMs + part * (holdMs - this.#holdMs);
    }
    const holdMs = this.#holdMs ?? FIRST_GUESS_MS;
    const flow = (work.arrived - last.arrived) / passed * holdMs;
    // Those that hold for long have not shown in any sum yet. Of the others, how many hold just now says less than how many come: this is
    // looked at when somebody waits more often than when nobody does.
    const busy = this.#holdMs === undefined || holdMs > LONG_MS ? Math.max(work.borrowed, flow) : flow;
    const wanted = busy + work.waiting * holdMs / BACKLOG_MS;
    this.#level += weightOf(passed, wanted > this.#level ? UP_MS : DOWN_MS) * (wanted - this.#level);
  }

  /** Nothing to do, and nothing that would come soon. */
  get nothing(): boolean {
    const { borrowed, waiting, min } = this.#last;
    return min === 0 && borrowed + waiting === 0 && this.#level < NOTHING;
  }

  /** How many are borrowed, or would be. */
  get busy(): number {
    const { borrowed, waiting, max } = this.#last;
    return Math.min(max, borrowed + waiting);
  }

  get base(): number {
    const { borrowed, waiting, max } = this.#last;
    const least = borrowed + waiting > 0 ? 1 : 0;
    // Whoever needs less than one of them on average can do without while it needs none.
    return Math.min(max, Math.max(least, this.#level < 1 ? 0 : Math.round(this.#level)));
  }

  /**
   * With headroom for chance, because work that comes independently varies by the root of its mean, and for all who wait now: they come
   * after everybody's base, and where there is room nobody has to wait until an average has risen.
   */
  get demand(): number {
    if (this.nothing) return 0;
    const { min, max } = this.#last;
    return Math.min(max, Math.max(min, this.base, this.busy, Math.ceil(this.#level + Math.sqrt(this.#level))));
  }
}

/** How much a sample over `passed` weighs in an average that forgets with this time constant. */
function weightOf(passed: number, constantMs: number): number {
  return 1 - Math.exp(-passed / constantMs);
}
