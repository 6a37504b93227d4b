// Counts primes on two threads, and shows what becomes of a job without an end.
import { Pool } from 'millpond';
import { run, workerFactory } from './factory.ts';

const pool = new Pool({ name: 'workers', min: 2, max: 2, factory: workerFactory(new URL('./worker.js', import.meta.url)) });
await pool.ready();

const counts = await Promise.all([10, 100, 1000, 10_000].map((upTo) => pool.use((worker) => run<number>(worker, upTo))));
console.log('primes:', counts.join(' '));
console.log('threads:', pool.stats().totals.created);

// A thread in an endless loop hears nothing any more. Whoever gives up on its answer ends it, and the pool makes another.
const lease = await pool.acquire();
try {
  await run(lease.resource, Infinity, AbortSignal.timeout(100));
} catch (error) {
  console.log('given up:', (error as Error).name);
  lease.destroy(error);
}
console.log('primes up to 30:', await pool.use((worker) => run<number>(worker, 30)));
await pool.close();
