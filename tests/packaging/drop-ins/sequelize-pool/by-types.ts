import { Pool, TimeoutError, type FactoryOptions } from 'sequelize-pool';

interface Line { readonly port: number }
const options: FactoryOptions<Line> = { min: 0, max: 2, create: async () => ({ port: 1 }), destroy: () => {}, validate: () => true };
export const pool: Pool<Line> = new Pool({ ...options, millpond: { leakThresholdMs: 1_000 } });

export async function port(): Promise<number> {
  try {
    const line = await pool.acquire();
    pool.release(line);
    return line.port;
  } catch (error) {
    if (error instanceof TimeoutError) return 0;
    throw error;
  }
}

// @ts-expect-error A pool needs a way to make something.
export const incomplete: Pool<Line> = new Pool({ min: 0, max: 2 });
