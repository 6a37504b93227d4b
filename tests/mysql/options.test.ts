// The options of three kinds in one object: what is known, what is refused, and that nothing secret is said about it.

import { InvalidOptionError } from 'millpond';
import { createMysqlPool, mysqlFactory, type MysqlFactoryOptions, type MysqlPoolOptions } from 'millpond/mysql';
import * as mysql2 from 'mysql2';
import mysql from 'mysql2/promise';
import { describe, expect, it } from 'vitest';

/** Makes a pool of options that the types may forbid. It connects nowhere: nothing asks it to. */
const make = (options: unknown): unknown => createMysqlPool(options as MysqlPoolOptions);

const refusal = (options: unknown, maker: (options: unknown) => unknown = make): InvalidOptionError => {
  try {
    maker(options);
  } catch (error) {
    if (error instanceof InvalidOptionError) return error;
    throw error;
  }
  throw new Error('these options were taken');
};

/** What mysql2 is asked to connect with. */
async function asked(options: object): Promise<{ flags: string[] } & Record<string, unknown>> {
  let given: unknown;
  const driver = { createConnection: (connect: unknown): never => {
    given = connect;
    throw new Error('not today');
  } };
  const factory = mysqlFactory({ host: 'h', ...options, driver });
  await expect(factory.create({ signal: new AbortController().signal, attempt: 1 })).rejects.toThrow();
  return given as { flags: string[] } & Record<string, unknown>;
}

describe('options of a pool of MySQL connections', () => {
  it('may be a URL, or hold every connect option that mysql2 documents', () => {
    make('mysql://u:p@localhost/db');
    make({
      uri: 'mysql://localhost/db', host: 'h', port: 3306, socketPath: '/s', localAddress: '127.0.0.1', user: 'u', password: 'p',
      password1: 'p', password2: 'p', password3: 'p', passwordSha1: Buffer.alloc(20),
      database: 'd', ssl: {}, charset: 'utf8mb4', charsetNumber: 45,
      timezone: 'Z', compress: true, connectAttributes: { program_name: 'x' }, connectTimeout: 1, enableKeepAlive: true,
      keepAliveInitialDelay: 1, flags: ['-FOUND_ROWS'], multipleStatements: true, infileStreamFactory: () => undefined,
      maxPreparedStatements: 5, namedPlaceholders: true, nestTables: '_', rowsAsArray: true, typeCast: true, queryFormat: () => '',
      supportBigNumbers: true, bigNumberStrings: true, decimalNumbers: true, dateStrings: true, jsonStrings: true, stringifyObjects: true,
      disableEval: true, insecureAuth: false, enableCleartextPlugin: false, authPlugins: {}, authSwitchHandler: () => undefined,
      trace: false, debug: false, stream: () => undefined,
    });
    make({ connection: () => 'mysql://localhost/db', database: 'a' });
    make({ driver: mysql2, reset: 'reset', onConnect: () => undefined, onFailover: () => undefined, cancelTimeoutMs: 1 });
  });

  it('takes the options of the pool beside them, and checks these as ever', () => {
    make({ host: 'h', min: 1, max: 2, maxLifetimeMs: 1_000, lanes: { a: { share: 1 } }, name: 'orders' });
    expect(refusal({ host: 'h', min: 3, max: 2 })).toMatchObject({ option: 'min' });
    expect(createMysqlPool({ name: 'orders' }).name).toBe('orders');
  });

  it('names the nearest known key for one that is not known, whichever kind it was meant to be', () => {
    const typos: Record<string, RegExp> = {
      hots: /did you mean host\?/, pasword: /did you mean password\?/, sockePath: /did you mean socketPath\?/, maxx: /did you mean max\?/,
      resetMode: /did you mean reset\?/, cancelTimeout: /did you mean cancelTimeoutMs\?/,
      acquireTimeoutM: /did you mean acquireTimeoutMs\?/,
    };
    for (const [key, hint] of Object.entries(typos)) {
      const error = refusal({ [key]: 1 });
      expect(error.option).toBe(key);
      expect(error.message).toMatch(hint);
    }
  });

  it("tells those who come from mysql2's pool what it is called here", () => {
    const here: Record<string, string> = {
      connectionLimit: 'max', queueLimit: 'maxWaiting', waitForConnections: 'acquireTimeoutMs', idleTimeout: 'idleTimeoutMs',
      maxIdle: 'min',
      resetOnRelease: "reset: 'reset'", connectionString: 'uri', sharing: 'one borrower at a time', factory: 'mysqlFactory',
    };
    for (const [key, hint] of Object.entries(here)) expect(refusal({ [key]: 1 }).message).toContain(hint);
  });

  it('refuses values that cannot be meant', () => {
    const wrong: [unknown, string][] = [
      [{ port: 'five' }, 'port'], [{ port: 0 }, 'port'], [{ host: 1 }, 'host'], [{ password: 1 }, 'password'], [{ reset: 'all' }, 'reset'],
      [{ driver: {} }, 'driver'], [{ onConnect: 'SELECT 1' }, 'onConnect'], [{ stream: {} }, 'stream'], [{ flags: 7 }, 'flags'],
      [{ maxPreparedStatements: 0 }, 'maxPreparedStatements'], [{ infileStreamFactory: '/etc' }, 'infileStreamFactory'],
      [{ cancelTimeoutMs: 0 }, 'cancelTimeoutMs'], [{ uri: 'mysql://a', connection: 'mysql://b' }, 'connection'],
      [{ connection: 7 }, 'connection'], [{ connection: { hots: 'h' } }, 'connection.hots'], [{ connection: { max: 3 } }, 'connection.max'],
      [null, 'options'], [7, 'options'],
    ];
    for (const [options, option] of wrong) expect(refusal(options).option).toBe(option);
  });

  it('never repeats a value, which might be a password in the wrong place', async () => {
    const secret = 12_345_678;
    for (const options of [{ password: secret }, { host: secret }, { connection: secret }, { port: String(secret) }, { pasword: secret }]) {
      const error = refusal(options);
      expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain('12345678');
    }
    const { inspect } = await import('node:util');
    for (const uri of ['mysql//u:12345678@h', 'mysql://u:12345678@h:nowhere/db', 'mysql://u:12345678@h:99999/']) {
      const factory = mysqlFactory(uri);
      const create = async (): Promise<unknown> => factory.create({ signal: new AbortController().signal, attempt: 1 });
      const error = await create().then(() => undefined, (reason: unknown) => reason);
      expect(error).toBeInstanceOf(Error);
      expect(inspect(error, { depth: 5 })).not.toContain('12345678');
      expect(factory.classify?.(error)).toBe('permanent');
    }
  });

  it('offers no server to read the files of this machine, unless asked, and keeps few statements prepared', async () => {
    expect(await asked({})).toMatchObject({ flags: ['-LOCAL_FILES'], maxPreparedStatements: 128, connectTimeout: 0 });
    expect((await asked({ flags: '-FOUND_ROWS, ssl' })).flags).toEqual(['-FOUND_ROWS', 'SSL', '-LOCAL_FILES']);
    expect((await asked({ flags: ['LOCAL_FILES'] })).flags).toEqual(['LOCAL_FILES']);
    expect((await asked({ infileStreamFactory: () => undefined })).flags).toEqual([]);
    expect(await asked({ maxPreparedStatements: 9, connectTimeout: 7 })).toMatchObject({ maxPreparedStatements: 9, connectTimeout: 7 });
  });

  it('says so when it is given the other half of mysql2', async () => {
    const factory = mysqlFactory({ host: '127.0.0.1', port: 1, driver: mysql as unknown as MysqlFactoryOptions['driver'] & object });
    const create = async (): Promise<unknown> => factory.create({ signal: new AbortController().signal, attempt: 1 });
    await expect(create()).rejects.toThrow('pass the package mysql2');
  });

  it('has options of a factory for those who bring a pool of their own', () => {
    const factory = (options: unknown): unknown => mysqlFactory(options as MysqlFactoryOptions);
    factory('mysql://localhost');
    factory({ host: 'h', reset: 'none' });
    const error = refusal({ host: 'h', max: 3 }, factory);
    expect([error.option, error.message]).toEqual(['max', 'max is an option of the pool, not of a connection']);
  });
});
