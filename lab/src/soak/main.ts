// The soak: a real PostgreSQL, a crowd of callers who do what callers do (abort, forget to commit, release twice, throw), and a server
// that is hurt again and again. Every ten seconds a line of figures; at the end a verdict. It fails when a connection was lent to two at
// once, when one was lost or left in a transaction, when memory grew, or when the pool did not come back.
//
//   npm run soak                    three minutes
//   npm run soak -- --seconds 3600  an hour; --seed 7 repeats the same decisions (the machine's timing stays its own)

import { parseArgs } from 'node:util';
import { createPgPool, type PgPool } from 'millpond/pg';
import { seededRandom } from 'millpond/testing';
import { startPostgres, type PostgresServer } from '../servers/postgres.ts';
import { Crowd } from './crowd.ts';
import { hurt } from './faults.ts';
import { Memory, type Sample } from './memory.ts';

const MAX = 10;
const CALLERS = 60;
const REPORT_MS = 10_000;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '180' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds);
const seed = values.seed ?? String(process.hrtime.bigint());

async function main(): Promise<string[]> {
  const server = await startPostgres({ settings: { max_connections: 40 } });
  try {
    return await soak(server);
  } finally {
    await server.stop();
  }
}

async function soak(server: PostgresServer): Promise<string[]> {
  const random = seededRandom(seed);
  const pool = createPgPool({
    connectionString: server.connectionString, application_name: 'soak', min: 2, max: MAX, acquireTimeoutMs: 2_000,
    validateAfterIdleMs: 200, maxLifetimeMs: 20_000, idleTimeoutMs: 5_000, keepaliveIntervalMs: 1_000,
    createRetry: { maxDelayMs: 1_000 }, leakThresholdMs: 30_000,
  });
  const crowd = new Crowd(pool, random.fork('crowd'));
  const memory = new Memory();
  console.log(`soak: ${seconds} s, ${CALLERS} callers on at most ${MAX} connections, seed ${seed}`);
  crowd.start(CALLERS);
  const stopHurting = hurt(server, pool, random.fork('faults'), (what) => crowd.note(what));
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    await sleep(Math.min(REPORT_MS, end - Date.now()));
    const sample = memory.take();
    console.log(line(crowd, pool, sample));
  }
  await stopHurting();
  await crowd.stop();
  return [...crowd.faults, ...await verdict(server, pool), ...memory.faults()];
}

/** After the storm: the pool is whole, the server holds what the pool says and nothing more, and close leaves nothing. */
async function verdict(server: PostgresServer, pool: PgPool): Promise<string[]> {
  const faults: string[] = [];
  const served = await Promise.all(Array.from({ length: MAX }, () => pool.acquire({ timeoutMs: 10_000 })));
  for (const lease of served) lease.release();
  const look = createPgPool({ connectionString: server.connectionString, application_name: 'soak-look', max: 1 });
  const sessions = async (): Promise<string[]> => {
    const { rows } = await look.query<{ state: string }>('SELECT state FROM pg_stat_activity WHERE application_name = $1', ['soak']);
    return rows.map(({ state }) => state);
  };
  await sleep(500);
  const states = await sessions();
  const { size, borrowed, waiting, totals } = pool.stats();
  if (borrowed > 0 || waiting > 0) faults.push(`${borrowed} still borrowed and ${waiting} still waiting when everybody had left`);
  if (states.length !== size) faults.push(`the server has ${states.length} sessions, the pool ${size} connections`);
  if (states.some((state) => state !== 'idle')) faults.push(`sessions are not all idle: ${states.join(', ')}`);
  const settled = totals.served + totals.timedOut + totals.aborted + totals.rejected;
  if (settled !== totals.acquires) faults.push(`${totals.acquires} acquires, ${settled} settled`);
  const { abandoned } = await pool.close();
  if (abandoned.length > 0) faults.push(`${abandoned.length} leases were never given back`);
  await sleep(300);
  const left = await sessions();
  if (left.length > 0) faults.push(`${left.length} sessions are left after close`);
  await look.close();
  return faults;
}

function line(crowd: Crowd, pool: PgPool, sample: Sample): string {
  const { done, errors, notes } = crowd.take();
  const { size, idle, borrowed, creating, waiting } = pool.stats();
  const told = [...errors].map(([code, count]) => `${count} × ${code}`).join(', ');
  return `${String(sample.atS).padStart(5)} s  ${String(Math.round(done / (REPORT_MS / 1000))).padStart(6)} /s  `
    + `heap ${sample.heapMb.toFixed(1)} MB  size ${size} idle ${idle} borrowed ${borrowed} creating ${creating} waiting ${waiting}`
    + `${notes.length > 0 ? `  [${notes.join('; ')}]` : ''}${told === '' ? '' : `  errors: ${told}`}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const faults = await main();
for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'soak: nothing lost, nothing lent twice, memory steady' : `soak: ${faults.length} faults (seed ${seed})`);
process.exitCode = faults.length === 0 ? 0 : 1;
