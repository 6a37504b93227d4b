// The users: each one wants something, waits for the answer, pauses, wants the next thing. The clock of a request starts when the user
// wants it, not when this program comes round to sending it: what the program itself delays is part of what the user waits for. Whoever
// gets an error pauses before the next try, for unequal times: a thousand in step would make waves that no setting deserves.
import { setTimeout as sleep } from 'node:timers/promises';

export interface UsersOptions {
  readonly most: number;
  readonly ask: (user: number) => Promise<unknown>;
  readonly pauseMs: () => number;
  readonly onOk: (waitedMs: number) => void;
  readonly onError: (error: unknown, waitedMs: number) => void;
}

const PAUSE_AFTER_ERROR_MS = 500;
const ARRIVE_OVER_MS = 200;

export class Users {
  readonly #options: UsersOptions;
  readonly #living: (Promise<void> | undefined)[] = [];
  /** When each one's open request was wanted; 0: there is none. */
  readonly #wantedAt: Float64Array;
  #count = 0;

  constructor(options: UsersOptions) {
    this.#options = options;
    this.#wantedAt = new Float64Array(options.most);
  }

  /** Those who are too many go when they have their answer; new ones arrive over a moment. */
  set(count: number): void {
    this.#count = count;
    for (let user = 0; user < count; user += 1) {
      this.#living[user] ??= this.#live(user).finally(() => {
        this.#living[user] = undefined;
        if (user < this.#count) this.set(this.#count); // called back while it was leaving
      });
    }
  }

  /** Since when the oldest open request is waited for, in ms. */
  longestMs(nowMs: number): number {
    let oldest = nowMs;
    for (const at of this.#wantedAt) if (at > 0 && at < oldest) oldest = at;
    return nowMs - oldest;
  }

  /** Everybody goes; resolves when the last open request has ended. */
  async gone(): Promise<void> {
    this.#count = 0;
    for (const living of this.#living) await living;
  }

  async #live(user: number): Promise<void> {
    const { most, ask, pauseMs, onOk, onError } = this.#options;
    const temper = (user + 0.5) / most;
    let wantedAt = performance.now() + Math.random() * ARRIVE_OVER_MS;
    while (user < this.#count) {
      const aheadMs = wantedAt - performance.now();
      if (aheadMs > 0) await sleep(aheadMs);
      if (user >= this.#count) return;
      this.#wantedAt[user] = wantedAt;
      let nextInMs = pauseMs();
      try {
        await ask(user);
        onOk(performance.now() - wantedAt);
      } catch (error) {
        onError(error, performance.now() - wantedAt);
        nextInMs += PAUSE_AFTER_ERROR_MS * (0.5 + temper);
      }
      this.#wantedAt[user] = 0;
      wantedAt = performance.now() + nextInMs;
    }
  }
}
