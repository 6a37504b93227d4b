// Callers in closed loops, and what a stretch of them cost.
import { newSockets, timeWaitSockets } from '../../demo/meters/sockets.ts';
import { tail } from '../harness/statistics.ts';

export interface LoadOptions {
  readonly callers: number;
  readonly measureMs: number;
  /** Whose sockets in TIME_WAIT are counted. Undefined: none are, which spares reading and parsing the system's table. */
  readonly port?: number;
}

export interface LoadResult {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly clientUs: number;
  /** Sockets that wait in TIME_WAIT now and did not before; undefined where the system does not tell. */
  readonly timeWait: number | undefined;
}

/** Rejects with what the first exchange fails with. Ends when all callers have had their last answer. */
export async function load(exchange: () => Promise<void>, { callers, measureMs, port }: LoadOptions): Promise<LoadResult> {
  const waitingBefore = port === undefined ? undefined : timeWaitSockets(port);
  const latencies: number[] = [];
  const cpuBefore = process.cpuUsage();
  const fromMs = performance.now();
  const caller = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs - fromMs < measureMs;) {
      await exchange();
      const thenMs = performance.now();
      latencies.push(thenMs - nowMs);
      nowMs = thenMs;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const wallMs = performance.now() - fromMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  const answers = latencies.length;
  const { p50, p99 } = tail(Float64Array.from(latencies));
  return {
    answers, perSecond: answers / (wallMs / 1000), p50Ms: p50, p99Ms: p99, clientUs: (user + system) / answers,
    timeWait: port === undefined ? undefined : newSockets(waitingBefore, timeWaitSockets(port)),
  };
}
