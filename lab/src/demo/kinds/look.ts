// One way to come by a connection, under its users, and what they saw of it in steps of a tenth of a second.
import type { Way } from './kind.ts';
import { serverCpuMs } from '../../bench/postgres/server-cpu.ts';
import { percentiles, type Percentiles } from '../../percentiles.ts';
import { Crowd } from '../load/crowd.ts';
import { errorKind } from '../load/errors.ts';
import { countAttempts } from '../meters/attempts.ts';
import { newSockets, timeWaitSockets } from '../meters/sockets.ts';
import { abortableSleep } from '../sleep.ts';

export interface Step {
  readonly ok: number;
  readonly errors: number;
}

export interface Seen {
  readonly name: string;
  readonly perSecond: number;
  readonly latency: Percentiles;
  readonly errors: number;
  /** By what they say, most frequent first. */
  readonly errorKinds: readonly (readonly [kind: string, count: number])[];
  /** Over all of its time, counted at the sockets. */
  readonly connects: number;
  readonly timeWait: number | undefined;
  /** Client and server together, for one answer. */
  readonly cpuMs: number | undefined;
  readonly steps: readonly Step[];
  readonly lengthMs: number;
  /** The longest time without any answer. */
  readonly silenceMs: number;
  /** From the last moment that was noted to the first answer after it. */
  readonly healedMs: number | undefined;
  readonly moments: readonly { readonly atMs: number; readonly words: string }[];
}

export interface LookOptions {
  readonly users: number;
  readonly port: number;
  readonly pid: () => number | undefined;
  readonly warmUpMs: number;
  readonly signal: AbortSignal;
}

export type Note = (words: string) => void;

const STEP_MS = 100;
const PAUSE_AFTER_ERROR_MS = 100;
const GOODBYE_MS = 2000;

/** Measures for as long as `during` takes; its `note`s are the moments below the timeline. */
export async function look(way: Way, options: LookOptions, during: (note: Note) => Promise<void>): Promise<Seen> {
  const { users, port, pid, warmUpMs, signal } = options;
  signal.throwIfAborted();
  const socketsBefore = timeWaitSockets(port);
  const attempts = countAttempts(port);
  const opened = await way.open();
  const diary = new Diary();
  const crowd = new Crowd({
    users, request: () => opened.exchange(), nextKey: () => 0, pauseAfterErrorMs: PAUSE_AFTER_ERROR_MS, arriveOverMs: warmUpMs / 2,
    onOk: (latencyMs, atMs) => diary.ok(latencyMs, atMs),
    onError: (error) => diary.error(error),
  });
  try {
    crowd.start();
    await abortableSleep(warmUpMs, signal);
    diary.begin();
    const before = cpuMs(pid());
    const server = pid();
    await during((words) => diary.note(words));
    const after = server === pid() ? cpuMs(pid()) : undefined; // a server that was started again begins at nought
    diary.end();
    crowd.leave();
    await leave(crowd, opened);
    const used = before === undefined || after === undefined ? undefined : after - before;
    return {
      name: way.name, ...diary.written(used), connects: attempts.total, timeWait: newSockets(socketsBefore, timeWaitSockets(port)),
    };
  } finally {
    diary.end();
    crowd.leave();
    attempts.stop();
  }
}

/** Some pools never finish closing while their server is in trouble; the demo does not wait for them. */
async function leave(crowd: Crowd, opened: { close(): Promise<unknown> }): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, GOODBYE_MS); });
  await crowd.gone(GOODBYE_MS);
  await Promise.race([Promise.resolve(opened.close()).catch(() => undefined), late]);
  clearTimeout(timer);
}

function cpuMs(pid: number | undefined): number | undefined {
  const server = serverCpuMs(pid);
  const { user, system } = process.cpuUsage();
  return server === undefined ? undefined : server + (user + system) / 1000;
}

type Written = Omit<Seen, 'name' | 'connects' | 'timeWait'>;

class Diary {
  readonly #latencies: number[] = [];
  readonly #kinds = new Map<string, number>();
  readonly #steps: Step[] = [];
  readonly #moments: { atMs: number; words: string }[] = [];
  #beginMs = Infinity;
  #endMs = Infinity;
  #lastOkMs = 0;
  #silenceMs = 0;
  #healedMs: number | undefined;
  #ok = 0;
  #errors = 0;
  #allErrors = 0;
  #timer: NodeJS.Timeout | undefined;

  begin(): void {
    this.#beginMs = this.#lastOkMs = performance.now();
    this.#ok = this.#errors = 0;
    this.#timer = setInterval(() => this.#step(), STEP_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#endMs = Math.min(this.#endMs, performance.now());
  }

  ok(latencyMs: number, atMs: number): void {
    if (atMs < this.#beginMs) return;
    this.#ok += 1;
    this.#latencies.push(latencyMs);
    this.#silenceMs = Math.max(this.#silenceMs, atMs - this.#lastOkMs);
    this.#lastOkMs = atMs;
    const last = this.#moments.at(-1);
    if (last !== undefined) this.#healedMs ??= Math.max(0, atMs - this.#beginMs - last.atMs);
  }

  error(error: unknown): void {
    if (this.#beginMs === Infinity) return;
    this.#errors += 1;
    this.#allErrors += 1;
    const kind = errorKind(error);
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  note(words: string): void {
    this.#moments.push({ atMs: performance.now() - this.#beginMs, words });
    this.#healedMs = undefined;
  }

  written(usedMs: number | undefined): Written {
    const lengthMs = this.#endMs - this.#beginMs;
    const answers = this.#latencies.length;
    return {
      perSecond: answers / (lengthMs / 1000), latency: percentiles(this.#latencies), errors: this.#allErrors,
      errorKinds: [...this.#kinds].sort((a, b) => b[1] - a[1]),
      cpuMs: usedMs === undefined || answers === 0 ? undefined : usedMs / answers,
      steps: this.#steps, lengthMs, silenceMs: Math.max(this.#silenceMs, this.#endMs - this.#lastOkMs), healedMs: this.#healedMs,
      moments: this.#moments,
    };
  }

  #step(): void {
    this.#steps.push({ ok: this.#ok, errors: this.#errors });
    this.#ok = this.#errors = 0;
  }
}
