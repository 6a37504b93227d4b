// So many waiters, each with a signal of its own, all sent away in one loop.
import { Countdown, holdAll, Stalls, waitWith } from '../queue.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { youngCollection } from '../slices.ts';
import { Source, USUAL } from '../subject.ts';

export interface AbortsMeasured {
  readonly stallMs: number;
  readonly cpuNs: number;
}

export function aborts({ open }: Bench): Steps {
  return {
    measure: async (waiters: number): Promise<AbortsMeasured> => {
      youngCollection();
      const subject = await open({ ...USUAL, max: 1 }, new Source());
      const release = await holdAll(subject, 1);
      const countdown = new Countdown(waiters);
      const controllers = Array.from({ length: waiters }, () => new AbortController());
      let served = 0;
      const serve = (): void => { served += 1; countdown.tick(); };
      for (const { signal } of controllers) waitWith(subject, signal).then(serve, countdown.tick);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
      youngCollection();
      const cpu = process.cpuUsage();
      const stalls = new Stalls();
      stalls.start();
      for (const controller of controllers) controller.abort();
      await countdown.done;
      const stallMs = stalls.stop();
      const { user, system } = process.cpuUsage(cpu);
      release();
      await subject.close();
      if (served > 0) throw new Error(`${served} waiters were served after they had been sent away`);
      return { stallMs, cpuNs: ((user + system) * 1000) / waiters };
    },
  };
}
