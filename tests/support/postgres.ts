// PostgreSQL for tests: private servers, and a look at them from outside of the pool.

import { hasPostgres, type PostgresServer, type PostgresVersion } from '@millpond/lab/postgres';
import pg from 'pg';

export { startPostgres, type PostgresServer, type PostgresServerOptions, type PostgresVersion } from '@millpond/lab/postgres';

/** The versions that tests run against. 18 comes from npm; 15 is looked for on the machine and must be there in CI. */
export function postgresVersions(): PostgresVersion[] {
  if (hasPostgres(15)) return [18, 15];
  const message = 'PostgreSQL 15 (/usr/lib/postgresql/15/bin) is not on this machine: everything below runs against 18 only.';
  if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  return [18];
}

/** One backend, as pg_stat_activity shows it. */
export interface Backend {
  readonly pid: number;
  readonly state: string | null;
  readonly query: string;
  readonly application_name: string;
}

/** A connection that watches the server, apart from any pool. */
export class Observer implements AsyncDisposable {
  readonly server: PostgresServer;
  #client: pg.Client | undefined;

  constructor(server: PostgresServer) {
    this.server = server;
  }

  async query<R extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]> {
    const { rows } = await (await this.#connected()).query<R>(sql, values);
    return rows;
  }

  /** The backends of one application, oldest first. */
  backends(application: string): Promise<Backend[]> {
    return this.query<Backend & pg.QueryResultRow>(
      'SELECT pid, state, query, application_name FROM pg_stat_activity WHERE application_name = $1 ORDER BY backend_start', [application]);
  }

  /** Waits until a backend of the application runs a statement with this text in it. `besides`: one that may still be seen dying. */
  async running(application: string, text: string, besides?: number): Promise<Backend> {
    const isIt = ({ pid, state, query }: Backend): boolean => state === 'active' && query.includes(text) && pid !== besides;
    const all = await until(`${application} to run ${text}`, () => this.backends(application), (seen) => seen.some(isIt));
    return all.find(isIt)!;
  }

  async count(application: string): Promise<number> {
    return (await this.backends(application)).length;
  }

  async terminate(pid: number): Promise<void> {
    await this.query('SELECT pg_terminate_backend($1)', [pid]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    const client = new pg.Client({ connectionString: this.server.connectionString, application_name: 'observer' });
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    await client.connect();
    this.#client = client;
    return client;
  }
}

/** How long something may take to become visible: machines that run many things at once are slow, and that is not what is tested. */
const PATIENCE_MS = 60_000;

/** Waits until `look` finds what it looks for; fails with the last thing seen. */
export async function until<R>(what: string, look: () => R | Promise<R>, isIt: (seen: R) => boolean): Promise<R> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (isIt(seen)) return seen;
    if (performance.now() > end) throw new Error(`Waited ${PATIENCE_MS} ms for ${what}; the last that was seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What a promise rejects with; undefined when it resolves. */
export function failureOf(promise: Promise<unknown>): Promise<(Error & { readonly code?: string }) | undefined> {
  return promise.then(() => undefined, (error: unknown) => error as Error);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
