// The users. Each one is a closed loop, as a person (or a service that waits for its answer) is: ask, wait for the answer, ask again.
// Whoever gets an error pauses before the next try. Without the pause a strategy that refuses at once would be asked again in the same
// tick, for ever, and the flood of its refusals would be all that this program measures. They arrive one after the other and pause for
// unequal times, since a thousand of them in step would make waves that no strategy deserves.

import { setTimeout as sleep } from 'node:timers/promises';

export interface CrowdOptions {
  readonly users: number;
  readonly request: (key: number) => Promise<unknown>;
  /** The next key to look up. */
  readonly nextKey: () => number;
  readonly onOk: (latencyMs: number, atMs: number) => void;
  readonly onError: (error: unknown, atMs: number) => void;
  /** In the mean: each pause is between half and one and a half of it. */
  readonly pauseAfterErrorMs: number;
  /** They arrive evenly over this time. */
  readonly arriveOverMs: number;
}

export class Crowd {
  readonly #options: CrowdOptions;
  readonly #loops: Promise<void>[] = [];
  #stopped = false;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  start(): void {
    const { users, arriveOverMs } = this.#options;
    for (let user = 0; user < users; user += 1) this.#loops.push(this.#loop((user / users) * arriveOverMs, (user + 0.5) / users));
  }

  /** From here on nobody asks again, and answers that still come are counted no more. */
  leave(): void {
    this.#stopped = true;
  }

  /** Resolves when everyone has gone: true, or false when someone still waited for an answer after `graceMs`. */
  async gone(graceMs: number): Promise<boolean> {
    this.leave();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => { timer = setTimeout(resolve, graceMs, false); });
    const all = Promise.all(this.#loops).then(() => true as const);
    const result = await Promise.race([all, late]);
    clearTimeout(timer);
    return result;
  }

  /** `temper` from 0 to 1: how patient this user is. */
  async #loop(arriveMs: number, temper: number): Promise<void> {
    const { request, nextKey, onOk, onError, pauseAfterErrorMs } = this.#options;
    if (arriveMs > 0) await sleep(arriveMs);
    while (!this.#stopped) {
      const startedMs = performance.now();
      try {
        await request(nextKey());
        const nowMs = performance.now();
        if (!this.#stopped) onOk(nowMs - startedMs, nowMs);
      } catch (error) {
        if (this.#stopped) return;
        onError(error, performance.now());
        await sleep(pauseAfterErrorMs * (0.5 + temper));
      }
    }
  }
}
