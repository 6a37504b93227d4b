// Everything is lent and does not come back; so many waiters, all queued in one turn, run out of time in one moment. How long does nothing
// else in the process get to run?
import { Countdown, holdAll, Stalls, waitOnce } from '../queue.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { youngCollection } from '../slices.ts';
import { Source, USUAL } from '../subject.ts';

export interface TimeoutsMeasured {
  readonly stallMs: number;
  /** From the deadline to the last waiter told. */
  readonly lateMs: number;
  readonly cpuNs: number;
}

export interface TimeoutsPlan {
  readonly waiters: number;
  readonly timeoutMs: number;
}

export function timeouts({ open }: Bench): Steps {
  return {
    measure: async ({ waiters, timeoutMs }: TimeoutsPlan): Promise<TimeoutsMeasured> => {
      youngCollection();
      const subject = await open({ ...USUAL, max: 1, acquireTimeoutMs: timeoutMs }, new Source());
      await holdAll(subject, 1);
      const countdown = new Countdown(waiters);
      const queued = performance.now();
      let served = 0;
      const serve = (): void => { served += 1; countdown.tick(); };
      for (let left = waiters; left > 0; left -= 1) waitOnce(subject).then(serve, countdown.tick);
      await new Promise((resolve) => { setImmediate(resolve); });
      const cpu = process.cpuUsage();
      const stalls = new Stalls();
      stalls.start();
      await countdown.done;
      const lateMs = performance.now() - queued - timeoutMs;
      const stallMs = stalls.stop();
      const { user, system } = process.cpuUsage(cpu);
      if (served > 0) throw new Error(`${served} waiters were served with a resource that somebody else has`);
      return { stallMs, lateMs, cpuNs: ((user + system) * 1000) / waiters };
    },
  };
}
