// The options of three kinds in one object: what is known, what is refused, and that nothing secret is said about it.

import { InvalidOptionError } from 'millpond';
import { createPgPool, pgFactory, type PgFactoryOptions, type PgPoolOptions } from 'millpond/pg';
import pg from 'pg';
import { describe, expect, it } from 'vitest';

/** Not built like node-postgres' own. */
const StrangeClient = class { readonly connection = {}; };

/** Makes a pool of options that the types may forbid. It connects nowhere: nothing asks it to. */
const make = (options: unknown): unknown => createPgPool(options as PgPoolOptions);

const refusal = (options: unknown, maker: (options: unknown) => unknown = make): InvalidOptionError => {
  try {
    maker(options);
  } catch (error) {
    if (error instanceof InvalidOptionError) return error;
    throw error;
  }
  throw new Error('these options were taken');
};

describe('options of a pool of PostgreSQL connections', () => {
  it('may be a connection string, or hold every connect option that node-postgres documents', () => {
    make('postgres://u:p@localhost/db');
    make({
      connectionString: 'postgres://localhost/db', user: 'u', password: 'p', host: 'h', port: 5_432, database: 'd', ssl: true,
      types: pg.types, statement_timeout: 1, query_timeout: 1, lock_timeout: 1, application_name: 'a', fallback_application_name: 'f',
      connectionTimeoutMillis: 1, idle_in_transaction_session_timeout: 1, client_encoding: 'utf8', options: '-c a=b', keepAlive: true,
      keepAliveInitialDelayMillis: 1, stream: () => undefined, binary: false, replication: 'database', enableChannelBinding: true,
      sslnegotiation: 'postgres', scramMaxIterations: 1,
    });
    make({ connection: () => 'postgres://localhost/db', application_name: 'a' });
    make({ Client: pg.Client, reset: 'discard', onConnect: () => undefined, onFailover: () => undefined, cancelTimeoutMs: 1 });
    make({ prepare: true });
    make({ prepare: 0, pipeline: true, pipelineConnections: 1, pipelineDepth: 1, pipelineStallMs: Infinity });
    make({ prepare: 5, pipeline: false, reset: 'discard' });
  });

  it('takes the options of the pool beside them, and checks these as ever', () => {
    make({ host: 'h', min: 1, max: 2, maxLifetimeMs: 1_000, lanes: { a: { share: 1 } }, name: 'orders' });
    expect(refusal({ host: 'h', min: 3, max: 2 })).toMatchObject({ option: 'min' });
    expect(createPgPool({ name: 'orders' }).name).toBe('orders');
  });

  it('names the nearest known key for one that is not known, whichever kind it was meant to be', () => {
    const typos: Record<string, RegExp> = {
      hots: /did you mean host\?/,
      pasword: /did you mean password\?/,
      aplication_name: /did you mean application_name\?/,
      acquireTimeout: /did you mean acquireTimeoutMs\?/,
      maxx: /did you mean max\?/,
      client: /did you mean Client\?/,
      resetMode: /did you mean reset\?/,
      cancelTimeout: /did you mean cancelTimeoutMs\?/,
    };
    for (const [key, hint] of Object.entries(typos)) {
      const error = refusal({ [key]: 1 });
      expect(error.option).toBe(key);
      expect(error.message).toMatch(hint);
    }
  });

  it('tells those who come from pg.Pool what it is called here', () => {
    expect(refusal({ idleTimeoutMillis: 1 }).message).toContain('idleTimeoutMs');
    expect(refusal({ maxLifetimeSeconds: 1 }).message).toContain('maxLifetimeMs');
    expect(refusal({ allowExitOnIdle: true }).message).toContain('never keeps the process alive');
    expect(refusal({ sharing: 2 }).message).toContain('one borrower at a time');
  });

  it('refuses values that cannot be meant', () => {
    const wrong: [unknown, string][] = [
      [{ port: 'five' }, 'port'], [{ port: 0 }, 'port'], [{ host: 1 }, 'host'], [{ password: 1 }, 'password'], [{ reset: 'all' }, 'reset'],
      [{ Client: {} }, 'Client'], [{ onConnect: 'SELECT 1' }, 'onConnect'], [{ stream: {} }, 'stream'],
      [{ cancelTimeoutMs: 0 }, 'cancelTimeoutMs'],
      [{ prepare: -1 }, 'prepare'], [{ prepare: 1.5 }, 'prepare'], [{ prepare: 'no' }, 'prepare'],
      [{ pipeline: 1 }, 'pipeline'], [{ pipelineConnections: 0 }, 'pipelineConnections'], [{ pipelineDepth: 0.5 }, 'pipelineDepth'],
      [{ pipelineStallMs: 0 }, 'pipelineStallMs'], [{ pipelineStallMs: '9' }, 'pipelineStallMs'],
      // What a pipeline cannot keep its promise with.
      [{ pipeline: true, reset: 'discard' }, 'pipeline'], [{ pipeline: true, binary: true }, 'pipeline'],
      [{ pipeline: true, query_timeout: 1 }, 'pipeline'], [{ pipeline: true, Client: StrangeClient }, 'pipeline'],
      [{ connectionString: 'postgres://a', connection: 'postgres://b' }, 'connection'], [{ connection: 7 }, 'connection'],
      [{ connection: { hots: 'h' } }, 'connection.hots'], [{ connection: { max: 3 } }, 'connection.max'], [null, 'options'], [7, 'options'],
    ];
    for (const [options, option] of wrong) expect(refusal(options).option).toBe(option);
  });

  it('never repeats a value, which might be a password in the wrong place', () => {
    const secret = 12_345_678;
    for (const options of [{ password: secret }, { host: secret }, { connection: secret }, { port: String(secret) }, { pasword: secret }]) {
      const error = refusal(options);
      expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain('12345678');
    }
  });

  it('has options of a factory for those who bring a pool of their own', () => {
    const factory = (options: unknown): unknown => pgFactory(options as PgFactoryOptions);
    factory('postgres://localhost');
    factory({ host: 'h', reset: 'none' });
    const error = refusal({ host: 'h', max: 3 }, factory);
    expect([error.option, error.message]).toEqual(['max', 'max is an option of the pool, not of a connection']);
  });
});
