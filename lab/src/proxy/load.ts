// Clients as an application has them: many connections, each of which is idle for most of the time.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface LoadResult {
  readonly answers: number;
  readonly errors: number;
  /** Of each answer, in no order. */
  readonly tookMs: readonly number[];
  readonly lastedMs: number;
}

/** On average so long between two queries of a client. */
const THINK_MS = 200;
/** So many log in at a time. */
const AT_ONCE = 20;

/** `clients` connections send a query of 2 ms from time to time, until that time is over or the signal comes. */
export async function runLoad(config: pg.ClientConfig, clients: number, forMs: number, signal: AbortSignal): Promise<LoadResult> {
  const connected: pg.Client[] = [];
  const tookMs: number[] = [];
  let errors = 0;
  try {
    while (connected.length < clients) {
      signal.throwIfAborted();
      connected.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, clients - connected.length) }, () => open(config))));
    }
    const startedAt = performance.now();
    const over = (): boolean => signal.aborted || performance.now() - startedAt >= forMs;
    await Promise.all(connected.map(async (client) => {
      while (!over()) {
        const askedAt = performance.now();
        try {
          await client.query('SELECT pg_sleep(0.002)');
          tookMs.push(performance.now() - askedAt);
        } catch {
          // Counted and shown; one that is cut off would fail without end.
          errors++;
          return;
        }
        await sleep(Math.random() * 2 * THINK_MS);
      }
    }));
    return { answers: tookMs.length, errors, tookMs, lastedMs: performance.now() - startedAt };
  } finally {
    await Promise.allSettled(connected.map((client) => client.end()));
  }
}

async function open(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  client.on('error', () => undefined); // the query under way rejects with it
  await client.connect();
  return client;
}
