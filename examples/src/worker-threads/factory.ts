import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Factory } from 'millpond';

/** Threads that run `script`. */
export function workerFactory(script: URL): Factory<Worker> {
  return {
    async create({ signal }) {
      const worker = new Worker(script);
      worker.on('error', () => {}); // without a listener it would end the process
      try {
        await once(worker, 'online', { signal });
      } catch (error) {
        await worker.terminate(); // leave nothing behind
        throw error;
      }
      return worker;
    },
    destroy: async (worker) => void await worker.terminate(),
    isBroken: (worker) => worker.threadId === -1,
    onLost(worker, listener) {
      const lost = (code: number): void => listener(new Error(`the thread ended with exit code ${code}`));
      worker.once('exit', lost);
      return () => worker.off('exit', lost);
    },
  };
}

/** One job at a time: the answer is the next message. Rejects when the thread ends, or the signal aborts. */
export async function run<R>(worker: Worker, job: unknown, signal?: AbortSignal): Promise<R> {
  const ended = new AbortController();
  const exit = (code: number): void => ended.abort(new Error(`the thread ended with exit code ${code}`));
  worker.once('exit', exit).postMessage(job);
  try {
    const [answer] = await once(worker, 'message', { signal: AbortSignal.any([ended.signal, ...signal ? [signal] : []]) }) as [R];
    return answer;
  } finally {
    worker.off('exit', exit);
  }
}
