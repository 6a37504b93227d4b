// What the pool keeps for one idle resource, beyond the resource itself.
import { holdAll } from '../queue.ts';
import type { Bench, Steps } from '../scenarios.ts';
import { Source, Thing, USUAL } from '../subject.ts';

const RESOURCES = 5000;

export function heap({ open }: Bench): Steps {
  return {
    measure: async (): Promise<number> => {
      const things: Thing[] = [];
      const own = await grown(() => { for (let id = 0; id < RESOURCES; id += 1) things.push(new Thing(id)); });
      const source = new Source();
      const subject = await open({ ...USUAL, max: RESOURCES }, source);
      const all = await grown(async () => (await holdAll(subject, RESOURCES))());
      if (source.live !== RESOURCES) throw new Error(`${source.live} resources instead of ${RESOURCES}`);
      await subject.close();
      return (all - own) / things.length;
    },
  };
}

async function grown(work: () => void | Promise<void>): Promise<number> {
  await settle();
  const before = process.memoryUsage().heapUsed;
  await work();
  await settle();
  return process.memoryUsage().heapUsed - before;
}

/** Twice: what only a finalizer held is gone after the second. */
async function settle(): Promise<void> {
  for (let times = 0; times < 2; times += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    globalThis.gc?.();
  }
}
