// The whole server goes away under load: killed and restarted, or frozen. Each test has a server of its own, and all run at once, because
// most of what they do is wait.

import { createPgPool, type PgPool } from 'millpond/pg';
import { describe, it, type TestContext } from 'vitest';
import { Observer, postgresVersions, sleep, startPostgres, until, type PostgresServer, type PostgresVersion } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';

/** How long a frozen server stays frozen. In CI always the whole time; shorter by hand, for the sake of a quick look. */
const FREEZE_MS = process.env['CI'] === 'true' ? 20_000 : Number(process.env['MILLPOND_FREEZE_MS'] ?? 20_000);

/** What may be said to a caller while the server is away: by the server, of the connection, or of the wait. */
const EXPECTED = /^(57P0[123]|ERR_POOL_(CONNECTION_LOST|ACQUIRE_TIMEOUT|QUERY_TIMEOUT|CREATE_FAILED|CREATE_TIMEOUT))$/;

interface Load {
  readonly codes: Map<string, number>;
  served: number;
  /** The longest that a call took, in ms. */
  longestMs: number;
  stop(): Promise<void>;
}

/** Callers that never give up. */
function load(pool: PgPool, callers: number, timeoutMs: number): Load {
  const state = { codes: new Map<string, number>(), served: 0, longestMs: 0 };
  let going = true;
  const caller = async (): Promise<void> => {
    while (going) {
      const startedAt = performance.now();
      try {
        await pool.query('SELECT pg_sleep(0.005)', [], { timeoutMs });
        state.served++;
      } catch (error) {
        const { code = String(error) } = error as { code?: string };
        state.codes.set(code, (state.codes.get(code) ?? 0) + 1);
        await sleep(5);
      }
      state.longestMs = Math.max(state.longestMs, performance.now() - startedAt);
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  return Object.assign(state, { async stop() {
    going = false;
    await all;
  } });
}

function through({ user, password }: PostgresServer, { port }: TcpProxy, options: object): PgPool {
  const createRetry = { maxDelayMs: 500 };
  return createPgPool({ host: '127.0.0.1', port, user, password, application_name: 'outage', createRetry, ...options });
}

function each(name: string, run: (version: PostgresVersion, context: TestContext) => Promise<void>): void {
  it.concurrent.for(postgresVersions())(`PostgreSQL %s ${name}`, run);
}

describe('an outage', { timeout: 120_000 }, () => {
  each('killed and restarted under load: the pool heals by itself, without a storm', async (version, { expect }) => {
    await using server = await startPostgres({ version });
    await using proxy = await TcpProxy.start({ port: server.port, record: false });
    await using pool = through(server, proxy, { min: 4, max: 8 });
    await pool.ready({ timeoutMs: 60_000 });
    const storm = load(pool, 50, 5_000);
    for (const downMs of [0, 300, 1_500]) {
      const { served } = storm;
      await until('the load to run', () => storm.served, (now) => now > served + 100);
      proxy.maxConnecting = 0;
      await server.kill('SIGKILL');
      await sleep(downMs);
      await server.start();
      const before = storm.served;
      await until('the pool to serve again', () => storm.served, (now) => now > before + 200);
      // As the server sees it: no more attempts at once than maxCreating.
      expect(proxy.maxConnecting).toBeGreaterThan(0);
      expect(proxy.maxConnecting).toBeLessThanOrEqual(2);
    }
    await storm.stop();
    expect([...storm.codes.keys()].filter((code) => !EXPECTED.test(code))).toEqual([]);
    await until('all to rest', () => pool.stats(), ({ idle, size }) => idle === size && size >= 4);
    await using observer = new Observer(server);
    expect(await observer.count('outage')).toBe(pool.stats().size);
  });

  each('restarted while nobody asks: min is filled again without an acquire', async (version, { expect }) => {
    await using server = await startPostgres({ version });
    await using pool = createPgPool({ connectionString: server.connectionString, min: 3, max: 3, createRetry: { maxDelayMs: 300 } });
    await pool.ready({ timeoutMs: 60_000 });
    await server.kill('SIGKILL');
    await until('the loss to be noticed', () => pool.stats().idle, (idle) => idle === 0);
    await server.start();
    await until('min to be filled', () => pool.stats().idle, (idle) => idle === 3);
    expect(pool.stats().totals.acquires).toBe(0);
  });

  each('frozen: callers are told in time, and all is well when it thaws', async (version, { expect }) => {
    await using server = await startPostgres({ version });
    await using observer = new Observer(server);
    await using proxy = await TcpProxy.start({ port: server.port, record: false });
    await using pool = through(server, proxy, { min: 2, max: 5, createTimeoutMs: 2_000, cancelTimeoutMs: 500 });
    await pool.ready({ timeoutMs: 60_000 });
    const storm = load(pool, 20, 1_000);
    await until('the load to run', () => storm.served, (served) => served > 100);
    await server.kill('SIGSTOP');
    await sleep(100);
    proxy.maxConnecting = 0;
    const { served } = storm;
    await sleep(FREEZE_MS);
    expect(storm.served - served).toBeLessThanOrEqual(20); // what was on its way
    expect(pool.stats().size).toBeLessThanOrEqual(5);
    await server.kill('SIGCONT');
    const before = storm.served;
    await until('the pool to serve again', () => storm.served, (now) => now > before + 200);
    await storm.stop();
    expect([...storm.codes.keys()].filter((code) => !EXPECTED.test(code))).toEqual([]);
    // Told when its time was up, and not when the server came back.
    expect(storm.longestMs).toBeLessThan(Math.max(3_000, FREEZE_MS / 2));
    // Cancels pass the proxy as well; they are not attempts to connect, but count as such until they have spoken.
    expect(proxy.maxConnecting).toBeLessThanOrEqual(2 + 5);
    await until('all to rest', () => pool.stats(), ({ idle, size }) => idle === size);
    // What was given up has gone from the server too.
    await until('the server to see as many as the pool', () => observer.count('outage'), (count) => count === pool.stats().size);
    expect((await observer.backends('outage')).map(({ state }) => state)).toEqual(Array.from({ length: pool.stats().size }, () => 'idle'));
  });
});
