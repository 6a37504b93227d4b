// Act two: the server is killed with SIGKILL while everybody is asking, and started again a moment later. Nobody tells the pool.
import { createPgPool, type PgPool } from 'millpond/pg';
import type { PostgresServer } from '../../servers/postgres.ts';
import { tree } from '../../servers/processes.ts';
import { Crowd } from '../load/crowd.ts';
import { errorKind } from '../load/errors.ts';
import type { Server } from '../load/strategy.ts';
import { keySequence, lookup } from '../load/workload.ts';
import { countAttempts, type AttemptMeter } from '../meters/attempts.ts';
import { abortableSleep } from '../sleep.ts';
import { killFromOutside } from './kill.ts';
import type { Events, Outage, Sample } from './timeline.ts';

export interface OutageOptions {
  readonly users: number;
  readonly ioMs: number;
  readonly size: number;
  readonly maxCreating: number;
  readonly arriveOverMs: number;
  readonly pauseAfterErrorMs: number;
  readonly calmMs: number;
  readonly downMs: number;
  readonly afterMs: number;
  readonly signal: AbortSignal;
  readonly onSample: (samples: readonly Sample[], events: Partial<Events>) => void;
}

const STEP_MS = 100;
const GOODBYE_MS = 5000;
const AIM_MS = 300;

export async function outage(postgres: PostgresServer, server: Server, options: OutageOptions): Promise<Outage> {
  const { users, size, maxCreating } = options;
  const attempts = countAttempts(server.port);
  const strays = countStrayErrors();
  const pool = createPgPool({
    ...server,
    name: 'demo-outage',
    min: size,
    max: size,
    maxCreating,
    createRetry: { initialDelayMs: 100, maxDelayMs: 500 },
  });
  const diary = new Diary(pool, attempts, options);
  const crowd = new Crowd({
    users,
    request: (key) => {
      const { text, values } = lookup(key, options.ioMs);
      return pool.query(text, values);
    },
    nextKey: keySequence(),
    onOk: (_latencyMs, atMs) => diary.ok(atMs),
    onError: (error) => diary.error(error),
    pauseAfterErrorMs: options.pauseAfterErrorMs,
    arriveOverMs: options.arriveOverMs,
  });
  try {
    await pool.ready({ timeoutMs: 10_000 });
    diary.begin();
    crowd.start();
    await strike(postgres, diary, options);
  } finally {
    diary.end();
    crowd.leave();
    const closed = pool.close({ deadlineMs: GOODBYE_MS });
    await crowd.gone(GOODBYE_MS);
    await closed;
    attempts.stop();
    strays.stop();
  }
  return {
    ...diary.written(),
    users,
    size,
    maxCreating,
    attempts: { peak: attempts.peak, total: attempts.total },
    uncaught: strays.count,
  };
}

async function strike(postgres: PostgresServer, diary: Diary, options: OutageOptions): Promise<void> {
  const { calmMs, downMs, afterMs, signal } = options;
  const postmaster = postgres.pid;
  if (postmaster === undefined) throw new Error('PostgreSQL ended before it was to be killed.');
  await abortableSleep(calmMs - AIM_MS, signal);
  const family = tree(postmaster);
  await abortableSleep(AIM_MS, signal); // looking for them has held everybody up: let the load come back
  await killFromOutside(family, () => diary.note('killedMs'));
  if (postgres.pid !== undefined) await postgres.kill('SIGKILL'); // whoever was born in between; waits until all are gone
  await abortableSleep(downMs, signal);
  diary.note('restartedMs');
  await postgres.start();
  diary.note('upMs');
  await abortableSleep(afterMs, signal);
}

/** Writes down every tenth of a second what happened in it. */
class Diary {
  readonly #pool: Pick<PgPool, 'stats'>;
  readonly #attempts: AttemptMeter;
  readonly #onSample: OutageOptions['onSample'];
  readonly #samples: Sample[] = [];
  readonly #events: { -readonly [K in keyof Events]?: number } = {};
  readonly #kinds = new Map<string, number>();
  #startMs = 0;
  #ok = 0;
  #errors = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(pool: Pick<PgPool, 'stats'>, attempts: AttemptMeter, options: Pick<OutageOptions, 'onSample'>) {
    this.#pool = pool;
    this.#attempts = attempts;
    this.#onSample = options.onSample;
  }

  begin(): void {
    this.#startMs = performance.now();
    this.#attempts.takePeak();
    this.#timer = setInterval(() => this.#step(), STEP_MS);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  note(event: 'killedMs' | 'restartedMs' | 'upMs'): void {
    this.#events[event] = performance.now() - this.#startMs;
  }

  ok(atMs: number): void {
    this.#ok += 1;
    if (this.#events.restartedMs !== undefined) this.#events.firstOkMs ??= atMs - this.#startMs;
  }

  error(error: unknown): void {
    this.#errors += 1;
    const kind = errorKind(error);
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  written(): Pick<Outage, 'samples' | 'events' | 'errors' | 'errorKinds'> {
    const { killedMs = NaN, restartedMs = NaN, upMs = NaN, firstOkMs } = this.#events;
    const errorKinds = [...this.#kinds].sort((a, b) => b[1] - a[1]);
    const errors = errorKinds.reduce((sum, [, count]) => sum + count, 0);
    return { samples: this.#samples, events: { killedMs, restartedMs, upMs, firstOkMs }, errors, errorKinds };
  }

  #step(): void {
    const stats = this.#pool.stats();
    const atMs = performance.now() - this.#startMs;
    this.#samples.push({
      atMs,
      spanMs: atMs - (this.#samples.at(-1)?.atMs ?? 0),
      ok: this.#ok,
      errors: this.#errors,
      connections: stats.idle + stats.borrowed + stats.validating + stats.resetting,
      connecting: this.#attempts.takePeak(),
      waiting: stats.waiting,
      state: stats.state,
    });
    this.#ok = 0;
    this.#errors = 0;
    this.#onSample(this.#samples, { ...this.#events });
  }
}

interface StrayErrors {
  readonly count: number;
  stop(): void;
}

/** Errors that nobody caught. One of them would have ended an ordinary program; here they are counted, and the page says so. */
function countStrayErrors(): StrayErrors {
  let count = 0;
  const onError = (): void => { count += 1; };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  return {
    get count() { return count; },
    stop: () => {
      process.off('uncaughtException', onError);
      process.off('unhandledRejection', onError);
    },
  };
}
