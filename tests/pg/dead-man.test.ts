// The server is told, as a session begins, to end it when it is silent for long; and what happens where it cannot be told.

import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { createPgPool, pgFactory, type PgPoolOptions } from 'millpond/pg';
import { Pool } from 'millpond';
import { afterEach, describe, expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onEachPostgres } from '../support/suite.ts';

interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Stands before a server as a pooler does, and refuses sessions by what their startup packet says. */
class Front implements AsyncDisposable {
  sessions = 0;
  refused = 0;
  readonly #server: Server;

  private constructor(upstream: number, judge: (startup: string) => Refusal | undefined) {
    this.#server = createServer((client) => {
      client.on('error', () => undefined);
      client.once('data', (startup) => {
        this.sessions++;
        const refusal = judge(startup.toString('latin1'));
        if (refusal !== undefined) {
          this.refused++;
          client.end(errorResponse(refusal));
          return;
        }
        const server = connect(upstream, '127.0.0.1');
        server.on('error', () => client.destroy());
        server.write(startup);
        client.pipe(server).pipe(client);
        client.on('close', () => server.destroy());
      });
    });
  }

  static async start(upstream: number, judge: (startup: string) => Refusal | undefined): Promise<Front> {
    const front = new Front(upstream, judge);
    await new Promise<void>((resolve) => { front.#server.listen(0, '127.0.0.1', resolve); });
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function errorResponse({ code, message }: Refusal): Buffer {
  const body = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`, 'latin1');
  const head = Buffer.from('E....', 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

onEachPostgres('dead-man timeouts', (stage) => {
  const warnings: { readonly code?: string; readonly message: string }[] = [];
  const note = (warning: Error & { readonly code?: string }): void => void warnings.push(warning);
  process.on('warning', note);
  afterEach(() => { warnings.length = 0; });

  const settings = async (options: PgPoolOptions): Promise<Record<string, string>> => {
    await using pool = createPgPool({ max: 1, ...options });
    const names = ['idle_session_timeout', 'idle_in_transaction_session_timeout', 'search_path'];
    // The second time after whatever comes between two borrowers.
    const rows = async (): Promise<{ name: string; setting: string }[]> =>
      (await pool.query<{ name: string; setting: string }>('SELECT name, setting FROM pg_settings WHERE name = ANY ($1)', [names])).rows;
    const first = await rows();
    expect(await rows()).toEqual(first);
    return Object.fromEntries(first.map(({ name, setting }) => [name, setting]));
  };

  it('begin with the session of a function, and outlive DISCARD ALL', async () => {
    const both = { idle_session_timeout: '30000', idle_in_transaction_session_timeout: '30000' };
    expect(await settings({ ...stage.options('function'), runtime: 'function' })).toMatchObject(both);
    expect(await settings({ ...stage.options('function'), runtime: 'function', reset: 'discard' })).toMatchObject(both);
  });

  it('are not set for a server, unless it asks for them', async () => {
    expect(await settings({ ...stage.options('server'), runtime: 'server' })).toMatchObject({
      idle_session_timeout: '0', idle_in_transaction_session_timeout: '0',
    });
    const asked = { sessionIdleTimeoutMs: 20_000, transactionIdleTimeoutMs: 7_000 };
    expect(await settings({ ...stage.options('server'), runtime: 'server', ...asked })).toMatchObject({
      idle_session_timeout: '20000', idle_in_transaction_session_timeout: '7000',
    });
  });

  it('leave the options of the caller as they are, wherever he gives them, and yield to them', async () => {
    const { connectionString } = stage.server;
    const options = '-c search_path=app -c idle_session_timeout=77000';
    const expected = { search_path: 'app', idle_session_timeout: '77000', idle_in_transaction_session_timeout: '30000' };
    expect(await settings({ connectionString, options, runtime: 'function' })).toMatchObject(expected);
    const inUrl = `${connectionString}?options=${encodeURIComponent(options)}`;
    expect(await settings({ connectionString: inUrl, runtime: 'function' })).toMatchObject(expected);
    const own = { connectionString, runtime: 'function', idle_in_transaction_session_timeout: 88_000 } as const;
    expect(await settings(own)).toMatchObject({ idle_session_timeout: '30000', idle_in_transaction_session_timeout: '88000' });
  });

  it('are there for a plain pool with pgFactory too', async () => {
    await using pool = new Pool({ factory: pgFactory({ ...stage.options('plain'), sessionIdleTimeoutMs: 9_000 }), idleTimeoutMs: 5_000 });
    const { rows } = await pool.use((client) => client.query<{ is: string }>("SELECT current_setting('idle_session_timeout') AS is"));
    expect(rows).toEqual([{ is: '9s' }]);
  });

  it('end an idle session without the pool taking it for a failover', async () => {
    // What a plain pool does not know of: it keeps its connection for longer than the server does.
    await using pool = createPgPool({ ...stage.options('ended'), max: 1, options: '-c idle_session_timeout=300' });
    await pool.query('SELECT 1');
    await until('the pool to notice', () => pool.stats(), ({ size, totals }) => size === 0 && totals.destroyed.broken === 1);
    expect(pool.stats().generation).toBe(1);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  describe('where the server, or a pooler before it, does not take them', () => {
    const through = (front: Front): PgPoolOptions => {
      const { user, password, database } = stage.server;
      return { host: '127.0.0.1', port: front.port, user, password, database, runtime: 'function', maxCreating: 1 };
    };
    /** In the words of PgBouncer. */
    const pooler = (startup: string): Refusal | undefined =>
      startup.includes('options\0') ? { code: '08P01', message: 'unsupported startup parameter: options' } : undefined;
    /** In those of PostgreSQL 13. */
    const old = (startup: string): Refusal | undefined => startup.includes('idle_session_timeout')
      ? { code: '42704', message: 'unrecognized configuration parameter "idle_session_timeout"' } : undefined;

    it('the session begins without them, and the pool asks no second time', async () => {
      await using front = await Front.start(stage.server.port, pooler);
      await using pool = createPgPool(through(front));
      const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
      for (const lease of leases) lease.release();
      expect([front.sessions, front.refused]).toEqual([4, 1]);
      expect(pool.stats().totals).toMatchObject({ created: 3, createErrors: 0 });
      expect(warnings).toEqual([]);
    });

    it('who asked for them by name is told', async () => {
      await using front = await Front.start(stage.server.port, pooler);
      await using pool = createPgPool({ ...through(front), name: 'orders', sessionIdleTimeoutMs: 60_000 });
      await pool.query('SELECT 1');
      await until('the warning', () => warnings, (seen) => seen.length > 0);
      expect(warnings).toMatchObject([{ code: 'MILLPOND_PG_NO_DEAD_MAN', message: expect.stringContaining('Pool "orders"') as string }]);
    });

    it('an old server still takes the one that it knows', async () => {
      await using front = await Front.start(stage.server.port, old);
      expect(await settings(through(front))).toMatchObject({ idle_session_timeout: '0', idle_in_transaction_session_timeout: '30000' });
      expect([front.sessions, front.refused]).toEqual([2, 1]);
    });

    it('a refusal of another kind is passed on as it is, and not tried again', async () => {
      await using front = await Front.start(stage.server.port, () => undefined);
      await using pool = createPgPool({ ...through(front), password: 'wrong', createRetry: false });
      expect(await failureOf(pool.query('SELECT 1'))).toMatchObject({ code: 'ERR_POOL_CREATE_FAILED', cause: { code: '28P01' } });
      expect(front.sessions).toBe(1);
    });

    it('one that goes on without them proves nothing about them', async () => {
      let down = true;
      await using front = await Front.start(stage.server.port, () => down ? { code: '08P01', message: 'not now' } : undefined);
      await using pool = createPgPool({ ...through(front), createRetry: false });
      expect(await failureOf(pool.query('SELECT 1'))).toMatchObject({ cause: { message: 'not now' } });
      expect(front.sessions).toBe(2);
      down = false;
      const { rows } = await pool.query<{ is: string }>("SELECT current_setting('idle_session_timeout') AS is");
      expect(rows).toEqual([{ is: '30s' }]);
    });
  });
});
