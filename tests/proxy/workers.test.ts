// Several workers that are one proxy: what is limited, shown and commanded is so for all of them, whichever of them a client came to.

import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExposition } from '../support/exposition.ts';
import { startPostgres, type PostgresServer } from './bouncer.ts';
import { build, clientsOfBoth, sharingNode, startCrew, type Crew } from './support/crew.ts';

const POLL = { timeout: 20_000 };
const node = sharingNode();
let server: PostgresServer;

beforeAll(async () => {
  if (node === undefined) return;
  build();
  server = await startPostgres();
});
afterAll(() => server?.stop());

const start = (lines: readonly string[] = []): Promise<Crew> => startCrew(server, node!, lines);
const end = (...clients: readonly pg.Client[]): Promise<unknown> => Promise.all(clients.map((client) => client.end()));
const rowOf = async (crew: Crew, command: string, name: string): Promise<Record<string, unknown> | undefined> =>
  (await crew.admin(command)).find((row) => (row['name'] ?? row['database'] ?? row['list']) === name);

/** How many sessions of the proxy's there are at the server, by somebody who is not one of them. */
async function sessions(observer: pg.Client): Promise<number> {
  const sql = "SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
  return (await observer.query<{ count: number }>(sql)).rows[0]!.count;
}

async function observe(crew: Crew): Promise<pg.Client> {
  const observer = crew.client({ host: server.host, port: server.port, database: server.database });
  await observer.connect();
  return observer;
}

async function enter(crew: Crew, clients: pg.Client[]): Promise<string> {
  const client = crew.client();
  return client.connect().then(() => {
    clients.push(client);
    return 'in';
  }, (error: unknown) => String(error));
}

describe.skipIf(node === undefined)('several workers', () => {
  it.each([
    ['default_pool_size = 4'], ['max_db_connections = 4'], ['max_user_connections = 4'],
  ])('never hold more server connections together than %s says, and use all of them', async (line) => {
    await using crew = await start([line, 'max_client_conn = 200']);
    const clients = (await clientsOfBoth(crew, 8)).flat();
    const observer = await observe(crew);
    const seen: number[] = [];
    let working = true;
    const watch = (async () => {
      while (working) seen.push(await sessions(observer));
    })();
    const work = async (client: pg.Client): Promise<void> => {
      for (let n = 0; n < 30; n++) await client.query('SELECT pg_sleep(0.005)');
    };
    await Promise.all(clients.map((client) => work(client)));
    working = false;
    await watch;
    expect(Math.max(...seen)).toBe(4);
    await end(...clients, observer);
  });

  it('leave what one of them does not use to the other', async () => {
    await using crew = await start(['default_pool_size = 4']);
    const [some, others] = await clientsOfBoth(crew, 4);
    await Promise.all(some.slice(0, 4).map((client) => client.query('SELECT pg_sleep(0.1)')));
    await Promise.all(others.slice(0, 4).map((client) => client.query('BEGIN')));
    expect(await rowOf(crew, 'SHOW POOLS', 'main')).toMatchObject({ sv_active: 4 });
    await Promise.all(others.slice(0, 4).map((client) => client.query('COMMIT')));
    await end(...some, ...others);
  });

  it.each([
    ['max_client_conn = 5', 'no more connections allowed (max_client_conn)'],
    ['max_db_client_connections = 5', 'client connections exceeded (max_db_client_connections)'],
    ['max_user_client_connections = 5', 'client connections exceeded (max_user_client_connections)'],
  ])('let in no more clients together than %s says', async (line, message) => {
    await using crew = await start([line]);
    const clients: pg.Client[] = [];
    for (let n = 0; n < 5; n++) {
      // Whoever asked last has gone, which the other worker hears of in a moment.
      await expect.poll(() => enter(crew, clients), POLL).toBe('in');
      await expect.poll(async () => (await rowOf(crew, 'SHOW DATABASES', 'main'))!['current_client_connections'], POLL).toBe(n + 1);
    }
    // Whichever worker they come to.
    for (let n = 0; n < 6; n++) await expect(crew.client().connect()).rejects.toThrow(message);
    await end(...clients);
  });

  it('cancel for each other', async () => {
    await using crew = await start();
    const both = await clientsOfBoth(crew, 1);
    const observer = await observe(crew);
    const isRunning = async (sql: string): Promise<boolean> =>
      (await observer.query("SELECT FROM pg_stat_activity WHERE state = 'active' AND query = $1", [sql])).rows.length === 1;
    for (const [which, [client]] of both.entries()) {
      for (let n = 0; n < 4; n++) {
        const sql = `SELECT pg_sleep(60) AS "${which} ${n}"`;
        const asked = client!.query(sql).then(() => 'answered', (error: unknown) => (error as { code: string }).code);
        await expect.poll(() => isRunning(sql), POLL).toBe(true);
        sendCancel(crew, client!);
        expect(await asked).toBe('57014');
      }
    }
    await end(...both.flat(), observer);
  });
});

/** Over a connection of its own, which comes to any of them. */
function sendCancel(crew: Crew, client: pg.Client): void {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const { connection } = crew.client() as unknown as { connection: CancelConnection };
  connection.once('connect', () => connection.cancel(processID, secretKey));
  connection.connect(crew.port, '127.0.0.1');
}

interface CancelConnection {
  once(event: 'connect', listener: () => void): void;
  connect(port: number, host: string): void;
  cancel(processId: number, secretKey: number): void;
}

describe.skipIf(node === undefined)('the console of several workers', () => {
  it('shows the clients, servers, pools, sums and statistics of all', async () => {
    await using crew = await start();
    const both = await clientsOfBoth(crew, 2);
    const clients = both.flat();
    const busy = both.map(([client]) => client!);
    for (const client of clients) await client.query('SELECT 1');
    for (const client of busy) await client.query('BEGIN');
    const shown = (await crew.admin('SHOW CLIENTS')).filter(({ database }) => database === 'main');
    expect(new Set(shown.map((row) => row['application_name']))).toEqual(new Set(clients.map((_, n) => `client ${n}`)));
    expect(shown).toHaveLength(clients.length);
    expect(new Set(shown.map(({ id }) => Number(id))).size).toBe(clients.length);
    expect((await crew.admin('SHOW SERVERS')).filter(({ state }) => state === 'active')).toHaveLength(2);
    expect((await crew.admin('SHOW POOLS')).filter(({ database }) => database === 'main')).toHaveLength(1);
    expect(await rowOf(crew, 'SHOW POOLS', 'main')).toMatchObject({ cl_active: clients.length, sv_active: 2 });
    expect(await rowOf(crew, 'SHOW DATABASES', 'main')).toMatchObject({ current_client_connections: clients.length });
    expect(await rowOf(crew, 'SHOW LISTS', 'pools')).toMatchObject({ items: 2 });
    expect(await rowOf(crew, 'SHOW LISTS', 'used_clients')).toMatchObject({ items: clients.length + 1 });
    for (const client of busy) await client.query('COMMIT');
    expect(Number((await rowOf(crew, 'SHOW STATS', 'main'))!['total_query_count'])).toBe(clients.length + 4);
    const metrics = parseExposition(await (await fetch(`http://127.0.0.1:${crew.httpPort}/metrics`)).text());
    expect(metrics.get('pgbouncer_stats_queries_pooled_total')!.samples.get('pgbouncer_stats_queries_pooled_total{database="main"}'))
      .toBe(clients.length + 4);
    expect(metrics.get('pgbouncer_used_clients')!.samples.get('pgbouncer_used_clients{}')).toBe(clients.length);
    expect((await fetch(`http://127.0.0.1:${crew.httpPort}/readyz`)).status).toBe(200);
    await end(...clients);
  });

  it('pauses all and lets all go on, kills one client wherever it is, and sets what all go by', async () => {
    await using crew = await start();
    const both = await clientsOfBoth(crew, 1);
    const clients = both.map(([client]) => client!);
    await crew.admin('PAUSE');
    let answered = 0;
    const asked = clients.map((client) => client.query('SELECT 1').then(() => answered++));
    await expect.poll(async () => (await rowOf(crew, 'SHOW POOLS', 'main'))!['cl_waiting'], POLL).toBe(2);
    expect(answered).toBe(0);
    await expect(crew.admin('PAUSE')).rejects.toThrow('already suspended/paused');
    await crew.admin('RESUME');
    await Promise.all(asked);
    await crew.admin('SET max_client_conn = 77');
    for (let n = 0; n < 6; n++) {
      expect((await crew.admin('SHOW CONFIG')).find(({ key }) => key === 'max_client_conn')).toMatchObject({ value: '77' });
    }
    const rows = (await crew.admin('SHOW CLIENTS')).filter(({ database }) => database === 'main');
    for (const { id } of rows) await crew.admin(`KILL_CLIENT ${Number(id)}`);
    await expect.poll(async () => (await crew.admin('SHOW CLIENTS')).filter(({ database }) => database === 'main'), POLL).toEqual([]);
    await expect(crew.admin('KILL_CLIENT 1000000')).rejects.toThrow('client not found');
    await expect(crew.admin('PAUSE nowhere')).rejects.toThrow('no such database');
    await expect(crew.admin('SHUTDOWN sometime')).rejects.toThrow('invalid command');
  });

  it('waits with PAUSE for what runs in any worker, and gives it up in all by a cancel', async () => {
    await using crew = await start();
    const clients = (await clientsOfBoth(crew, 1)).flat();
    for (const client of clients) await client.query('BEGIN');
    const boss = await crew.boss();
    let isPaused = false;
    const paused = boss.query('PAUSE').then(() => { isPaused = true; });
    for (const client of clients) {
      expect(isPaused).toBe(false);
      await client.query('COMMIT');
    }
    await paused;
    await boss.query('RESUME');
    for (const client of clients) await client.query('BEGIN');
    const given = boss.query('PAUSE').then(() => 'paused', (error: unknown) => (error as Error).message);
    const held = async (): Promise<unknown> => (await crew.admin('SHOW STATE')).find(({ value }) => value === 'yes')?.['key'];
    await expect.poll(held, POLL).toBe('paused');
    sendCancel(crew, boss);
    expect(await given).toBe('canceled by user request');
    for (const client of clients) await client.query('COMMIT');
    for (const client of clients) await client.query('SELECT 1');
    await end(boss, ...clients);
  });

  it('ends a SUSPEND when the last who could end it has gone', async () => {
    await using crew = await start();
    const clients = (await clientsOfBoth(crew, 1)).flat();
    const boss = await crew.boss();
    await boss.query('SUSPEND');
    const asked = clients.map((client) => client.query('SELECT 1'));
    await boss.end();
    await Promise.all(asked);
    await end(...clients);
  });

  it('reads the file again for all', async () => {
    await using crew = await start();
    crew.rewrite(['max_client_conn = 66']);
    await crew.admin('RELOAD');
    for (let n = 0; n < 6; n++) {
      expect((await crew.admin('SHOW CONFIG')).find(({ key }) => key === 'max_client_conn')).toMatchObject({ value: '66' });
    }
    crew.rewrite(['max_client_conn = 55']);
    crew.process.kill('SIGHUP');
    await expect.poll(async () => (await crew.admin('SHOW CONFIG')).find(({ key }) => key === 'max_client_conn'), POLL)
      .toMatchObject({ value: '55' });
  });
});

describe.skipIf(node === undefined)('a worker', () => {
  it('that dies comes back as the others are, and what it held is free', async () => {
    await using crew = await start(['default_pool_size = 2']);
    const both = await clientsOfBoth(crew, 2);
    const counted = async (): Promise<number> => Number((await rowOf(crew, 'SHOW STATS', 'main'))!['total_query_count']);
    for (const client of both[1].slice(0, 2)) await client.query('BEGIN');
    await crew.admin('SET query_wait_notify = 9');
    const before = await counted();
    // Those with odd numbers are of the first worker.
    const pid = crew.pids().get(1)!;
    process.kill(pid, 'SIGKILL');
    await expect.poll(crew.log, POLL).toMatch(/WARNING worker 1 has ended \(pid=\d+, SIGKILL\)/);
    await Promise.all(both[0].slice(0, 2).map((client) => client.query('BEGIN')));
    await expect.poll(() => crew.pids().get(1), POLL).not.toBe(pid);
    expect(await counted()).toBe(before + 2);
    for (let n = 0; n < 6; n++) {
      expect((await crew.admin('SHOW CONFIG')).find(({ key }) => key === 'query_wait_notify')).toMatchObject({ value: '9' });
    }
    // Its clients need no server connection to log in: the other worker has all of them.
    const again = await clientsOfBoth(crew, 1);
    await Promise.all(both[0].slice(0, 2).map((client) => client.query('COMMIT')));
    await again[1][0]!.query('SELECT 1');
    await end(...again.flat(), ...both[0]);
  });

  it('ends with its parent', async () => {
    await using crew = await start();
    const pids = [...crew.pids().values()];
    expect(pids).toHaveLength(2);
    crew.process.kill('SIGKILL');
    await crew.ended;
    await expect.poll(() => pids.filter((pid) => isThere(pid)), POLL).toEqual([]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('waits with %s for what all have to wait for, and then all end', async (signal) => {
    await using crew = await start();
    const both = await clientsOfBoth(crew, 1);
    const [[first], [second]] = both;
    await first!.query('BEGIN');
    await second!.query('BEGIN');
    const pids = [...crew.pids().values()];
    crew.process.kill(signal);
    await expect.poll(crew.log, POLL).toContain(`got ${signal}, shutting down`);
    await expect.poll(() => crew.client().connect().then(() => 'in', () => 'out'), POLL).toBe('out');
    await first!.query('COMMIT');
    await first!.end();
    expect((await second!.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await second!.query('COMMIT').catch(() => undefined);
    await end(...both.flat().filter((client) => client !== first)).catch(() => undefined);
    expect(await crew.ended).toBe(0);
    expect(pids.filter((pid) => isThere(pid))).toEqual([]);
  });

  it('ends with all others by SHUTDOWN', async () => {
    await using crew = await start();
    await crew.admin('SHUTDOWN').catch(() => undefined);
    expect(await crew.ended).toBe(0);
  });
});

describe.skipIf(node === undefined)('a port', () => {
  it('is shared by separate proxies with so_reuseport', async () => {
    await using first = await start(['workers = 1', 'so_reuseport = 1']);
    await using second = await start(['workers = 1', 'so_reuseport = 1', `listen_port = ${first.port}`]);
    const came = (crew: Crew): boolean => crew.log().includes('login attempt');
    await expect.poll(async () => {
      const client = first.client();
      await client.connect();
      await client.end();
      return came(first) && came(second);
    }, POLL).toBe(true);
  });

  it('is not shared by chance', async () => {
    await using first = await start();
    await using second = await startCrew(server, node!, [`listen_port = ${first.port}`], 'FATAL');
    expect(second.log()).toContain(`FATAL listen EADDRINUSE: address already in use 127.0.0.1:${first.port}`);
    expect(await second.ended).toBe(1);
  });
});

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
