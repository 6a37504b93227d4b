// Tells the three kinds of options apart that arrive in one object (the pool's, mysql2's connect options, this adapter's own), and refuses
// what is none of them. No message shows a value: any of them might be a password in the wrong place.

import type { PoolOptions } from '../../index.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { deadManOf, settleRuntime } from '../common/runtime.ts';
import { permanent } from './classify.ts';
import type { DeadManTimeouts } from './dead-man.ts';
import { loadDriver } from './driver.ts';
import type { MysqlConnection, MysqlConnectOptions, MysqlDriver, MysqlFactoryOptions, MysqlPoolOptions, MysqlReset } from './types.ts';

const CONNECT_KEYS: readonly (keyof MysqlConnectOptions)[] = [
  'uri', 'host', 'port', 'socketPath', 'localAddress', 'user', 'password', 'password1', 'password2', 'password3', 'passwordSha1',
  'database', 'ssl', 'charset', 'charsetNumber', 'timezone', 'compress', 'connectAttributes', 'connectTimeout', 'enableKeepAlive',
  'keepAliveInitialDelay', 'flags', 'multipleStatements', 'infileStreamFactory', 'maxPreparedStatements', 'namedPlaceholders', 'nestTables',
  'rowsAsArray', 'typeCast', 'queryFormat', 'supportBigNumbers', 'bigNumberStrings', 'decimalNumbers', 'dateStrings', 'jsonStrings',
  'stringifyObjects', 'disableEval', 'insecureAuth', 'enableCleartextPlugin', 'authPlugins', 'authSwitchHandler', 'trace', 'debug',
  'stream',
];

const FACTORY_KEYS: readonly Exclude<keyof MysqlFactoryOptions, keyof MysqlConnectOptions>[] = [
  'connection', 'driver', 'reset', 'onConnect', 'onFailover', 'sessionIdleTimeoutMs', 'transactionIdleTimeoutMs',
];

/** Options of {@link createMysqlPool} alone. */
const OWN_KEYS = ['runtime', 'cancelTimeoutMs'] as const;

const PREPARED = 128;

const POOL_KEYS = poolKeys('sharing');
const A_URL_OR_OBJECT = 'a URL or an object';

/** What those who come from mysql2's pool, or from other drivers, will write. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  connectionLimit: 'max',
  queueLimit: 'maxWaiting',
  waitForConnections: 'nothing: an acquire waits until acquireTimeoutMs; with maxWaiting: 0 it does not',
  idleTimeout: 'idleTimeoutMs',
  maxIdle: 'nothing: idle connections above min leave after idleTimeoutMs',
  acquireTimeout: 'acquireTimeoutMs',
  resetOnRelease: "reset: 'reset'",
  gracefulEnd: 'nothing: connections always say goodbye',
  connectionString: 'uri',
  username: 'user',
  Promise: 'nothing: promises are the runtime\'s',
  sharing: 'nothing: a session of MySQL has one borrower at a time',
  factory: 'a plain Pool with mysqlFactory',
};

/** Everything a factory needs to know, checked. */
export interface FactorySettings<C extends MysqlConnection> {
  /** The options of one connect. Rejects with what the function threw, or with an error marked as permanent. */
  readonly connectOptions: () => MysqlConnectOptions | Promise<MysqlConnectOptions>;
  readonly driver: MysqlDriver<C>;
  readonly reset: MysqlReset;
  readonly onConnect: MysqlFactoryOptions<C>['onConnect'];
  readonly onFailover: MysqlFactoryOptions<C>['onFailover'];
}

export interface PoolSettings<C extends MysqlConnection> {
  readonly pool: Omit<PoolOptions<C>, 'factory'>;
  readonly factory: MysqlFactoryOptions<C>;
  readonly deadMan: DeadManTimeouts;
  readonly cancelTimeoutMs: number;
}

/** The options of {@link createMysqlPool}, sorted. */
export function splitPoolOptions<C extends MysqlConnection>(given: string | MysqlPoolOptions<C>): PoolSettings<C> {
  const options: MysqlPoolOptions<C> = typeof given === 'string' ? { uri: given } : given;
  const name = nameIn(options, 'mysql', A_URL_OR_OBJECT);
  checkKeys('', options, [...POOL_KEYS, ...CONNECT_KEYS, ...FACTORY_KEYS, ...OWN_KEYS], name, ELSEWHERE);
  const { pool, factory } = sortOptions(options, POOL_KEYS, [...CONNECT_KEYS, ...FACTORY_KEYS]);
  const cancelTimeoutMs = options.cancelTimeoutMs ?? 2_000;
  if (typeof cancelTimeoutMs !== 'number' || !(cancelTimeoutMs > 0) || cancelTimeoutMs >= 2 ** 31) {
    throw invalid('cancelTimeoutMs', 'must be a number of milliseconds above 0', name);
  }
  const settled = settleRuntime(options, pool, { keepaliveIntervalMs: 120_000 }, name);
  return { pool: settled.pool, factory, deadMan: settled, cancelTimeoutMs };
}

/** The options of {@link mysqlFactory}, checked. */
export function factorySettings<C extends MysqlConnection>(options: MysqlFactoryOptions<C>, name: string): FactorySettings<C> {
  if (typeof options !== 'object' || options === null) throw invalid('options', `must be ${A_URL_OR_OBJECT}`, name);
  checkKeys('', options, [...CONNECT_KEYS, ...FACTORY_KEYS], name, ELSEWHERE);
  const {
    connection, driver, reset = 'rollback', onConnect, onFailover, sessionIdleTimeoutMs, transactionIdleTimeoutMs, ...fixed
  } = options;
  if (!['none', 'rollback', 'reset'].includes(reset)) throw invalid('reset', "must be one of 'none', 'rollback', 'reset'", name);
  for (const [key, value] of Object.entries({ onConnect, onFailover })) {
    if (value !== undefined && typeof value !== 'function') throw invalid(key, 'must be a function', name);
  }
  for (const [key, value] of Object.entries({ sessionIdleTimeoutMs, transactionIdleTimeoutMs })) {
    if (value !== undefined) deadManOf(key, value, name);
  }
  if (driver !== undefined && typeof (driver as Partial<MysqlDriver> | null)?.createConnection !== 'function') {
    throw invalid('driver', 'must be the package mysql2', name);
  }
  checkConnectOptions('', fixed, name);
  if (connection !== undefined && fixed.uri !== undefined) {
    throw invalid('connection', 'and uri say the same thing twice: give one of them', name);
  }
  const connectOptions = connects(fixed, connection, name);
  return { connectOptions, driver: driver ?? (loadDriver() as MysqlDriver<C>), reset, onConnect, onFailover };
}

/** Merges what is fixed with `connection`; asks again each time when that is a function. */
function connects(
  fixed: MysqlConnectOptions, connection: MysqlFactoryOptions['connection'], name: string,
): () => MysqlConnectOptions | Promise<MysqlConnectOptions> {
  const merge = (given: string | MysqlConnectOptions): MysqlConnectOptions => {
    const own = typeof given === 'string' ? { uri: given } : given;
    if (typeof own !== 'object' || own === null) throw invalid('connection', 'must be, or return, a URL or an object', name);
    checkKeys('connection.', own, CONNECT_KEYS, name, ELSEWHERE);
    checkConnectOptions('connection.', own, name);
    return withDefaults({ ...defined(fixed), ...defined(own) });
  };
  if (typeof connection !== 'function') {
    const merged = merge(connection ?? {});
    return () => merged;
  }
  return async () => {
    const given = await connection(); // what it throws is its own: a token service that is down may be up again in a moment
    try {
      return merge(given);
    } catch (error) {
      throw permanent(error as Error);
    }
  };
}

/**
 * Where mysql2's own defaults do not suit a pool. It would make room for 16 000 prepared statements per connection, more than servers
 * allow for all; and it offers every server to read this machine's files, then says no when one does.
 */
function withDefaults(options: MysqlConnectOptions): MysqlConnectOptions {
  return { connectTimeout: 0, maxPreparedStatements: PREPARED, ...options, flags: flagsOf(options) };
}

function flagsOf({ flags = [], infileStreamFactory }: MysqlConnectOptions): readonly string[] {
  const given = (typeof flags === 'string' ? flags.split(',') : [...flags]).map((flag) => flag.trim().toUpperCase());
  const isSaid = given.some((flag) => /^[-+]?LOCAL_FILES$/.test(flag));
  return infileStreamFactory === undefined && !isSaid ? [...given, '-LOCAL_FILES'] : given;
}

const STRINGS = ['uri', 'host', 'socketPath', 'localAddress', 'user', 'password', 'database', 'charset', 'timezone'] as const;

function checkConnectOptions(prefix: string, options: MysqlConnectOptions, name: string): void {
  const expect = (key: keyof MysqlConnectOptions, ok: boolean, what: string): void => {
    if (options[key] !== undefined && !ok) throw invalid(prefix + key, `must be ${what}`, name);
  };
  for (const key of STRINGS) expect(key, typeof options[key] === 'string', 'a string');
  const port = Number(options.port);
  expect('port', Number.isInteger(port) && port > 0 && port < 65_536, 'a whole number from 1 to 65535');
  const { maxPreparedStatements: most, flags } = options;
  expect('maxPreparedStatements', Number.isInteger(most) && Number(most) > 0, 'a whole number above 0');
  expect('flags', typeof flags === 'string' || Array.isArray(flags), 'a text or a list of them');
  expect('infileStreamFactory', typeof options.infileStreamFactory === 'function', 'a function that makes a stream');
  // A stream cannot serve two connections, so one that is already made is no option here.
  expect('stream', typeof options.stream === 'function', 'a function that makes a stream');
}

function defined(options: MysqlConnectOptions): MysqlConnectOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
