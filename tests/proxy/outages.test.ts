// PostgreSQL under clients: backends that are killed, a server that freezes, is killed and comes back, a host that fails over to another.
// Clients get an error with an SQLSTATE, never silence; service comes back by itself; nobody gets what is another's. MILLPOND_SEED repeats
// a failure, MILLPOND_SECONDS makes it longer.

import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom, type SeededRandom } from 'millpond/testing';
import { expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer } from './bouncer.ts';
import { cells, query } from './support/messages.ts';
import { WireClient, type Place } from './support/wire-client.ts';

const SEED = Number(process.env['MILLPOND_SEED'] ?? 20_261_127);
const SECONDS = Number(process.env['MILLPOND_SECONDS'] ?? 3);
const CLIENTS = 8;
const TRUST = ['local all all trust', 'host all all 127.0.0.1/32 trust'];
const SETTINGS = [
  'auth_type = trust', 'default_pool_size = 4', 'query_wait_notify = 0', 'server_login_retry = 0.2', 'server_connect_timeout = 2',
  'query_wait_timeout = 15', 'server_check_delay = 0',
];

/** What all clients together have seen. */
interface Seen {
  answers: number;
  /** SQLSTATE and text. */
  readonly errors: Map<string, number>;
}

/** One that asks, and connects again whenever it was disconnected, which must not happen without a word. */
async function worker(random: SeededRandom, place: Place, until: { over: boolean }, seen: Seen): Promise<void> {
  let client: WireClient | undefined;
  for (let n = 0; !until.over; n++) {
    const marker = `${random.seed} ${n}`;
    try {
      client ??= await WireClient.connect(place);
      const ask = random.chance(0.5) ? `SELECT '${marker}'` : `BEGIN; SELECT '${marker}', pg_sleep(0.005); COMMIT`;
      const came = await client.ask(query(ask));
      const said = came.filter(({ type }) => type === 0x44).map(({ body }) => cells(body)[0]);
      if (client.lastError === undefined) {
        expect(said).toEqual([marker]);
        seen.answers++;
      }
    } catch (error) {
      // It was told why before it was disconnected, or while it logged in.
      if (client === undefined ? !/\S/.test((error as Error).message) : client.lastError === undefined) throw error;
    }
    const told = client?.lastError;
    if (told !== undefined) {
      expect(told.get('C'), told.get('M')).toMatch(/^[0-9A-Z]{5}$/);
      seen.errors.set(`${told.get('C')} ${told.get('M')}`, (seen.errors.get(`${told.get('C')} ${told.get('M')}`) ?? 0) + 1);
    }
    if (client !== undefined && (client.closed || told !== undefined)) {
      client.vanish();
      client = undefined;
      await sleep(20);
    }
  }
  client?.vanish();
}

/** Runs clients while something happens to the server; afterwards all is well again. */
async function during(bouncer: Bouncer, user: string, trouble: (random: SeededRandom) => Promise<void>): Promise<Seen> {
  const place: Place = { host: '127.0.0.1', port: bouncer.port, user, database: 'main' };
  const seen: Seen = { answers: 0, errors: new Map() };
  const until = { over: false };
  const random = seededRandom(SEED);
  const workers = Array.from({ length: CLIENTS }, (_, n) => worker(random.fork(`client ${n}`), place, until, seen));
  try {
    await Promise.race([trouble(random), Promise.all(workers)]);
    // It goes on by itself.
    const before = seen.answers;
    await expect.poll(() => seen.answers - before, { timeout: 20_000 }).toBeGreaterThan(CLIENTS * 3);
  } finally {
    until.over = true;
  }
  await Promise.all(workers);
  return seen;
}

it(`goes on when backends are killed at random (seed ${SEED})`, async () => {
  await using server = await startPostgres({ hba: TRUST });
  await using bouncer = await startBouncer(server, SETTINGS);
  const observer = await WireClient.connect({ host: server.host, port: server.port, user: server.user, database: server.database });
  const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    + ' ORDER BY random() LIMIT 1';
  const seen = await during(bouncer, server.user, async (random) => {
    const end = performance.now() + SECONDS * 1_000;
    while (performance.now() < end) {
      await observer.ask(query(kill));
      await sleep(random.int(5, 100));
    }
  });
  // Who was hit is told so, in the server's words or the proxy's.
  expect([...seen.errors.keys()].filter((each) => !/^(57P01 |08P01 |08006 |57P05 )/.test(each))).toEqual([]);
  observer.vanish();
});

it('waits for a server that is frozen for 2 s, and nobody is lost', async () => {
  await using server = await startPostgres({ hba: TRUST });
  await using bouncer = await startBouncer(server, SETTINGS);
  const seen = await during(bouncer, server.user, async () => {
    await sleep(300);
    await server.kill('SIGSTOP');
    await sleep(2_000);
    await server.kill('SIGCONT');
  });
  expect(seen.errors).toEqual(new Map());
});

it('tells its clients when the server is killed, and serves them again when it is back on the same port', async () => {
  await using server = await startPostgres({ hba: TRUST });
  await using bouncer = await startBouncer(server, SETTINGS);
  const seen = await during(bouncer, server.user, async () => {
    await sleep(300);
    await server.kill('SIGQUIT');
    await sleep(700);
    await server.start();
  });
  expect(seen.errors.size).toBeGreaterThan(0);
});

it('goes to the next host when the first is down, and nothing hangs', async () => {
  await using first = await startPostgres({ hba: TRUST });
  const there = { port: first.port, settings: { listen_addresses: '127.0.0.2' } };
  await using second = await startPostgres({ hba: [...TRUST, 'host all all 127.0.0.2/32 trust'], ...there });
  const databases = [`main = host=127.0.0.1,127.0.0.2 port=${first.port} dbname=${first.database}`];
  await using bouncer = await startBouncer(first, SETTINGS, databases);
  await during(bouncer, first.user, async () => {
    await sleep(300);
    await first.kill('SIGQUIT');
  });
  expect(second.pid).toBeDefined();
});
