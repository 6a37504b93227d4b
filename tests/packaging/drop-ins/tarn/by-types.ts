// What a user with TypeScript writes, and what knex's declarations import.
import { Pool, TimeoutError } from 'tarn';
import type { PoolOptions } from 'tarn/dist/Pool';
import { knexPool } from 'tarn/knex';

interface Line { send(text: string): Promise<string> }
declare function open(): Promise<Line>;

const options: PoolOptions<Line> = {
  create: open, destroy: () => undefined, validate: async () => true, min: 0, max: 4, acquireTimeoutMillis: 1_000,
  propagateCreateError: true,
  millpond: { endDeadlineMs: 1_000, leakThresholdMs: 5_000 },
};
export const pool = new Pool<Line>(options);

export async function ask(text: string): Promise<string> {
  const pending = pool.acquire();
  const line = await pending.promise;
  try {
    return await line.send(text);
  } catch (error) {
    if (error instanceof TimeoutError) pending.abort();
    throw error;
  } finally {
    const released: boolean = pool.release(line);
    void [released, pool.numUsed(), pool.numPendingCreates()];
  }
}
pool.on('createFail', (id: number, error: Error) => void [id, error.message]);
export const forKnex = knexPool<Line>(options);

// @ts-expect-error A number, not a text.
export const wrong = new Pool({ create: open, destroy: () => undefined, min: 0, max: '4' });
