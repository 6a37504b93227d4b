// Three ways to share a database's connections, by real processes, in figures: `npm run fleet -- --real`.
import { count, duration, percent } from '../drawing/format.ts';
import { table, type Column } from '../drawing/terminal/table.ts';
import type { Style } from '../drawing/terminal/style.ts';
import { redisVersion, startRedis } from '../servers/redis.ts';
import { runFleet, type FleetOutcome } from './compare.ts';
import { startDatabase } from './database.ts';
import type { Database, Share } from './order.ts';

export type Engine = 'redis' | 'postgres';

type Row = FleetOutcome & { readonly name: string };

const [PROCESSES, LIMIT, LOAD, BUSY_MS, DEADLINE_MS] = [10, 20, 0.7, 50, 1_000];
const LEASE = { leaseMs: 5_000, graceMs: 2_000, deadManMs: 2_000 };
/** A fleet that is new learns for so long. Counting begins afterwards, for all. */
const WARM_UP_MS = LEASE.leaseMs + LEASE.graceMs + LEASE.deadManMs + 1_000;

const COLUMNS: readonly Column<Row>[] = [
  { head: 'each process has', left: true, cell: ({ name }) => name },
  { head: 'served', cell: ({ served }) => count(served) },
  { head: 'of all', cell: ({ servedShare }) => percent(servedShare) },
  { head: 'refused', cell: ({ refused }) => count(refused) },
  { head: 'too late', cell: ({ late }) => count(late) },
  { head: 'failed', cell: ({ lost }) => count(lost.length) },
  { head: 'wait p50', cell: ({ p50Ms }) => duration(Math.max(0, p50Ms - BUSY_MS)) },
  { head: 'p99', cell: ({ p99Ms }) => duration(Math.max(0, p99Ms - BUSY_MS)) },
  { head: 'most sessions', cell: ({ mostSockets }) => count(mostSockets) },
  { head: 'sessions refused', cell: ({ refusedSockets }) => count(refusedSockets) },
];

/** Prints a table for each round. Resolves with what must not have happened. */
export async function realFleets(rounds: number, engine: Engine | undefined, style: Style): Promise<string[]> {
  const database = await startDatabase(LIMIT);
  const redis = (engine ?? (redisVersion() === undefined ? 'postgres' : 'redis')) === 'redis' ? await startRedis() : undefined;
  const missed: string[] = [];
  try {
    const where = redis === undefined ? 'the same PostgreSQL' : 'a Redis';
    process.stdout.write(`${PROCESSES} processes, ${LIMIT} sessions of a PostgreSQL, load ${LOAD} that moves, the budget in ${where}.\n`);
    for (let round = 1; round <= rounds; round++) {
      const rows: Row[] = [];
      for (const [name, share] of waysOf(redis?.port, database.admin, round)) {
        const outcome = await runFleet(database, {
          share, processes: PROCESSES, deadlineMs: DEADLINE_MS, warmUpMs: WARM_UP_MS, stayMs: 5_000, turns: 3,
          load: { perSecond: LOAD * LIMIT * 1_000 / BUSY_MS, busyMs: BUSY_MS, seed: `round ${round}` },
          signal: new AbortController().signal,
        });
        rows.push({ name, ...outcome });
      }
      process.stdout.write(`\n${table(COLUMNS, rows, style).join('\n')}\n`);
      missed.push(...wrongIn(rows));
    }
  } finally {
    await Promise.all([database.server.stop(), redis?.stop()]);
  }
  return missed;
}

function waysOf(redisPort: number | undefined, asking: Database, round: number): [name: string, share: Share][] {
  const budget = { ...LEASE, key: `round ${round}`, redisPort, asking, limit: LIMIT, floor: 0, members: PROCESSES };
  return [
    ['pg.Pool, all of them', { by: 'pg.Pool', max: LIMIT }],
    ['pg.Pool, an equal part', { by: 'pg.Pool', max: Math.floor(LIMIT / PROCESSES) }],
    ['millpond/pg and one budget', { by: 'fleet', max: LIMIT, budget }],
  ];
}

function wrongIn(rows: readonly Row[]): string[] {
  const fleet = rows.at(-1)!;
  const lost = [...new Set(fleet.lost)].map((each) => `one budget: a request failed with: ${each}`);
  if (fleet.mostSockets <= LIMIT && fleet.refusedSockets === 0) return lost;
  return [...lost, `one budget: ${fleet.mostSockets} sessions at once, ${fleet.refusedSockets} refused`];
}
