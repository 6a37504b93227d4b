// Act one, one strategy: open it, let the users in, wait until the first rush is over, then measure for a fixed time, and close it.
import type { ServerMeter } from '../meters/server.ts';
import { cpuBetween, readCpu, type CpuUse } from '../meters/cpu.ts';
import { newSockets, timeWaitSockets } from '../meters/sockets.ts';
import { abortableSleep } from '../sleep.ts';
import { Crowd } from './crowd.ts';
import { errorKind } from './errors.ts';
import { percentiles, type Percentiles } from '../../percentiles.ts';
import type { Strategy, StrategyKind } from './strategy.ts';
import { keySequence, lookup } from './workload.ts';

export interface Row {
  readonly name: string;
  readonly kind: StrategyKind;
  readonly connections: number | undefined;
  readonly seconds: number;
  readonly ok: number;
  readonly perSecond: number;
  readonly latency: Percentiles;
  readonly errors: number;
  /** Errors by what they say, most frequent first. */
  readonly errorKinds: readonly (readonly [kind: string, count: number])[];
  /** Sessions that the server opened for this strategy, over all of its time. */
  readonly opened: number;
  readonly timeWait: number | undefined;
  readonly cpu: CpuUse;
  /** Means as the pool counts them: waiting for a connection, and holding it. */
  readonly split: { readonly waitMs: number; readonly useMs: number } | undefined;
}

export interface MeasureContext {
  readonly users: number;
  readonly ioMs: number;
  readonly measureMs: number;
  /** The first rush ends when as many answers came as there are users, but after this time at the latest. */
  readonly warmUpMs: number;
  readonly arriveOverMs: number;
  readonly pauseAfterErrorMs: number;
  readonly port: number;
  readonly postmasterPid: number | undefined;
  readonly meter: ServerMeter;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly phase: 'warming up' | 'measuring';
  /** 0 to 1, of the whole strategy. */
  readonly done: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly p50: number;
}

const PROGRESS_EVERY_MS = 100;
/** After the last one has arrived. */
const SHORTEST_WARM_UP_MS = 300;
const GOODBYE_MS = 5000;
const QUIET_MS = 3000;

export async function measure(strategy: Strategy, context: MeasureContext): Promise<Row> {
  const { meter, port, signal } = context;
  signal.throwIfAborted();
  await meter.quiet(QUIET_MS);
  const openedBefore = await meter.sessionsOpened();
  const socketsBefore = timeWaitSockets(port);
  const tally = new Tally();
  const crowd = new Crowd({
    users: context.users,
    request: (key) => strategy.request(lookup(key, context.ioMs)),
    nextKey: keySequence(),
    onOk: (latencyMs) => tally.addOk(latencyMs),
    onError: (error) => tally.addError(error),
    pauseAfterErrorMs: context.pauseAfterErrorMs,
    arriveOverMs: context.arriveOverMs,
  });
  let measured;
  try {
    report(context, tally, 'warming up', 0, 0);
    await strategy.open();
    crowd.start();
    measured = await watch(strategy, tally, context);
  } finally {
    crowd.leave();
    const closed = strategy.close();
    await crowd.gone(GOODBYE_MS);
    await closed;
  }
  signal.throwIfAborted();
  await meter.quiet(QUIET_MS);
  const opened = await meter.sessionsOpened() - openedBefore;
  const timeWait = newSockets(socketsBefore, timeWaitSockets(port));
  return { name: strategy.name, kind: strategy.kind, connections: strategy.connections, ...measured, opened, timeWait };
}

type Measured = Pick<Row, 'seconds' | 'ok' | 'perSecond' | 'latency' | 'errors' | 'errorKinds' | 'cpu' | 'split'>;

async function watch(strategy: Strategy, tally: Tally, context: MeasureContext): Promise<Measured> {
  const { users, warmUpMs, measureMs, postmasterPid } = context;
  const total = warmUpMs + measureMs;
  const beganMs = performance.now();
  await ticking(context, () => {
    const passed = performance.now() - beganMs;
    report(context, tally, 'warming up', passed / total, passed);
    return passed >= warmUpMs || (passed >= context.arriveOverMs + SHORTEST_WARM_UP_MS && tally.answers >= users);
  });
  tally.reset();
  const cpuBefore = readCpu(postmasterPid);
  const timesBefore = strategy.times?.();
  await ticking(context, () => {
    const passed = performance.now() - cpuBefore.atMs;
    report(context, tally, 'measuring', (warmUpMs + passed) / total, passed);
    return passed >= measureMs;
  });
  const cpu = cpuBetween(cpuBefore, readCpu(postmasterPid));
  const times = strategy.times?.();
  const seconds = cpu.wallMs / 1000;
  const served = times && timesBefore ? times.served - timesBefore.served : 0;
  return {
    seconds,
    ok: tally.latencies.length,
    perSecond: tally.latencies.length / seconds,
    latency: percentiles(tally.latencies),
    errors: tally.errors,
    errorKinds: tally.kinds(),
    cpu,
    split: times && timesBefore && served > 0
      ? { waitMs: (times.waitMs - timesBefore.waitMs) / served, useMs: (times.useMs - timesBefore.useMs) / served }
      : undefined,
  };
}

/** Calls `step` now and then until it returns true. */
async function ticking(context: MeasureContext, step: () => boolean): Promise<void> {
  while (!step()) await abortableSleep(PROGRESS_EVERY_MS, context.signal);
}

function report(context: MeasureContext, tally: Tally, phase: Progress['phase'], done: number, passedMs: number): void {
  context.onProgress({
    phase,
    done: Math.min(1, done),
    perSecond: passedMs > 0 ? tally.latencies.length / (passedMs / 1000) : 0,
    errors: tally.errors,
    p50: tally.recentMedian(),
  });
}

class Tally {
  latencies: number[] = [];
  errors = 0;
  #kinds = new Map<string, number>();

  get answers(): number {
    return this.latencies.length + this.errors;
  }

  addOk(latencyMs: number): void {
    this.latencies.push(latencyMs);
  }

  addError(error: unknown): void {
    this.errors += 1;
    const kind = errorKind(error);
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  kinds(): (readonly [string, number])[] {
    return [...this.#kinds].sort((a, b) => b[1] - a[1]);
  }

  /** Of the last answers only: cheap enough for a display that is redrawn ten times a second. */
  recentMedian(): number {
    return percentiles(this.latencies.slice(-500)).p50;
  }

  reset(): void {
    this.latencies = [];
    this.errors = 0;
    this.#kinds = new Map();
  }
}
