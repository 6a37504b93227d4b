// Callers that go on asking while the server goes down and comes back, and a diary of what they saw. Times are of the system's monotonic
// clock, which the processes of one machine share, so that the parent can say when the server was up.
import { countAttempts, type AttemptMeter } from '../../demo/meters/attempts.ts';
import { errorKind } from '../../demo/load/errors.ts';
import { Crowd } from '../../demo/load/crowd.ts';
import { keySequence } from './load.ts';
import { recovery, type Diary, type Moments, type Step } from './recovery.ts';
import { isRight, type Ask } from './workload.ts';

export interface SiegeOptions {
  readonly port: number;
  readonly callers: number;
  readonly stepMs: number;
  readonly pauseAfterErrorMs: number;
}

const GOODBYE_MS = 3000;

/** Milliseconds of the system's monotonic clock. */
export function systemMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class Siege {
  readonly #options: SiegeOptions;
  readonly #crowd: Crowd;
  readonly #steps: Step[] = [];
  readonly #kinds = new Map<string, number>();
  #attempts: AttemptMeter | undefined;
  #timer: NodeJS.Timeout | undefined;
  #fromMs = 0;
  #ok = 0;
  #firstOkMs: number | undefined;
  #stray = 0;
  readonly #onStray = (): void => { this.#stray += 1; };

  constructor(ask: Ask, options: SiegeOptions) {
    this.#options = options;
    const nextKey = keySequence();
    const { callers, pauseAfterErrorMs } = options;
    this.#crowd = new Crowd({
      users: callers, nextKey, pauseAfterErrorMs, arriveOverMs: 0,
      request: async (key) => {
        const row = await ask(key);
        if (!isRight('byKey', key, row)) throw new Error('a wrong answer');
      },
      onOk: () => {
        this.#ok += 1;
        this.#firstOkMs ??= systemMs();
      },
      onError: (error) => {
        const kind = errorKind(error);
        this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
      },
    });
  }

  begin(): void {
    // An error that nobody catches would end an ordinary program; here it is counted.
    process.on('uncaughtException', this.#onStray);
    process.on('unhandledRejection', this.#onStray);
    this.#attempts = countAttempts(this.#options.port);
    this.#fromMs = systemMs();
    this.#timer = setInterval(() => this.#step(), this.#options.stepMs);
    this.#crowd.start();
  }

  /** Whether it is whole again. */
  hasRecovered(moments: Moments): boolean {
    return recovery(this.#steps, moments).fullMs !== undefined;
  }

  async end(): Promise<Diary> {
    clearInterval(this.#timer);
    await this.#crowd.gone(GOODBYE_MS);
    const attempts = this.#attempts?.total ?? 0;
    this.#attempts?.stop();
    process.off('uncaughtException', this.#onStray);
    process.off('unhandledRejection', this.#onStray);
    return { steps: this.#steps, attempts, errors: [...this.#kinds].sort((a, b) => b[1] - a[1]), stray: this.#stray };
  }

  #step(): void {
    const toMs = systemMs();
    this.#steps.push({
      fromMs: this.#fromMs, toMs, ok: this.#ok, firstOkMs: this.#firstOkMs, connecting: this.#attempts?.takePeak() ?? 0,
    });
    this.#fromMs = toMs;
    this.#ok = 0;
    this.#firstOkMs = undefined;
  }
}
