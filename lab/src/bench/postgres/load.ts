// Load: callers in closed loops, each of which asks, waits for its answer and asks again, and what a stretch of it costs.
import { tail } from '../harness/statistics.ts';
import { serverCpuMs } from './server-cpu.ts';
import { CUSTOMERS, isDivisionByZero, isRight, type Ask, type StatementName } from './workload.ts';

export interface LoadOptions {
  readonly statement: StatementName;
  readonly callers: number;
  /** It lasts longer when there were fewer than `warmUpAnswers` by then. */
  readonly warmUpMs: number;
  readonly warmUpAnswers: number;
  /** It lasts longer when there were fewer than `LEAST_ANSWERS` by then. */
  readonly measureMs: number;
  /** With `quotient`: every statement has to fail. */
  readonly failing: boolean;
  readonly postmasterPid: number | undefined;
}

export interface LoadResult {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Per answer. */
  readonly clientUs: number;
  readonly serverUs: number | undefined;
}

const LEAST_ANSWERS = 30;
const LONGEST_MS = 10_000;

/** Rejects with the first answer that is not the right one. */
export async function load(ask: Ask, options: LoadOptions): Promise<LoadResult> {
  const callers = new Callers(ask, options);
  const gone = callers.start();
  try {
    await callers.asked(options.warmUpMs, options.warmUpAnswers);
    // The server's figure is read outside of our own, because the reading costs us something.
    const serverBefore = serverCpuMs(options.postmasterPid);
    const before = process.cpuUsage();
    const fromMs = performance.now();
    callers.latencies = [];
    await callers.asked(options.measureMs, LEAST_ANSWERS);
    const { latencies } = callers;
    callers.latencies = [];
    const wallMs = performance.now() - fromMs;
    const own = process.cpuUsage(before);
    const serverAfter = serverCpuMs(options.postmasterPid);
    callers.leave();
    await gone;
    callers.check();
    const answers = latencies.length;
    const { p50, p99 } = tail(Float64Array.from(latencies));
    return {
      answers,
      perSecond: answers / (wallMs / 1000),
      p50Ms: p50,
      p99Ms: p99,
      clientUs: (own.user + own.system) / answers,
      serverUs: serverBefore === undefined || serverAfter === undefined ? undefined : ((serverAfter - serverBefore) * 1000) / answers,
    };
  } finally {
    callers.leave();
  }
}

class Callers {
  latencies: number[] = [];
  readonly #ask: Ask;
  readonly #options: LoadOptions;
  #stopped = false;
  #wrong: Error | undefined;
  #nextKey = keySequence();

  constructor(ask: Ask, options: LoadOptions) {
    this.#ask = ask;
    this.#options = options;
  }

  /** Resolves when all have left. */
  async start(): Promise<void> {
    const { failing, callers } = this.#options;
    await Promise.all(Array.from({ length: callers }, () => (failing ? this.#failing() : this.#asking())));
  }

  /** Throws if somebody got a wrong answer. */
  check(): void {
    if (this.#wrong !== undefined) throw this.#wrong;
  }

  leave(): void {
    this.#stopped = true;
  }

  /** Resolves when so much time has passed and so many answers have come, or when somebody got a wrong one. */
  async asked(leastMs: number, leastAnswers: number): Promise<void> {
    const fromMs = performance.now();
    for (let pauseMs = leastMs; ; pauseMs = 20) {
      await sleep(pauseMs);
      const passedMs = performance.now() - fromMs;
      if (this.#wrong !== undefined || (passedMs >= leastMs && this.latencies.length >= leastAnswers)) return;
      if (passedMs > LONGEST_MS) throw new Error(`only ${this.latencies.length} answers within ${LONGEST_MS / 1000} s`);
    }
  }

  async #asking(): Promise<void> {
    const { statement } = this.#options;
    const ask = this.#ask;
    while (!this.#stopped) {
      const key = statement === 'quotient' ? 1 : this.#nextKey();
      const fromMs = performance.now();
      try {
        const row = await ask(key);
        this.latencies.push(performance.now() - fromMs);
        if (!isRight(statement, key, row)) this.#stop(new Error(`a wrong answer to ${statement} of ${key}: ${JSON.stringify(row)}`));
      } catch (error) {
        this.#stop(error);
      }
    }
  }

  async #failing(): Promise<void> {
    const ask = this.#ask;
    while (!this.#stopped) {
      const fromMs = performance.now();
      try {
        const row = await ask(0);
        this.#stop(new Error(`an answer where an error was due: ${JSON.stringify(row)}`));
      } catch (error) {
        this.latencies.push(performance.now() - fromMs);
        if (!isDivisionByZero(error)) this.#stop(error);
      }
    }
  }

  #stop(error: unknown): void {
    this.#wrong ??= error instanceof Error ? error : new Error(String(error));
    this.#stopped = true;
  }
}

/** Keys in an order that looks random and is the same in every run and for everybody. */
export function keySequence(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + ((state >>> 8) % CUSTOMERS);
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
