// The whole server goes away under load: killed and restarted, shut down, or frozen. Each test has a server of its own, and all run at
// once, because most of what they do is wait.

import { createMysqlPool, type MysqlPool } from 'millpond/mysql';
import { describe, it } from 'vitest';
import { sleep, until } from '../support/postgres.ts';
import { mariadbIsThere, startMariadb, Watcher, type MariadbServer } from '../support/mariadb.ts';
import { isHandshakeOk, TcpProxy } from '../support/proxy.ts';

/** How long a frozen server stays frozen. */
const FREEZE_MS = 5_000;

/** What may be said to a caller while the server is away: by the server, of the connection, or of the wait. */
const EXPECTED = /^(1053|1317|1927|ERR_POOL_(CONNECTION_LOST|ACQUIRE_TIMEOUT|QUERY_TIMEOUT|CREATE_FAILED|CREATE_TIMEOUT))$/;

interface Load {
  readonly codes: Map<string, number>;
  served: number;
  stop(): Promise<void>;
}

/** Callers that never give up. */
function load(pool: MysqlPool, callers: number, timeoutMs: number): Load {
  const state = { codes: new Map<string, number>(), served: 0 };
  let going = true;
  const caller = async (): Promise<void> => {
    while (going) {
      try {
        await pool.query('SELECT SLEEP(0.005)', [], { timeoutMs });
        state.served++;
      } catch (error) {
        const { errno, code = String(error) } = error as { errno?: number; code?: string };
        const told = code.startsWith('ERR_POOL') ? code : String(errno ?? code);
        state.codes.set(told, (state.codes.get(told) ?? 0) + 1);
        await sleep(5);
      }
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  return Object.assign(state, { async stop() {
    going = false;
    await all;
  } });
}

const unexpected = ({ codes }: Load): string[] => [...codes.keys()].filter((code) => !EXPECTED.test(code));

function through({ user, password, database }: MariadbServer, { port }: TcpProxy, options: object): MysqlPool {
  return createMysqlPool({ host: '127.0.0.1', port, user, password, database, createRetry: { maxDelayMs: 500 }, ...options });
}

const proxyTo = ({ port }: MariadbServer): Promise<TcpProxy> => TcpProxy.start({ port, record: false, endsStart: isHandshakeOk });

describe.runIf(mariadbIsThere()).concurrent('an outage of MariaDB', { timeout: 120_000 }, () => {
  it('killed and restarted under load: the pool heals by itself, without a storm', async ({ expect }) => {
    await using server = await startMariadb();
    await using proxy = await proxyTo(server);
    await using pool = through(server, proxy, { min: 4, max: 8 });
    await pool.ready();
    const storm = load(pool, 40, 5_000);
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const { served } = storm;
      await until('the load to run', () => storm.served, (now) => now > served + 100);
      proxy.maxConnecting = 0;
      await server.kill(signal);
      await server.start();
      const before = storm.served;
      await until('the pool to serve again', () => storm.served, (now) => now > before + 200);
      // As the server sees it: no more attempts at once than maxCreating. (A side connection for a KILL is one more.)
      expect(proxy.maxConnecting).toBeGreaterThan(0);
      expect(proxy.maxConnecting).toBeLessThanOrEqual(2 + 1);
    }
    await storm.stop();
    expect(unexpected(storm)).toEqual([]);
    await until('all to rest', () => pool.stats(), ({ idle, size }) => idle === size && size >= 4);
    await using watcher = new Watcher(server);
    await until('the server to see as many', () => watcher.count(server.user), (count) => count === pool.stats().size);
  });

  it('restarted while nobody asks: min is filled again without an acquire', async ({ expect }) => {
    await using server = await startMariadb();
    await using pool = createMysqlPool({ uri: server.url, min: 3, max: 3, createRetry: { maxDelayMs: 300 } });
    await pool.ready();
    await server.kill('SIGKILL');
    await until('the loss to be noticed', () => pool.stats().idle, (idle) => idle === 0);
    await server.start();
    await until('min to be filled', () => pool.stats().idle, (idle) => idle === 3);
    expect(pool.stats().totals.acquires).toBe(0);
  });

  it('frozen: callers are told in time, and all is well when it thaws', async ({ expect }) => {
    await using server = await startMariadb();
    await using watcher = new Watcher(server);
    await watcher.query('SELECT 1');
    await using proxy = await proxyTo(server);
    await using pool = through(server, proxy, { min: 2, max: 5, createTimeoutMs: 2_000, cancelTimeoutMs: 500 });
    await pool.ready();
    const storm = load(pool, 20, 1_000);
    await until('the load to run', () => storm.served, (served) => served > 100);
    await server.kill('SIGSTOP');
    await sleep(100);
    const { served } = storm;
    await sleep(FREEZE_MS);
    expect(storm.served - served).toBeLessThanOrEqual(20); // what was on its way
    expect(storm.codes.size).toBeGreaterThan(0); // told while it was frozen
    expect(pool.stats().size).toBeLessThanOrEqual(5);
    await server.kill('SIGCONT');
    const before = storm.served;
    await until('the pool to serve again', () => storm.served, (now) => now > before + 200);
    await storm.stop();
    expect(unexpected(storm)).toEqual([]);
    await until('all to rest', () => pool.stats(), ({ idle, size }) => idle === size);
    // What was given up has gone from the server too.
    await until('the server to see as many as the pool', () => watcher.count(server.user), (count) => count === pool.stats().size);
    const threads = (await watcher.threads(server.user)).map(({ COMMAND }) => COMMAND);
    expect(threads).toEqual(threads.map(() => 'Sleep'));
  });

  it('full: "too many connections" is waited out within the deadline, a wrong password is not', async ({ expect }) => {
    await using server = await startMariadb({ settings: { 'max-connections': 10, 'extra-max-connections': 1 } });
    await using greedy = createMysqlPool({ uri: server.url, min: 10, max: 10, maxCreating: 10 });
    const leases = await Promise.all(Array.from({ length: 10 }, () => greedy.acquire()));
    const createRetry = { initialDelayMs: 50, maxDelayMs: 200 };
    await using pool = createMysqlPool({ uri: server.url, max: 1, acquireTimeoutMs: 60_000, createRetry });
    const errors: unknown[] = [];
    pool.on('createError', ({ error }) => errors.push((error as { errno?: number }).errno));
    const asked = pool.query('SELECT 1 AS one');
    await until('it to be refused', () => errors, (all) => all.length > 0);
    for (const lease of leases) lease.release();
    await greedy.close();
    expect((await asked)[0]).toEqual([{ one: 1 }]);
    expect(new Set(errors)).toEqual(new Set([1040]));
    await using wrong = createMysqlPool({ uri: server.url.replace(server.password, 'guessed') });
    const refused = { code: 'ERR_POOL_CREATE_FAILED', retryable: false, cause: { errno: 1045 } };
    await expect(wrong.query('SELECT 1')).rejects.toMatchObject(refused);
    expect(wrong.stats().totals.createErrors).toBe(1);
  });
});
