// Ten thousand callers on ten connections, and a third of them leave.

import { createPgPool } from 'millpond/pg';
import { expect, it } from 'vitest';
import { until } from '../support/postgres.ts';
import { seeded } from '../support/seeded.ts';
import { onEachPostgres } from '../support/suite.ts';

onEachPostgres('a crowd', (stage) => {
  for (const [reset, callers] of [['rollback', 10_000], ['discard', 3_000]] as const) {
    it(`of ${callers} callers on 10 connections with random aborts leaves exactly 10 idle ones at the server ('${reset}')`, async () => {
      const seed = Number(process.env['MILLPOND_SEED'] ?? 4_711);
      const random = seeded(seed);
      await using pool = createPgPool({ ...stage.options(`crowd-${reset}`), min: 10, max: 10, acquireTimeoutMs: 60_000, reset });
      await pool.ready({ timeoutMs: 60_000 });
      const unexpected: unknown[] = [];
      const counts = { served: 0, aborted: 0, failed: 0 };
      const caller = async (): Promise<void> => {
        const controller = new AbortController();
        const aborts = random() < 1 / 3;
        const timer = aborts ? setTimeout(() => controller.abort(), random() * callers / 5) : undefined;
        const deed = random();
        try {
          if (deed < 0.6) await pool.query('SELECT $1::int AS n', [1], { signal: controller.signal });
          else if (deed < 0.7) await pool.query('SELECT pg_sleep(0.002)', [], { signal: controller.signal });
          else if (deed < 0.8) await pool.query('SELECT 1/0', [], { signal: controller.signal });
          else if (deed < 0.9) await pool.transaction((client) => client.query('SELECT 1'), { signal: controller.signal });
          // Gives a transaction back open.
          else await pool.use((client) => client.query('BEGIN'), { signal: controller.signal });
          counts.served++;
        } catch (error) {
          if ((error as Error).name === 'AbortError' && aborts) counts.aborted++;
          else if ((error as { code?: string }).code === '22012') counts.failed++;
          else unexpected.push(error);
        } finally {
          clearTimeout(timer);
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
      expect(unexpected, `seed ${seed}`).toEqual([]);
      expect(counts.served + counts.aborted + counts.failed).toBe(callers);
      expect(counts.aborted).toBeGreaterThan(100);
      await until('all to come to rest', () => pool.stats(), (stats) => stats.idle === 10 && stats.size === 10);
      const backends = await stage.observer.backends(`crowd-${reset}`);
      expect(backends.map(({ state }) => state)).toEqual(Array.from({ length: 10 }, () => 'idle'));
      const { totals } = pool.stats();
      expect(totals.staleReleases).toBe(0);
      expect(totals.acquires).toBe(totals.served + totals.aborted + totals.rejected + totals.timedOut);
    });
  }
});
