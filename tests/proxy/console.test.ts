// The console of the proxy, as scripts and drivers use it.

import { connect } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBouncer, startPostgres, type Bouncer, type PostgresServer } from './bouncer.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const POLL = { timeout: 20_000 };
const connected = async (bouncer: Bouncer, options: pg.ClientConfig = {}): Promise<pg.Client> => {
  const client = bouncer.client(options);
  await client.connect();
  return client;
};
const BOSS = { user: 'boss', password: 'secret of boss', database: 'pgbouncer' };
const boss = (bouncer: Bouncer): Promise<pg.Client> => connected(bouncer, BOSS);
const watcher = (bouncer: Bouncer): Promise<pg.Client> => connected(bouncer, { database: 'pgbouncer' });
const end = (...clients: readonly pg.Client[]): Promise<unknown> => Promise.all(clients.map((client) => client.end()));
const columnsOf = async (client: pg.Client, command: string): Promise<string> =>
  (await client.query(command)).fields.map(({ name, dataTypeID }) => (dataTypeID === 25 ? name : `${name}:${dataTypeID}`)).join(' ');
const rowOf = async (bouncer: Bouncer, command: string, database: string): Promise<Record<string, unknown> | undefined> =>
  (await bouncer.admin(command)).find((row) => (row['name'] ?? row['database']) === database);

const SOCKET = 'type user database replication state addr port:23 local_addr local_port:23 connect_time request_time wait:23 wait_us:23 '
  + 'close_needed:23 ptr link remote_pid:23 tls application_name prepared_statements:23 id:23';
const BUFFERS = 'recv_pos:23 pkt_pos:23 pkt_remain:23 send_pos:23 send_remain:23 pkt_avail:23 send_avail:23';
const COUNTS = 'server_assignment_count:1700 xact_count:1700 query_count:1700 bytes_received:1700 bytes_sent:1700 xact_time:1700 '
  + 'query_time:1700 wait_time:1700';

describe('SHOW', () => {
  it.each([
    ['ACTIVE_SOCKETS', `${SOCKET} ${BUFFERS}`], ['SOCKETS', `${SOCKET} ${BUFFERS}`], ['CLIENTS', SOCKET], ['SERVERS', SOCKET],
    ['CONFIG', 'key value default changeable'],
    ['DATABASES', 'name host port:23 database force_user pool_size:23 min_pool_size:23 reserve_pool_size:23 server_lifetime:23 pool_mode '
      + 'load_balance_hosts max_connections:23 current_connections:23 max_client_connections:23 current_client_connections:23 '
      + 'paused:23 disabled:23'],
    ['DNS_HOSTS', 'hostname ttl:20 addrs'], ['DNS_ZONES', 'zonename serial:20 count:23'],
    ['LISTS', 'list items:23'], ['MEM', 'name size:23 used:20 free:20 memtotal:20'],
    ['PEERS', 'peer_id:23 host port:23 pool_size:23'],
    ['PEER_POOLS', 'peer_id:23 cl_active_cancel_req:23 cl_waiting_cancel_req:23 sv_active_cancel:23 sv_login:23'],
    ['POOLS', 'database user cl_active:23 cl_waiting:23 cl_active_cancel_req:23 cl_waiting_cancel_req:23 sv_active:23 sv_active_cancel:23 '
      + 'sv_being_canceled:23 sv_idle:23 sv_used:23 sv_tested:23 sv_login:23 maxwait:23 maxwait_us:23 pool_mode load_balance_hosts'],
    ['STATE', 'key value'], ['TOTALS', 'name value:1700'], ['VERSION', 'version'],
    ['STATS', 'database total_server_assignment_count:1700 total_xact_count:1700 total_query_count:1700 total_received:1700 '
      + 'total_sent:1700 total_xact_time:1700 total_query_time:1700 total_wait_time:1700 total_client_parse_count:1700 '
      + 'total_server_parse_count:1700 total_bind_count:1700 avg_server_assignment_count:1700 avg_xact_count:1700 avg_query_count:1700 '
      + 'avg_recv:1700 avg_sent:1700 avg_xact_time:1700 avg_query_time:1700 avg_wait_time:1700 avg_client_parse_count:1700 '
      + 'avg_server_parse_count:1700 avg_bind_count:1700'],
    ['STATS_TOTALS', `database ${COUNTS} client_parse_count:1700 server_parse_count:1700 bind_count:1700`],
    ['STATS_AVERAGES', `database ${COUNTS} avg_client_parse_count:1700 avg_server_parse_count:1700 avg_bind_count:1700`],
    ['USERS', 'name pool_size reserve_pool_size pool_mode max_user_connections:23 current_connections:23 max_user_client_connections:23 '
      + 'current_client_connections:23'],
  ])('%s has the columns that scripts know', async (name, columns) => {
    await using bouncer = await startBouncer(server, [`stats_users = ${server.user}`]);
    const client = await watcher(bouncer);
    expect(await columnsOf(client, `show ${name.toLowerCase()};`)).toBe(columns);
    await end(client);
  });

  it('HELP is a notice, FDS says why not, and anything else is an error', async () => {
    await using bouncer = await startBouncer(server);
    const client = await boss(bouncer);
    const notices: string[] = [];
    client.on('notice', ({ message, detail }) => notices.push(`${message} ${detail}`));
    expect((await client.query('SHOW HELP')).rows).toEqual([]);
    expect(notices[0]).toMatch(/^Console usage[^]*KILL_CLIENT <client_id>/);
    await expect(client.query('SHOW FDS')).rejects.toThrow('SHOW FDS is not supported');
    await expect(client.query('SHOW NONSENSE')).rejects.toMatchObject({
      code: '08P01', message: "invalid command 'SHOW NONSENSE', use SHOW HELP;",
    });
    await expect(client.query('SELECT 1 + 1')).rejects.toThrow('invalid command');
    expect((await client.query('SHOW client_encoding')).rows).toEqual([{ client_encoding: 'UTF-8' }]);
    await end(client);
  });

  it('tells clients, servers and how they are linked', async () => {
    await using bouncer = await startBouncer(server, ['default_pool_size = 1']);
    const holder = await connected(bouncer, { application_name: 'holder' });
    await holder.query('BEGIN');
    const waiter = await connected(bouncer);
    const waiting = waiter.query('SELECT 1');
    await expect.poll(() => rowOf(bouncer, 'SHOW POOLS', 'main'), POLL).toMatchObject({ cl_active: 1, cl_waiting: 1, sv_active: 1 });
    const clients = (await bouncer.admin('SHOW CLIENTS')).filter(({ database }) => database === 'main');
    const [linked] = await bouncer.admin('SHOW SERVERS');
    expect(clients.map(({ state }) => state)).toEqual(['active', 'waiting']);
    expect(clients[0]).toMatchObject({ user: server.user, application_name: 'holder', link: linked!['ptr'] });
    expect(linked).toMatchObject({ type: 'S', state: 'active', link: clients[0]!['ptr'], close_needed: 0 });
    const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    expect(linked!['remote_pid']).toBe(rows[0]!.pid);
    await holder.query('COMMIT');
    await waiting;
    expect(await rowOf(bouncer, 'SHOW DATABASES', 'main')).toMatchObject({ current_connections: 1, current_client_connections: 2 });
    expect(await rowOf(bouncer, 'SHOW USERS', server.user)).toMatchObject({ current_connections: 1, current_client_connections: 2 });
    await end(holder, waiter);
  });

  it('counts transactions, queries, bytes and prepared statements', async () => {
    await using bouncer = await startBouncer(server, ['pool_mode = session']);
    const client = await connected(bouncer);
    await client.query('BEGIN');
    await client.query('SELECT 1');
    await client.query('COMMIT');
    await client.query('SELECT pg_sleep(0.05)');
    await client.end();
    await expect.poll(() => rowOf(bouncer, 'SHOW STATS', 'main'), POLL).toMatchObject({
      total_server_assignment_count: '1', total_xact_count: '2', total_query_count: '4',
    });
    const row = (await rowOf(bouncer, 'SHOW STATS', 'main'))!;
    expect(Number(row['total_query_time'])).toBeGreaterThan(50_000);
    expect(Number(row['total_xact_time'])).toBeGreaterThanOrEqual(Number(row['total_query_time']));
    expect(Number(row['total_received'])).toBeGreaterThan(50);
    expect(Number(row['total_sent'])).toBeGreaterThan(100);
    const totals = new Map((await bouncer.admin('SHOW TOTALS')).map(({ name, value }) => [name, value]));
    expect(totals.get('total_server_assignment_count')).toBe('1');
  });

  it('counts what is prepared in transaction mode', async () => {
    await using bouncer = await startBouncer(server);
    const client = await connected(bouncer);
    for (let n = 0; n < 3; n++) await client.query({ name: 'mine', text: 'SELECT $1::int', values: [n] });
    await client.end();
    expect(await rowOf(bouncer, 'SHOW STATS_TOTALS', 'main')).toMatchObject({
      client_parse_count: '1', server_parse_count: '1', bind_count: '3', xact_count: '3',
    });
  });
});

describe('commands', () => {
  it('PAUSE lets go of all servers, and holds clients until RESUME', async () => {
    await using bouncer = await startBouncer(server);
    const [client, admin] = [await connected(bouncer), await boss(bouncer)];
    await client.query('BEGIN');
    let paused = false;
    const pausing = admin.query('PAUSE').then(() => { paused = true; });
    await expect.poll(() => rowOf(bouncer, 'SHOW STATE', ''), POLL).toBeUndefined();
    await expect.poll(async () => (await bouncer.admin('SHOW STATE')).map(({ value }) => value), POLL).toEqual(['no', 'yes', 'no']);
    await client.query('SELECT 1');
    expect(paused).toBe(false);
    await client.query('COMMIT');
    await pausing;
    expect(await bouncer.admin('SHOW SERVERS')).toEqual([]);
    await expect(admin.query('PAUSE')).rejects.toThrow('already suspended/paused');
    const held = client.query('SELECT 1 AS one');
    await expect.poll(() => rowOf(bouncer, 'SHOW POOLS', 'main'), POLL).toMatchObject({ cl_waiting: 1, sv_active: 0 });
    await admin.query('RESUME');
    expect((await held).rows).toEqual([{ one: 1 }]);
    await expect(admin.query('RESUME')).rejects.toThrow('pooler is not paused/suspended');
    await end(client, admin);
  });

  it('PAUSE of one database leaves the others alone, and who waits for it hears of RESUME', async () => {
    const databases = ['main', 'other'].map((name) => `${name} = host=${server.host} port=${server.port} dbname=${server.database}`);
    await using bouncer = await startBouncer(server, [], databases);
    const [main, other, admin] = [await connected(bouncer), await connected(bouncer, { database: 'other' }), await boss(bouncer)];
    await main.query('BEGIN');
    const pausing = admin.query('PAUSE main').catch((error: unknown) => error);
    await expect.poll(() => rowOf(bouncer, 'SHOW DATABASES', 'main'), POLL).toMatchObject({ paused: 1 });
    await other.query('SELECT 1');
    await bouncer.admin('RESUME main');
    expect(await pausing).toMatchObject({ message: 'PAUSE was ended by RESUME' });
    await expect(admin.query('RESUME main')).rejects.toThrow('database main is not paused');
    await expect(admin.query('PAUSE nowhere')).rejects.toThrow('no such database: nowhere');
    await expect(admin.query('PAUSE pgbouncer')).rejects.toThrow('cannot pause admin db: pgbouncer');
    await main.query('COMMIT');
    await end(main, other, admin);
  });

  it('goes on when somebody who waits for PAUSE disappears', async () => {
    await using bouncer = await startBouncer(server);
    const [client, admin] = [await connected(bouncer), await boss(bouncer)];
    await client.query('BEGIN');
    const pausing = admin.query('PAUSE').catch(() => 'gone');
    await expect.poll(async () => (await bouncer.admin('SHOW STATE'))[1], POLL).toEqual({ key: 'paused', value: 'yes' });
    (admin as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    expect(await pausing).toBe('gone');
    await expect.poll(async () => (await bouncer.admin('SHOW CLIENTS')).length, POLL).toBe(2);
    expect((await bouncer.admin('SHOW STATE'))[1]).toEqual({ key: 'paused', value: 'yes' });
    await bouncer.admin('RESUME');
    await client.query('COMMIT');
    await end(client);
  });

  it('DISABLE turns new clients away, ENABLE lets them in', async () => {
    await using bouncer = await startBouncer(server);
    await expect(bouncer.admin('DISABLE')).rejects.toThrow('a database is required');
    await bouncer.admin('disable "main"');
    await expect(bouncer.client().connect()).rejects.toThrow('database "main" is disabled');
    await bouncer.admin('ENABLE main');
    await end(await connected(bouncer));
  });

  it('RECONNECT replaces servers, and WAIT_CLOSE waits for the last of them', async () => {
    await using bouncer = await startBouncer(server, ['pool_mode = session']);
    const [client, admin] = [await connected(bouncer), await boss(bouncer)];
    await client.query('SELECT 1');
    await admin.query('RECONNECT main');
    expect((await bouncer.admin('SHOW SERVERS')).map(({ close_needed: needed }) => needed)).toEqual([1]);
    let closed = false;
    const closing = admin.query('WAIT_CLOSE main').then(() => { closed = true; });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(closed).toBe(false);
    await client.end();
    await closing;
    expect(await bouncer.admin('SHOW SERVERS')).toEqual([]);
    await end(admin);
  });

  it('KILL ends clients and servers of a database, which stays paused', async () => {
    await using bouncer = await startBouncer(server);
    const client = await connected(bouncer);
    await client.query('BEGIN');
    const told = new Promise((resolve) => { client.once('error', ({ message }) => resolve(message)); });
    await bouncer.admin('KILL main');
    expect(await told).toBe('database removed');
    await expect.poll(() => bouncer.admin('SHOW SERVERS'), POLL).toEqual([]);
    expect(await rowOf(bouncer, 'SHOW DATABASES', 'main')).toMatchObject({ paused: 1 });
    await bouncer.admin('RESUME main');
    const next = await connected(bouncer);
    expect((await next.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await end(next);
  });

  it('KILL_CLIENT ends one client by its id, and nobody by an id that is none', async () => {
    await using bouncer = await startBouncer(server);
    const [one, two] = [await connected(bouncer), await connected(bouncer)];
    const told = new Promise((resolve) => { one.once('error', ({ message }) => resolve(message)); });
    const { id } = (await rowOf(bouncer, 'SHOW CLIENTS', 'main'))!;
    await expect(bouncer.admin('KILL_CLIENT 1000000')).rejects.toMatchObject({ code: '08P01', message: 'client not found' });
    await expect(bouncer.admin('KILL_CLIENT whoever')).rejects.toThrow('invalid client pointer supplied');
    await bouncer.admin(`KILL_CLIENT ${String(id)}`);
    expect(await told).toBe('admin forced disconnect');
    expect((await two.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await end(two);
  });

  it('SUSPEND holds everything until RESUME, or until nobody is in the console', async () => {
    await using bouncer = await startBouncer(server);
    const [client, admin] = [await connected(bouncer), await boss(bouncer)];
    await client.query('SELECT 1');
    await admin.query('SUSPEND');
    let answered = false;
    const asked = client.query('SELECT 1 AS one').then((result) => {
      answered = true;
      return result;
    });
    expect((await admin.query('SHOW STATE')).rows[2]).toEqual({ key: 'suspended', value: 'yes' });
    expect(answered).toBe(false);
    await admin.query('RESUME');
    expect((await asked).rows).toEqual([{ one: 1 }]);
    await admin.query('SUSPEND');
    const again = client.query('SELECT 2 AS two');
    await admin.end();
    expect((await again).rows).toEqual([{ two: 2 }]);
    await end(client);
  });

  it.each([
    'SHUTDOWN', 'SHUTDOWN WAIT_FOR_CLIENTS', 'SHUTDOWN wait_for_servers',
  ])('%s ends the proxy, and does not wait for the console', async (command) => {
    await using bouncer = await startBouncer(server);
    const [client, admin] = [await connected(bouncer), await boss(bouncer)];
    await client.query('SELECT 1');
    const closed = new Promise<void>((resolve) => { bouncer.proxy.onClosed(resolve); });
    // It may be gone before it has answered.
    await admin.query(command).catch(() => undefined);
    expect(bouncer.proxy.isClosing).toBe(true);
    await client.end();
    await closed;
  });

  it('SET changes what can be changed, and says why it cannot change the rest', async () => {
    await using bouncer = await startBouncer(server);
    const admin = await boss(bouncer);
    expect((await admin.query('SET max_client_conn = 7')).command).toBe('SET');
    await admin.query("set server_check_query to 'select 2'");
    const config = new Map((await admin.query('SHOW CONFIG')).rows.map(({ key, value }) => [key, value]));
    expect([config.get('max_client_conn'), config.get('server_check_query')]).toEqual(['7', 'select 2']);
    await expect(admin.query('SET listen_port = 1')).rejects.toThrow('SET failed: listen_port is only read at start');
    await expect(admin.query('SET pool_mode = sideways')).rejects.toThrow('SET failed: invalid value');
    await expect(admin.query('SET nonsense = 1')).rejects.toThrow('SET failed: unknown parameter: nonsense');
    await admin.query('SET extra_float_digits = 3');
    await end(admin);
  });
});

describe('who may do what', () => {
  it.each([
    'PAUSE', 'RESUME', 'DISABLE main', 'ENABLE main', 'RECONNECT', 'KILL main', 'KILL_CLIENT 1', 'SUSPEND', 'RELOAD', 'SHUTDOWN',
    'WAIT_CLOSE', 'SET max_client_conn = 1', 'SHOW FDS',
  ])('%s is not for somebody who may only look', async (command) => {
    await using bouncer = await startBouncer(server, [`stats_users = ${server.user}`]);
    const client = await watcher(bouncer);
    await expect(client.query(command)).rejects.toThrow('admin access needed');
    expect((await client.query('SHOW VERSION')).rows).toHaveLength(1);
    await end(client);
  });

  it('lets nobody else in', async () => {
    await using bouncer = await startBouncer(server);
    await expect(watcher(bouncer)).rejects.toThrow('not allowed');
  });
});

describe('the extended protocol', () => {
  it('answers what drivers prepare, in text and in binary', async () => {
    await using bouncer = await startBouncer(server);
    const admin = await boss(bouncer);
    const named = { name: 'pools', text: 'SHOW STATE', queryMode: 'extended' } as pg.QueryConfig;
    expect((await admin.query(named)).rows).toHaveLength(3);
    expect((await admin.query(named)).rows).toHaveLength(3);
    const lists = await admin.query({ text: 'SHOW LISTS', binary: true, queryMode: 'extended' } as pg.QueryConfig);
    expect(lists.rows.find(({ list }) => list === 'databases')).toEqual({ list: 'databases', items: 2 });
        expect((await admin.query({ text: 'RELOAD', queryMode: 'extended' } as pg.QueryConfig)).command).toBe('RELOAD');
    await end(admin);
  });

  it('skips to the next Sync after an error, and goes on', async () => {
    await using bouncer = await startBouncer(server);
    const admin = await boss(bouncer);
    await expect(admin.query({ text: 'SHOW NONSENSE', queryMode: 'extended' } as pg.QueryConfig)).rejects.toThrow('invalid command');
    await expect(admin.query('SHOW $1', ['lists'])).rejects.toThrow('the console takes no parameters');
    expect((await admin.query('SHOW VERSION')).rows).toHaveLength(1);
    await end(admin);
  });
});

describe('limits', () => {
  it('hold for those who only look, and never for an admin', async () => {
    await using bouncer = await startBouncer(server, [`stats_users = ${server.user}`, 'max_user_client_connections = 1']);
    const client = await watcher(bouncer);
    await expect(watcher(bouncer)).rejects.toThrow('client connections exceeded (max_user_client_connections)');
    await end(client, ...await Promise.all([boss(bouncer), boss(bouncer)]));
  });
});

it('ends a wait when the client cancels it, and everything goes on', async () => {
  await using bouncer = await startBouncer(server);
  const [client, admin] = [await connected(bouncer), await boss(bouncer)];
  await client.query('BEGIN');
  const pausing = admin.query('PAUSE').catch((error: unknown) => error);
  await expect.poll(async () => (await bouncer.admin('SHOW STATE'))[1], POLL).toEqual({ key: 'paused', value: 'yes' });
  const key = admin as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  for (const [index, value] of [16, 80877102, key.processID, key.secretKey].entries()) request.writeInt32BE(value, index * 4);
  connect(bouncer.port, '127.0.0.1').end(request);
  expect(await pausing).toMatchObject({ code: '57014' });
  expect((await admin.query('SHOW STATE')).rows[0]).toEqual({ key: 'active', value: 'yes' });
  await client.query('COMMIT');
  await end(client, admin);
});
