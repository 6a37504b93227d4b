// The loops that are timed. One for each kind of pool, kept apart so that each is compiled for the one it runs with.
import { hop, type Lender, type Runner, type Subject, type Trier } from './subject.ts';

const nothing = (): void => undefined;
const oneHop = (): Promise<void> => hop;

/** Acquire and release, one after the other, nobody else there. */
export function alone(subject: Subject, times: number): Promise<void> {
  if (subject.kind === 'lends') return lendAlone(subject, times);
  if (subject.kind === 'runs') return runAlone(subject, times);
  return tryAlone(subject, times);
}

/** `workers` loops at once, each acquiring, working for one hop, releasing; until `times` loans have been made in all. */
export async function crowd(subject: Subject, workers: number, times: number): Promise<void> {
  const share = Math.ceil(times / workers);
  const loop = subject.kind === 'lends' ? lendLoop : runLoop;
  await Promise.all(Array.from({ length: workers }, () => loop(subject as never, share)));
}

/** The same with the time that each acquire took, in microseconds. */
export async function timedCrowd(subject: Subject, workers: number, times: number): Promise<Float64Array> {
  const share = Math.ceil(times / workers);
  const taken = new Float64Array(share * workers);
  const loop = subject.kind === 'lends' ? timedLendLoop : timedRunLoop;
  await Promise.all(Array.from({ length: workers }, (_, index) => loop(subject as never, share, taken, index * share)));
  return taken;
}

async function lendAlone(subject: Lender, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 1) subject.release(await subject.acquire());
}

async function runAlone(subject: Runner, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 1) await subject.use(nothing);
}

function tryAlone(subject: Trier, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 1) {
    const held = subject.tryAcquire();
    if (held === undefined) throw new Error('there was nothing to be had');
    subject.release(held);
  }
  return Promise.resolve();
}

async function lendLoop(subject: Lender, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 1) {
    const held = await subject.acquire();
    await hop;
    subject.release(held);
  }
}

async function runLoop(subject: Runner, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 1) await subject.use(oneHop);
}

async function timedLendLoop(subject: Lender, times: number, taken: Float64Array, from: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    const begun = performance.now();
    const held = await subject.acquire();
    taken[from + index] = (performance.now() - begun) * 1000;
    await hop;
    subject.release(held);
  }
}

async function timedRunLoop(subject: Runner, times: number, taken: Float64Array, from: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    const begun = performance.now();
    const at = from + index;
    await subject.use(() => {
      taken[at] = (performance.now() - begun) * 1000;
      return hop;
    });
  }
}
