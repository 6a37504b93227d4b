// What was seen of an outage, in steps of a tenth of a second, and what follows from it. Pure: figures in, figures out.

export interface Sample {
  /** End of the step, from the beginning of the act. */
  readonly atMs: number;
  /** Its length. A busy event loop does not keep to the tenth of a second exactly. */
  readonly spanMs: number;
  readonly ok: number;
  readonly errors: number;
  /** Connections that live: lent or idle. */
  readonly connections: number;
  /** The most connection attempts under way at once within the step. */
  readonly connecting: number;
  readonly waiting: number;
  readonly state: string;
}

export interface Events {
  readonly killedMs: number;
  /** The server's processes are started again. */
  readonly restartedMs: number;
  /** The server said that it takes connections. */
  readonly upMs: number;
  /** The first answer that a user got from the new server. */
  readonly firstOkMs: number | undefined;
}

export interface Outage {
  readonly samples: readonly Sample[];
  readonly events: Events;
  readonly users: number;
  readonly size: number;
  readonly maxCreating: number;
  /** The most connection attempts under way at once, and how many there were in all. */
  readonly attempts: { readonly peak: number; readonly total: number };
  readonly errors: number;
  readonly errorKinds: readonly (readonly [kind: string, count: number])[];
  /** Errors that reached the process because nobody caught them. */
  readonly uncaught: number;
}

export interface Recovery {
  /** Answers per second before the kill. */
  readonly before: number;
  /** From the server's being up to the first answer; negative when a user had it before the server's own starter noticed. */
  readonly firstAnswerMs: number | undefined;
  /**
   * From the server's being up to the first half second at 80 % of the rate before (a short run varies by nearly that much); undefined
   * when the run ended sooner.
   */
  readonly fullSpeedMs: number | undefined;
  /** From the kill to the first answer. */
  readonly outageMs: number | undefined;
}

export const FULL = 0.8;
const WINDOW_MS = 500;
/** The first rush is not what the pool does every day. */
const SETTLING_MS = 1000;

export function recovery({ samples, events }: Pick<Outage, 'samples' | 'events'>): Recovery {
  const settled = Math.min(SETTLING_MS, events.killedMs / 2);
  const before = rate(samples.filter((sample) => start(sample) >= settled && sample.atMs <= events.killedMs));
  const { firstOkMs } = events;
  return {
    before,
    firstAnswerMs: firstOkMs === undefined ? undefined : firstOkMs - events.upMs,
    fullSpeedMs: fullSpeed(samples, events, before),
    outageMs: firstOkMs === undefined ? undefined : firstOkMs - events.killedMs,
  };
}

/** Answers per second over these samples. */
function rate(samples: readonly Sample[]): number {
  const spanMs = samples.reduce((sum, sample) => sum + sample.spanMs, 0);
  return spanMs === 0 ? 0 : samples.reduce((sum, sample) => sum + sample.ok, 0) / (spanMs / 1000);
}

function fullSpeed(samples: readonly Sample[], events: Events, before: number): number | undefined {
  for (const [index, sample] of samples.entries()) {
    if (start(sample) < events.restartedMs || rate([sample]) < before * FULL) continue;
    const window = samples.slice(index).filter((later) => later.atMs <= start(sample) + WINDOW_MS + sample.spanMs / 2);
    const whole = (window.at(-1)?.atMs ?? 0) - start(sample) >= WINDOW_MS - sample.spanMs / 2;
    if (whole && rate(window) >= before * FULL) return Math.max(0, start(sample) - events.upMs);
  }
  return undefined;
}

function start(sample: Sample): number {
  return sample.atMs - sample.spanMs;
}
