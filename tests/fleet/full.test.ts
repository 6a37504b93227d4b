// A server that has fewer connections than the fleet believes: nobody gets an error, all are served by those that there are.

import { fleetBudget, newFleet, step, viewOf, type FleetBudget } from 'millpond/fleet';
import { createMysqlPool } from 'millpond/mysql';
import { createPgPool } from 'millpond/pg';
import { expect, test } from 'vitest';
import { onMariadb } from '../support/mariadb.ts';
import { until } from '../support/postgres.ts';
import { onEachPostgres } from '../support/suite.ts';

/** Alone in its fleet, and by its floor entitled to five at once. */
function five(): FleetBudget {
  const fleet = newFleet();
  const now = (): number => Math.floor(performance.now());
  return fleetBudget(
    { heartbeat: async (request) => step(fleet, request, now(), 'here'), view: async () => viewOf(fleet, now()) },
    { limit: 5, floor: 5, members: 1 },
  );
}

/** Five at once where there are two: the others wait until one of the two comes back. */
async function serveFive(
  budget: FleetBudget, pool: { acquire(): Promise<{ release(): unknown }>; stats(): { borrowed: number; waiting: number; state: string } },
): Promise<void> {
  const leases = Array.from({ length: 5 }, () => pool.acquire());
  await until('the server to have none left', () => budget.stats()[0]?.denied ?? 0, (denied) => denied > 0);
  await until('what there is to be lent', () => pool.stats().borrowed, (borrowed) => borrowed === 2);
  expect(pool.stats()).toMatchObject({ borrowed: 2, waiting: 3, state: 'open' });
  for (const lease of leases) (await lease).release();
}

onEachPostgres('a role with two connections', (stage) => {
  test('serves whoever wants five', async () => {
    await stage.observer.query(`CREATE ROLE capped LOGIN PASSWORD 'capped' CONNECTION LIMIT 2`);
    const { host, port, database } = stage.server;
    const budget = five();
    await using pool = createPgPool({
      host, port, database, user: 'capped', password: 'capped', budget, max: 5, createRetry: false,
      breaker: { failures: 1, probeIntervalMs: 60_000 },
      acquireTimeoutMs: 30_000,
    });
    await serveFive(budget, pool);
    expect(pool.stats().totals).toMatchObject({ served: 5, createErrors: 0 });
  });
});

onMariadb('a user with two connections', (stage) => {
  test('serves whoever wants five', async () => {
    const options = await stage.options('capped');
    await stage.watcher.query(`ALTER USER capped@'%' WITH MAX_USER_CONNECTIONS 2`);
    const budget = five();
    await using pool = createMysqlPool({
      ...options, budget, max: 5, createRetry: false, breaker: { failures: 1, probeIntervalMs: 60_000 }, acquireTimeoutMs: 30_000,
    });
    await serveFive(budget, pool);
    expect(pool.stats().totals).toMatchObject({ served: 5, createErrors: 0 });
  });
});
