// Clients that go at any byte, and cancels at any time: no server connection is lent dirty, nobody gets what another has asked for, and
// limits hold. MILLPOND_SEED repeats a failure, MILLPOND_ROUNDS makes it longer.

import { seededRandom, type SeededRandom } from 'millpond/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';
import { cells, query } from './support/messages.ts';
import { talk, type Talk } from './support/marked.ts';
import { WireClient, type Place } from './support/wire-client.ts';

const SEED = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);
const ROUNDS = Number(process.env['MILLPOND_ROUNDS'] ?? 25);
const CLIENTS = 12;
const TRUST = ['local all all trust', 'host all all 127.0.0.1/32 trust'];

let server: PostgresServer;
let observer: WireClient;
beforeAll(async () => {
  server = await startPostgres({ hba: TRUST });
  observer = await WireClient.connect({ host: server.host, port: server.port, user: server.user, database: server.database });
  await observer.ask(query('CREATE TABLE written (id serial PRIMARY KEY, said text)'));
});
afterAll(async () => {
  observer.vanish();
  await server.stop();
});

const rows = async (client: WireClient, sql: string): Promise<(string | null)[][]> =>
  (await client.ask(query(sql))).filter(({ type }) => type === 0x44).map(({ body }) => cells(body));

/** What somebody else's session must not show: each is as a new session has it. */
const CLEAN = `SELECT
  (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema() AND relkind = 'r') AS temp_tables,
  (SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER\\_%') AS prepared,
  (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS locks,
  (SELECT count(*) FROM pg_cursors WHERE name <> '') AS cursors,
  (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name NOT IN
    ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings', 'IntervalStyle')) AS settings,
  current_setting('work_mem'), current_setting('TimeZone'), current_setting('statement_timeout'),
  now() = statement_timestamp() AS begins_here`;
const AS_NEW = ['0', '0', '0', '0', '0', '4MB', 'UTC', '0', 't'];

interface Party extends Talk {
  readonly client: WireClient;
}

/** One client that comes, says something, perhaps is cancelled, and goes at some byte. */
async function visit(random: SeededRandom, place: Place, keys: Buffer[], session: boolean): Promise<void> {
  const client = await WireClient.connect(place);
  keys.push(client.key);
  const marker = `m${random.int(1, 1e9)}`;
  const party: Party = { client, ...talk(random, marker, session) };
  const { bytes } = party;
  const whole = random.chance(0.3);
  const end = whole ? bytes.length : random.int(0, bytes.length);
  const cuts = Array.from({ length: random.int(0, 4) }, () => random.int(0, end)).sort((a, b) => a - b);
  await client.send(bytes.subarray(0, end), cuts);
  if (random.chance(0.4)) void WireClient.cancel(place, cancelKey(random, keys, client.key));
  // Somebody who has sent everything waits for everything; or not.
  if (whole && random.chance(0.7)) await client.until(() => client.count(0x5a) > party.ready || client.count(0x45) > 0 || client.closed);
  else if (random.chance(0.5)) await new Promise(setImmediate);
  client.vanish();
  expect(foreign(client, marker), `${marker} got what is not its own`).toEqual([]);
}

/** Its own, somebody else's who may have gone, or one that never was. */
function cancelKey(random: SeededRandom, keys: readonly Buffer[], own: Buffer): Buffer {
  if (random.chance(0.5)) return own;
  return random.chance(0.8) ? random.pick(keys) : Buffer.from(Array.from({ length: 8 }, () => random.int(0, 255)));
}

/** Rows that do not bear the client's marker. */
function foreign({ messages }: WireClient, marker: string): string[] {
  return messages.filter(({ type }) => type === 0x44).map(({ body }) => body.toString('latin1')).filter((row) => !row.includes(marker));
}

async function counted(): Promise<number> {
  const sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
  return Number((await rows(observer, sql))[0]![0]);
}

/** One client on each server connection at once: each finds what a new session has. */
async function checkClean(place: Place, size: number): Promise<void> {
  const checkers = await Promise.all(Array.from({ length: size }, () => WireClient.connect(place)));
  const pids = new Set<string | null>();
  await Promise.all(checkers.map(async (checker) => {
    expect(await rows(checker, CLEAN)).toEqual([AS_NEW]);
    await checker.ask(query('BEGIN'));
    pids.add((await rows(checker, 'SELECT pg_backend_pid()'))[0]![0]!);
    await checker.ask(query('COMMIT'));
  }));
  expect(pids.size).toBeLessThanOrEqual(size);
  for (const checker of checkers) checker.vanish();
}

async function gone(bouncer: Bouncer): Promise<void> {
  await expect.poll(() => bouncer.proxy.clients.size, { timeout: 20_000 }).toBe(0);
}

describe.each([['transaction', 1], ['transaction', 3], ['session', 3]] as const)('pool_mode = %s, %d server connections', (mode, size) => {
  it(`lends nothing dirty and mixes nothing when clients go and cancel at random (seed ${SEED}, ${ROUNDS} rounds)`, async () => {
    const settings = [`pool_mode = ${mode}`, `default_pool_size = ${size}`, 'auth_type = trust', 'query_wait_notify = 0'];
    await using bouncer = await startBouncer(server, settings);
    const place: Place = { host: '127.0.0.1', port: bouncer.port, user: server.user, database: 'main' };
    const keys: Buffer[] = [];
    let most = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const random = seededRandom(`${SEED} ${mode} ${size} ${round}`);
      const visits = Array.from({ length: CLIENTS }, (_, n) => visit(random.fork(`client ${n}`), place, keys, mode === 'session'));
      most = Math.max(most, await counted());
      await Promise.all(visits).catch((error: unknown) => {
        throw new Error(`MILLPOND_SEED=${SEED}, round ${round}`, { cause: error });
      });
      if (round % 5 === 4) await checkClean(place, size);
    }
    // A server connection that is being closed may still be there for a moment.
    expect(most).toBeLessThanOrEqual(size * 2 + CLIENTS);
    await gone(bouncer);
    await expect.poll(counted, { timeout: 20_000 }).toBeLessThanOrEqual(size);
    await checkClean(place, size);
    await gone(bouncer);
  });
});
