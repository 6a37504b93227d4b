// Connecting: what fails, how it is told, and that nothing stays behind at the server.

import { createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { makeCertificate } from '@millpond/lab/certificate';
import { CreateError, Pool } from 'millpond';
import { classify, createPgPool, pgFactory, type PgConnectOptions } from 'millpond/pg';
import pg from 'pg';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { failureOf, sleep, startPostgres, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

/** A server that plays the first lines of the protocol and then falls silent. */
async function muteServer(answer: (socket: Socket, chunk: Buffer) => void): Promise<{ port: number; open: Set<Socket>; server: Server }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.on('data', (chunk) => answer(socket, chunk));
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, open, server };
}

const SSL_REQUEST = 80_877_103;
/** AuthenticationSASL with SCRAM-SHA-256. */
const SASL = Buffer.from('R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0', 'latin1');

describe('a connect that hangs', () => {
  const servers: Server[] = [];
  afterAll(() => { for (const server of servers) server.close(); });

  const cases: [name: string, options: PgConnectOptions, answer: (socket: Socket, chunk: Buffer) => void][] = [
    ['before the first byte', {}, () => undefined],
    ['in TLS negotiation', { ssl: true }, () => undefined],
    ['in the TLS handshake', { ssl: { rejectUnauthorized: false } }, (socket, chunk) => {
      if (chunk.length === 8 && chunk.readUInt32BE(4) === SSL_REQUEST) socket.write('S');
    }],
    ['in authentication', { password: 'x' }, (socket, chunk) => { if (chunk[0] === 0) socket.write(SASL); }],
    ['waiting for a password', { password: () => new Promise<string>(() => undefined) }, (socket, chunk) => {
      if (chunk[0] === 0) socket.write(SASL);
    }],
  ];
  it.each(cases)('%s is given up on time and closes its socket', async (_, options, answer) => {
    const { port, open, server } = await muteServer(answer);
    servers.push(server);
    const impatient = { createTimeoutMs: 200, createRetry: false } as const;
    await using pool = createPgPool({ host: '127.0.0.1', port, user: 'u', database: 'd', ...options, ...impatient });
    const failed = pool.query('SELECT 1');
    await until('the socket to open', () => open.size, (size) => size === 1);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_TIMEOUT', retryable: true });
    await until('the socket to close', () => open.size, (size) => size === 0);
    expect(pool.stats()).toMatchObject({ size: 0, creating: 0, destroying: 0 });
  });

  it('while its credentials are fetched is given up on time', async () => {
    const connection = vi.fn(() => new Promise<string>(() => undefined));
    await using pool = createPgPool({ connection, createTimeoutMs: 100, createRetry: false });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_TIMEOUT' });
    expect(connection).toHaveBeenCalledTimes(1);
  });

  it('while its name is looked up is given up on time, and never connects', async () => {
    const { port, open, server } = await muteServer(() => undefined);
    servers.push(server);
    const dns = await import('node:dns');
    let answer = (): void => undefined;
    const lookup = vi.spyOn(dns.default, 'lookup').mockImplementation(((_: string, __: unknown, done: (...found: unknown[]) => void) => {
      answer = () => done(null, [{ address: '127.0.0.1', family: 4 }]);
    }) as unknown as typeof dns.lookup);
    try {
      await using pool = createPgPool({ host: 'slow.test', port, user: 'u', createTimeoutMs: 100, createRetry: false });
      await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_TIMEOUT' });
      expect(lookup).toHaveBeenCalled();
      answer();
      await sleep(50);
      expect(open.size).toBe(0);
    } finally {
      lookup.mockRestore();
    }
  });

  it('ends with the signal of its factory, whatever it is at', async () => {
    const { port, open, server } = await muteServer(() => undefined);
    servers.push(server);
    const factory = pgFactory({ host: '127.0.0.1', port, user: 'u' });
    const controller = new AbortController();
    const reason = new Error('enough');
    const creating = factory.create({ signal: controller.signal, attempt: 1 });
    await until('the socket to open', () => open.size, (size) => size === 1);
    controller.abort(reason);
    await expect(creating).rejects.toBe(reason);
    await until('the socket to close', () => open.size, (size) => size === 0);
    await expect(factory.create({ signal: controller.signal, attempt: 1 })).rejects.toBe(reason);
  });
});

onEachPostgres('connecting', (stage) => {
  it('that comes too late is closed at the server', async () => {
    await using proxy = await TcpProxy.start({ port: stage.server.port, delayMs: 150 });
    await using pool = createPgPool({ ...stage.through(proxy, 'late'), createTimeoutMs: 200, createRetry: false });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POOL_CREATE_TIMEOUT' });
    await sleep(600);
    expect(await stage.observer.count('late')).toBe(0);
    expect(proxy.open).toEqual([]);
  });

  it('fails for good, and at once, with a wrong password, user or database', async () => {
    const { host, port, user, password } = stage.server;
    const wrong: [PgConnectOptions, string][] = [
      [{ password: 'not it' }, '28P01'],
      [{ user: 'nobody_here' }, '28P01'],
      [{ database: 'nowhere' }, '3D000'],
      [{ options: '-c no_such_setting=1' }, '42704'],
    ];
    for (const [options, code] of wrong) {
      await using pool = createPgPool({ host, port, user, password, ...options });
      const error = await failureOf(pool.query('SELECT 1'));
      expect(error).toBeInstanceOf(CreateError);
      expect(error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false, cause: { code } });
      expect(pool.stats().totals.createErrors).toBe(1);
    }
  });

  it('fails for good without the right to connect', async () => {
    const { host, port, password } = stage.server;
    await stage.observer.query(`CREATE ROLE outsider LOGIN PASSWORD '${password}'`);
    await stage.observer.query('CREATE DATABASE closed_shop');
    await stage.observer.query('REVOKE CONNECT ON DATABASE closed_shop FROM PUBLIC');
    await using pool = createPgPool({ host, port, user: 'outsider', password, database: 'closed_shop' });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ retryable: false, cause: { code: '42501' } });
  });

  it('keeps trying while everything else is in the way, until the deadline', async () => {
    const { user, password } = stage.server;
    const away: [PgConnectOptions, RegExp][] = [
      [{ host: '127.0.0.1', port: 1 }, /^ECONNREFUSED$/],
      [{ host: 'no-such-host.invalid' }, /^(ENOTFOUND|EAI_AGAIN)$/],
    ];
    for (const [address, code] of away) {
      await using pool = createPgPool({ ...address, user, password, acquireTimeoutMs: 500, createRetry: { initialDelayMs: 20 } });
      const error = await failureOf(pool.query('SELECT 1'));
      expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', cause: { code: expect.stringMatching(code) as string } });
      expect(pool.stats().totals.createErrors).toBeGreaterThan(1);
    }
  });

  it('says what is missing when options cannot make a connection', async () => {
    await using pool = createPgPool('postgres://u:hush-hush@host:notaport/db');
    const error = await failureOf(pool.query('SELECT 1'));
    expect(error).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', retryable: false });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hush-hush');
    // Older drivers quote what they cannot read.
    const Client = function talkative({ connectionString }: { connectionString: string }) {
      throw Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: connectionString });
    } as unknown as typeof pg.Client;
    await using talkative = createPgPool({ connectionString: 'postgres://u:hush-hush@host:notaport/db', Client });
    expect(inspect(await failureOf(talkative.query('SELECT 1')), { depth: 9, showHidden: true })).not.toContain('hush-hush');
  });

  it('shows no password, whoever looks', async () => {
    const { host, port, user, database } = stage.server;
    const password = 'hush-hush';
    const dsn = `postgres://${user}:${password}@${host}:${port}/${database}`;
    for (const options of [{ host, port, user, password }, { connectionString: dsn }, { connection: dsn }, { connection: () => dsn }]) {
      await using pool = createPgPool(options);
      const error = await failureOf(pool.query('SELECT 1'));
      expect(error).toMatchObject({ cause: { code: '28P01' } });
      expect(`${error?.stack}${JSON.stringify(error)}${inspect([error, pool], { depth: 9 })}`).not.toContain(password);
    }
    const { server } = stage;
    await using pool = createPgPool({ host, port, user, password: server.password });
    await pool.use((client) => {
      expect(`${inspect(client, { depth: 9 })}${inspect(pool, { depth: 9 })}`).not.toContain(server.password);
    });
  });

  it('asks for credentials anew on each connect', async () => {
    const { host, port, user, password } = stage.server;
    let asked = 0;
    await using pool = createPgPool({ application_name: 'asked', connection: async () => {
      await sleep(1);
      asked++;
      return { host, port, user, password: () => password };
    } });
    await Promise.all(Array.from({ length: 3 }, () => pool.query('SELECT pg_sleep(0.1)')));
    expect(asked).toBe(pool.stats().totals.created);
    expect(await stage.observer.count('asked')).toBe(asked);
    let known: unknown = { host, prot: port };
    await using wrong = createPgPool({ connection: () => known as PgConnectOptions });
    const typo = { code: 'ERR_POOL_INVALID_OPTION', option: 'connection.prot' };
    await expect(wrong.query('SELECT 1')).rejects.toMatchObject({ retryable: false, cause: typo });
    known = undefined;
    await expect(wrong.query('SELECT 1')).rejects.toMatchObject({ retryable: false, cause: { code: 'ERR_POOL_INVALID_OPTION' } });
    const down = new Error('token service down');
    await using failing = createPgPool({ connection: () => Promise.reject(down), acquireTimeoutMs: 300 });
    await expect(failing.query('SELECT 1')).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', cause: down });
  });

  it('runs onConnect before a connection is lent, and closes one for which it fails', async () => {
    let broken = false;
    await using pool = createPgPool({ ...stage.options('on-connect'), max: 1, onConnect: async (client) => {
      if (broken) throw new Error('not today');
      await client.query("SET statement_timeout = '7s'");
    }, createRetry: false });
    expect((await pool.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '7s' }]);
    broken = true;
    pool.evict();
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ cause: { message: 'not today' } });
    await until('it to be closed', () => stage.observer.count('on-connect'), (count) => count === 0);
  });

  it('reaches the server by its Unix socket as well', async () => {
    const { socketFolder, port, user, password } = stage.server;
    await using pool = createPgPool({ host: socketFolder, port, user, password, application_name: 'unix' });
    await expect(pool.query('SELECT pg_sleep(10)', [], { timeoutMs: 100 })).rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect(await stage.observer.count('unix')).toBe(1);
  });

  it('works for a plain Pool', async () => {
    await using pool = new Pool({ factory: pgFactory(stage.options('plain')), max: 2 });
    expect((await pool.use((client) => client.query('SELECT 1 AS one'))).rows).toEqual([{ one: 1 }]);
    await pool.close();
    await until('it to be closed', () => stage.observer.count('plain'), (count) => count === 0);
  });

  it('rides out a server that others have filled up', async () => {
    await stage.observer.query("ALTER SYSTEM SET max_connections = '12'");
    await stage.observer[Symbol.asyncDispose]();
    await stage.server.restart();
    const others: pg.Client[] = [];
    try {
      for (;;) {
        const client = new pg.Client(stage.server.connectionString);
        client.on('error', () => undefined);
        await client.connect();
        others.push(client);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: '53300' });
      expect(classify(error)).toBe('transient');
    }
    const createRetry = { initialDelayMs: 50, maxDelayMs: 200 };
    await using pool = createPgPool({ ...stage.options('full'), acquireTimeoutMs: 4_000, createRetry });
    const full = { code: 'ERR_POOL_ACQUIRE_TIMEOUT', cause: { code: '53300' } };
    await expect(pool.query('SELECT 1', [], { timeoutMs: 300 })).rejects.toMatchObject(full);
    const waiting = pool.query('SELECT 1 AS one');
    await sleep(100);
    await others.pop()?.end();
    expect((await waiting).rows).toEqual([{ one: 1 }]);
    await Promise.all(others.map((client) => client.end()));
  });
});

onEachPostgres('passwords', (stage) => {
  it('that change leave open connections alone, refuse new ones at once, and recover with new credentials', async () => {
    const { host, port } = stage.server;
    await stage.observer.query("CREATE ROLE app LOGIN PASSWORD 'old'");
    let current = 'old';
    const connection = (): PgConnectOptions => ({ host, port, user: 'app', database: 'postgres', password: current });
    // After a refusal the pool does not ask again before this: whoever tries a wrong password too often locks the account.
    const createRetry = { maxDelayMs: 500 };
    await using pool = createPgPool({ connection, max: 2, acquireTimeoutMs: 3_000, createRetry });
    const held = await pool.acquire();
    await stage.observer.query("ALTER ROLE app PASSWORD 'new'");
    expect((await held.resource.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    // At once, and not at the deadline: that would be ERR_POOL_ACQUIRE_TIMEOUT.
    const refused = { code: 'ERR_POOL_CREATE_FAILED', retryable: false, cause: { code: '28P01' } };
    await expect(pool.query('SELECT 1')).rejects.toMatchObject(refused);
    expect((await held.resource.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    held.release();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    current = 'new';
    const both = await Promise.all([pool.acquire(), pool.acquire()]);
    expect(pool.stats().borrowed).toBe(2);
    for (const lease of both) lease.release();
  });
});

describe('TLS', () => {
  it('connects, cancels and checks certificates', { timeout: 60_000 }, async () => {
    const { cert, key } = makeCertificate('localhost');
    await using server = await startPostgres({ tls: { cert, key }, hba: ['hostssl all all 127.0.0.1/32 scram-sha-256'] });
    const { port, user, password } = server;
    await using pool = createPgPool({ host: 'localhost', port, user, password, ssl: { ca: cert }, max: 1 });
    expect((await pool.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows).toEqual([{ ssl: true }]);
    await expect(pool.query('SELECT pg_sleep(10)', [], { timeoutMs: 200 })).rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect(pool.stats().totals.created).toBe(1);

    await using direct = createPgPool({ host: 'localhost', port, user, password, ssl: { ca: cert }, sslnegotiation: 'direct', max: 1 });
    await direct.query('SELECT 1');
    await expect(direct.query('SELECT pg_sleep(10)', [], { timeoutMs: 200 })).rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    await until('the connection to come back', () => direct.stats().idle, (idle) => idle === 1);

    const expired = makeCertificate('localhost', -2);
    await using old = await startPostgres({ tls: expired });
    const bad: [PgConnectOptions, string][] = [
      [{ host: 'localhost', port, ssl: true }, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      [{ host: '127.0.0.1', port, ssl: { ca: cert } }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
      [{ host: 'localhost', port: old.port, ssl: { ca: expired.cert } }, 'CERT_HAS_EXPIRED'],
    ];
    for (const [options, code] of bad) {
      await using refused = createPgPool({ user, password, ...options });
      await expect(refused.query('SELECT 1')).rejects.toMatchObject({ retryable: false, cause: { code } });
    }
    await using plain = await startPostgres();
    await using refused = createPgPool({ connectionString: plain.connectionString, ssl: true });
    const cause = { message: 'The server does not support SSL connections' };
    await expect(refused.query('SELECT 1')).rejects.toMatchObject({ retryable: false, cause });
  });
});
