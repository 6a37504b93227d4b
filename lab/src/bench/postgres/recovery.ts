// What was seen of a restart, and what follows from it. Pure: figures in, figures out.

/** One stretch of the diary. All times are of one clock. */
export interface Step {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ok: number;
  readonly firstOkMs: number | undefined;
  /** Connects under way at once, at most. */
  readonly connecting: number;
}

export interface Diary {
  readonly steps: readonly Step[];
  /** Connects begun. */
  readonly attempts: number;
  /** What callers were told, most frequent first. */
  readonly errors: readonly (readonly [kind: string, count: number])[];
  /** Errors that nobody caught. */
  readonly stray: number;
}

export interface Moments {
  /** The order to shut down. */
  readonly downMs: number;
  /** The order to start. */
  readonly startMs: number;
  /** The server said that it takes connections. */
  readonly upMs: number;
}

export interface Recovery {
  /** Answers per second before. */
  readonly before: number;
  /** From up to the first answer of the new server; 0 where somebody had one before the server's starter noticed. */
  readonly firstAnswerMs: number | undefined;
  /** From up to the beginning of the first stretch of `WINDOW_MS` at `FULL` of the rate before. */
  readonly fullMs: number | undefined;
  /** Connects under way at once, at most, from the shutdown on. */
  readonly peak: number;
}

export const FULL = 0.9;
const WINDOW_MS = 250;
/** The first rush is not what they do every day. */
const SETTLING_MS = 500;

export function recovery(steps: readonly Step[], { downMs, startMs, upMs }: Moments): Recovery {
  const beginMs = (steps[0]?.fromMs ?? 0) + SETTLING_MS;
  const before = rate(steps.filter((step) => step.fromMs >= beginMs && step.toMs <= downMs));
  const after = steps.filter((step) => step.fromMs >= startMs);
  const first = after.find((step) => step.firstOkMs !== undefined)?.firstOkMs;
  return {
    before,
    firstAnswerMs: first === undefined ? undefined : Math.max(0, first - upMs),
    fullMs: full(after, upMs, before * FULL),
    peak: Math.max(0, ...steps.filter((step) => step.toMs > downMs).map((step) => step.connecting)),
  };
}

function full(steps: readonly Step[], upMs: number, least: number): number | undefined {
  for (const [index, first] of steps.entries()) {
    if (rate([first]) < least) continue;
    const { fromMs } = first;
    const end = steps.findIndex((step, at) => at >= index && step.toMs - fromMs >= WINDOW_MS);
    if (end < 0) return undefined;
    if (rate(steps.slice(index, end + 1)) >= least) return Math.max(0, fromMs - upMs);
  }
  return undefined;
}

/** Answers per second. */
function rate(steps: readonly Step[]): number {
  const spanMs = steps.reduce((sum, step) => sum + step.toMs - step.fromMs, 0);
  return spanMs === 0 ? 0 : steps.reduce((sum, step) => sum + step.ok, 0) / (spanMs / 1000);
}
