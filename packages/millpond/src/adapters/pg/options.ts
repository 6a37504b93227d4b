// Tells the three kinds of options apart that arrive in one object (the pool's, node-postgres' connect options, this adapter's own), and
// refuses what is none of them. No message shows a value: any of them might be a password in the wrong place.

import type { PoolOptions } from '../../index.ts';
import { checkKeys, invalid, nameIn, poolKeys, sortOptions } from '../common/options.ts';
import { deadManOf, settleRuntime } from '../common/runtime.ts';
import { permanent } from './classify.ts';
import type { DeadManTimeouts } from './dead-man.ts';
import { loadClientClass } from './driver.ts';
import type { PgClient, PgClientClass, PgConnectOptions, PgFactoryOptions, PgPoolOptions, PgReset } from './types.ts';

const CONNECT_KEYS: readonly (keyof PgConnectOptions)[] = [
  'connectionString', 'host', 'port', 'user', 'password', 'database', 'ssl', 'sslnegotiation', 'enableChannelBinding', 'scramMaxIterations',
  'application_name', 'fallback_application_name', 'options', 'client_encoding', 'replication', 'statement_timeout', 'lock_timeout',
  'idle_in_transaction_session_timeout', 'query_timeout', 'connectionTimeoutMillis', 'keepAlive', 'keepAliveInitialDelayMillis', 'types',
  'binary', 'stream',
];

const FACTORY_KEYS: readonly Exclude<keyof PgFactoryOptions, keyof PgConnectOptions>[] = [
  'connection', 'Client', 'reset', 'onConnect', 'onFailover', 'sessionIdleTimeoutMs', 'transactionIdleTimeoutMs',
];

/** Options of {@link createPgPool} alone. */
const OWN_KEYS = ['runtime', 'cancelTimeoutMs', 'prepare', 'pipeline', 'pipelineConnections', 'pipelineDepth', 'pipelineStallMs'] as const;

const PREPARED = 128;
const MOST_IN_FLIGHT = 10_000;

const POOL_KEYS = poolKeys('sharing');
const A_STRING_OR_OBJECT = 'a connection string or an object';

/** What those who come from pg.Pool will write. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  idleTimeoutMillis: 'idleTimeoutMs',
  maxLifetimeSeconds: 'maxLifetimeMs, which counts milliseconds',
  poolSize: 'max',
  allowExitOnIdle: 'nothing: an idle pool never keeps the process alive',
  verify: 'onConnect',
  log: 'the events of the pool (on)',
  dbname: 'database',
  username: 'user',
  sharing: 'nothing: a session of PostgreSQL has one borrower at a time',
  factory: 'a plain Pool with pgFactory',
};

/** Everything a factory needs to know, checked. */
export interface FactorySettings<C extends PgClient> {
  /** The options of one connect. Rejects with what the function threw, or with an error marked as permanent. */
  readonly connectOptions: () => PgConnectOptions | Promise<PgConnectOptions>;
  readonly Client: PgClientClass<C>;
  readonly reset: PgReset;
  readonly onConnect: PgFactoryOptions<C>['onConnect'];
  readonly onFailover: PgFactoryOptions<C>['onFailover'];
}

export interface PoolSettings<C extends PgClient> {
  readonly pool: Omit<PoolOptions<C>, 'factory'>;
  readonly factory: PgFactoryOptions<C>;
  readonly deadMan: DeadManTimeouts;
  readonly cancelTimeoutMs: number;
  /** How many statements are prepared per connection. */
  readonly prepared: number;
  /** Undefined: every statement has a connection of its own. */
  readonly pipeline: { readonly connections: number; readonly depth: number; readonly stallMs: number } | undefined;
}

/** The options of {@link createPgPool}, sorted. */
export function splitPoolOptions<C extends PgClient>(given: string | PgPoolOptions<C>): PoolSettings<C> {
  const options: PgPoolOptions<C> = typeof given === 'string' ? { connectionString: given } : given;
  const name = nameIn(options, 'pg', A_STRING_OR_OBJECT);
  checkKeys('', options, [...POOL_KEYS, ...CONNECT_KEYS, ...FACTORY_KEYS, ...OWN_KEYS], name, ELSEWHERE);
  const { pool, factory } = sortOptions(options, POOL_KEYS, [...CONNECT_KEYS, ...FACTORY_KEYS]);
  const cancelTimeoutMs = options.cancelTimeoutMs ?? 2_000;
  if (typeof cancelTimeoutMs !== 'number' || !(cancelTimeoutMs > 0) || cancelTimeoutMs >= 2 ** 31) {
    throw invalid('cancelTimeoutMs', 'must be a number of milliseconds above 0', name);
  }
  const settled = settleRuntime(options, pool, { keepaliveIntervalMs: 120_000 }, name);
  return {
    pool: settled.pool, factory, deadMan: settled, cancelTimeoutMs,
    prepared: preparedOf(options, name), pipeline: pipelineOf(options, name),
  };
}

function preparedOf<C extends PgClient>({ prepare = true, reset }: PgPoolOptions<C>, name: string): number {
  if (typeof prepare !== 'boolean' && !(Number.isInteger(prepare) && prepare >= 0)) {
    throw invalid('prepare', 'must be true, false, or a whole number of statements', name);
  }
  // DISCARD ALL deallocates them with each release.
  if (reset === 'discard') return 0;
  return prepare === true ? PREPARED : Number(prepare);
}

function pipelineOf<C extends PgClient>(options: PgPoolOptions<C>, name: string): PoolSettings<C>['pipeline'] {
  const { pipeline = false, pipelineConnections = 4, pipelineDepth = 16, pipelineStallMs = 20, reset } = options;
  if (typeof pipeline !== 'boolean') throw invalid('pipeline', 'must be true or false', name);
  for (const [key, value] of Object.entries({ pipelineConnections, pipelineDepth })) {
    if (!Number.isInteger(value) || value < 1 || value > MOST_IN_FLIGHT) {
      throw invalid(key, `must be a whole number from 1 to ${MOST_IN_FLIGHT}`, name);
    }
  }
  if (typeof pipelineStallMs !== 'number' || !(pipelineStallMs > 0)) {
    throw invalid('pipelineStallMs', 'must be a number of milliseconds above 0, or Infinity', name);
  }
  if (!pipeline) return undefined;
  if (reset === 'discard') throw invalid('pipeline', "shares sessions, and reset 'discard' promises that they are not shared", name);
  if (options.binary === true) throw invalid('pipeline', 'reads results as text: leave binary out', name);
  if (options.query_timeout) throw invalid('pipeline', 'knows no query_timeout: leave it out, and give statements a timeoutMs', name);
  return { connections: pipelineConnections, depth: pipelineDepth, stallMs: pipelineStallMs };
}

/** The options of {@link pgFactory}, checked. */
export function factorySettings<C extends PgClient>(options: PgFactoryOptions<C>, name: string): FactorySettings<C> {
  if (typeof options !== 'object' || options === null) throw invalid('options', `must be ${A_STRING_OR_OBJECT}`, name);
  checkKeys('', options, [...CONNECT_KEYS, ...FACTORY_KEYS], name, ELSEWHERE);
  const {
    connection, Client, reset = 'rollback', onConnect, onFailover, sessionIdleTimeoutMs, transactionIdleTimeoutMs, ...fixed
  } = options;
  if (!['none', 'rollback', 'discard'].includes(reset)) throw invalid('reset', "must be one of 'none', 'rollback', 'discard'", name);
  for (const [key, value] of Object.entries({ Client, onConnect, onFailover })) {
    if (value === undefined || typeof value === 'function') continue;
    throw invalid(key, `must be a ${key === 'Client' ? 'class' : 'function'}`, name);
  }
  for (const [key, value] of Object.entries({ sessionIdleTimeoutMs, transactionIdleTimeoutMs })) {
    if (value !== undefined) deadManOf(key, value, name);
  }
  checkConnectOptions('', fixed, name);
  if (connection !== undefined && fixed.connectionString !== undefined) {
    throw invalid('connection', 'and connectionString say the same thing twice: give one of them', name);
  }
  const connectOptions = connects(fixed, connection, name);
  return { connectOptions, Client: Client ?? (loadClientClass() as PgClientClass<C>), reset, onConnect, onFailover };
}

/** Merges what is fixed with `connection`; asks again each time when that is a function. */
function connects(
  fixed: PgConnectOptions, connection: PgFactoryOptions['connection'], name: string,
): () => PgConnectOptions | Promise<PgConnectOptions> {
  const merge = (given: string | PgConnectOptions): PgConnectOptions => {
    const own = typeof given === 'string' ? { connectionString: given } : given;
    if (typeof own !== 'object' || own === null) throw invalid('connection', 'must be, or return, a connection string or an object', name);
    checkKeys('connection.', own, CONNECT_KEYS, name, ELSEWHERE);
    checkConnectOptions('connection.', own, name);
    return { keepAlive: true, ...defined(fixed), ...defined(own) };
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

const STRINGS = [
  'connectionString', 'host', 'user', 'database', 'application_name', 'fallback_application_name', 'client_encoding',
] as const;

function checkConnectOptions(prefix: string, options: PgConnectOptions, name: string): void {
  const expect = (key: keyof PgConnectOptions, ok: boolean, what: string): void => {
    if (options[key] !== undefined && !ok) throw invalid(prefix + key, `must be ${what}`, name);
  };
  for (const key of STRINGS) {
    expect(key, typeof options[key] === 'string', 'a string');
  }
  expect('password', ['string', 'function'].includes(typeof options.password), 'a string or a function that returns one');
  const port = Number(options.port);
  expect('port', Number.isInteger(port) && port > 0 && port < 65_536, 'a whole number from 1 to 65535');
  // A stream cannot serve two connections, so one that is already made is no option here.
  expect('stream', typeof options.stream === 'function', 'a function that makes a stream');
}

function defined(options: PgConnectOptions): PgConnectOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
