// The users. Each one is a closed loop, as a person (or a service that waits for its answer) is: ask, wait for the answer, ask again.
// Whoever gets an error pauses before the next try. Without the pause a strategy that refuses at once would be asked again in the same
// tick, for ever, and the flood of its refusals would be all that this program measures.

export interface CrowdOptions {
  readonly users: number;
  readonly request: (key: number) => Promise<unknown>;
  /** The next key to look up. */
  readonly nextKey: () => number;
  readonly onOk: (latencyMs: number, atMs: number) => void;
  readonly onError: (error: unknown, atMs: number) => void;
  readonly pauseAfterErrorMs: number;
}

export class Crowd {
  readonly #options: CrowdOptions;
  readonly #loops: Promise<void>[] = [];
  #stopped = false;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  start(): void {
    for (let user = 0; user < this.#options.users; user += 1) this.#loops.push(this.#loop());
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

  async #loop(): Promise<void> {
    const { request, nextKey, onOk, onError, pauseAfterErrorMs } = this.#options;
    while (!this.#stopped) {
      const startedMs = performance.now();
      try {
        await request(nextKey());
        const nowMs = performance.now();
        if (!this.#stopped) onOk(nowMs - startedMs, nowMs);
      } catch (error) {
        if (this.#stopped) return;
        onError(error, performance.now());
        await new Promise((resolve) => { setTimeout(resolve, pauseAfterErrorMs); });
      }
    }
  }
}
