// Thousands of clients that come and go at random: afterwards none is left, the limit of server connections has held, and the proxy, which
// is a process of its own here, has not grown. MILLPOND_SEED repeats a failure, MILLPOND_CLIENTS makes it longer.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom, type SeededRandom } from 'millpond/testing';
import { expect, it } from 'vitest';
import { startPostgres } from './bouncer.ts';
import { cells, query, terminate } from './support/messages.ts';
import { build, startProcess } from './support/process.ts';
import { WireClient, type Place } from './support/wire-client.ts';

const SEED = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);
const CLIENTS = Number(process.env['MILLPOND_CLIENTS'] ?? 5_000);
const AT_ONCE = 400;
const POOL_SIZE = 5;
/** How much the proxy may grow from the first samples of the second half to its last ones. */
const MAX_GROWTH_MB = 40;

const SETTINGS = [
  `default_pool_size = ${POOL_SIZE}`, 'max_client_conn = 2000', 'listen_backlog = 1000', 'query_wait_notify = 0', 'log_connections = 0',
  'log_disconnections = 0',
];

const memoryOf = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024;

/** Comes, asks up to three times, and goes, politely or not. */
async function visit(random: SeededRandom, place: Place): Promise<void> {
  const client = await WireClient.connect(place);
  const marker = String(random.seed);
  for (let n = random.int(0, 3); n > 0; n--) {
    const came = await client.ask(query(random.chance(0.5) ? `SELECT '${marker}'` : `BEGIN; SELECT '${marker}'; COMMIT`));
    expect(came.filter(({ type }) => type === 0x44).map(({ body }) => cells(body))).toEqual([[marker]]);
  }
  if (random.chance(0.3)) await client.send(query(`BEGIN; SELECT '${marker}'`));
  if (random.chance(0.5)) await client.send(terminate());
  client.vanish();
}

it.skipIf(process.platform !== 'linux')(`takes ${CLIENTS} clients that come and go, and keeps nothing of them (seed ${SEED})`, async () => {
  await using server = await startPostgres({ hba: ['local all all trust', 'host all all 127.0.0.1/32 trust'] });
  const folder = mkdtempSync(join(tmpdir(), 'millpond-crowd-'));
  build();
  const { child, place } = await startProcess(server, folder, SETTINGS);
  try {
    const observer = await WireClient.connect({ host: server.host, port: server.port, user: server.user, database: server.database });
    const sessions = async (): Promise<number> => {
      const sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
      return Number(cells((await observer.ask(query(sql))).find(({ type }) => type === 0x44)!.body)[0]);
    };
    const random = seededRandom(SEED);
    const samples: number[] = [];
    let [next, most] = [0, 0];
    const come = async (): Promise<void> => {
      while (next < CLIENTS) {
        if (next % 250 === 0) samples.push(memoryOf(child.pid!));
        await visit(random.fork(`client ${next++}`), place);
      }
    };
    const all = Promise.all(Array.from({ length: AT_ONCE }, come));
    while (next < CLIENTS) {
      most = Math.max(most, await sessions());
      await Promise.race([all, sleep(100)]);
    }
    await all;
    // Those that are just being closed may still be seen.
    expect(most).toBeLessThanOrEqual(POOL_SIZE * 2);
    await expect.poll(sessions, { timeout: 20_000 }).toBeLessThanOrEqual(POOL_SIZE);
    const boss = await WireClient.connect({ ...place, database: 'pgbouncer' });
    const left = async (): Promise<number> => (await boss.ask(query('SHOW CLIENTS'))).filter(({ type }) => type === 0x44).length;
    await expect.poll(left, { timeout: 20_000 }).toBe(1);
    const half = samples.slice(Math.floor(samples.length / 2));
    const growth = Math.min(...half.slice(-3)) - Math.min(...half.slice(0, 3));
    expect(growth, `MB: ${samples.map((each) => Math.round(each)).join(' ')}`).toBeLessThan(MAX_GROWTH_MB);
    boss.vanish();
    observer.vanish();
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});
