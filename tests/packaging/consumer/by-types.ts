// What a user with TypeScript writes, compiled against the packed declarations with `skipLibCheck: false`, without the drivers' types and
// without `esnext.disposable` in `lib`: the package has to bring what its declarations need. Compiled as CommonJS with the newest
// TypeScript and as an ES module with the oldest. Every public entry is used once, and what it infers is compared with what it should.
import {
  AcquireTimeoutError, KeyedPool, localBudget, Pool, type Budget, type Factory, type Lease, type PoolOptions, type PoolStats,
} from 'millpond';
import { captureStacksFor, leakReport, reportLeaks, type LeakReport } from 'millpond/debug';
import { describeFleet, fleetBudget, redisCoordinator, type Coordinator, type FleetBudget } from 'millpond/fleet';
import { handleOf } from 'millpond/handle';
import { createDispatcher, createH2Pool, HttpAgent, HttpsAgent, type H2Answer } from 'millpond/http';
import { createMysqlPool, type MysqlResult } from 'millpond/mysql';
import { instrumentPools, poolMetrics, type OtelMeter, type OtelProducer } from 'millpond/otel';
import { createPgPool, type PgClient, type PgPool } from 'millpond/pg';
import { metricsHandler, prometheusText, registerWith } from 'millpond/prometheus';
import { createRedisPool, type RedisClient } from 'millpond/redis';
import { createTcpPool, createTcpPools, exchange } from 'millpond/tcp';
import { seededRandom, VirtualClock } from 'millpond/testing';
import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Compiles if both are the same type, neither of them `any` by accident. */
function same<Expected>(): <Actual>(value: Actual, ...differ: Equal<Actual, Expected> extends true ? [] : [never]) => void {
  return () => {};
}
type Exactly<T> = (value: T) => T;
type IsAny<T> = 0 extends 1 & T ? true : false;
type Equal<A, B> = IsAny<A> extends true ? false : Exactly<A> extends Exactly<B> ? true : false;

interface Line {
  readonly port: number;
}
const factory: Factory<Line> = { create: async () => ({ port: 1 }), destroy: () => {} };

export async function visit(pool: Pool<Line>): Promise<number> {
  const lease: Lease<Line> = await pool.acquire({ timeoutMs: 10 });
  try {
    return lease.resource.port;
  } catch (error) {
    if (error instanceof AcquireTimeoutError) return error.waitedMs;
    throw error;
  } finally {
    lease[Symbol.dispose]();
  }
}

export async function engine(): Promise<void> {
  // What is lent follows from the factory alone.
  const inferred = new Pool({ factory: { create: async () => new Map<string, number>(), destroy: () => {} } });
  same<Pool<Map<string, number>>>()(inferred);
  same<number>()(await inferred.use(async (map, lease) => {
    same<Map<string, number>>()(map);
    same<Lease<Map<string, number>>>()(lease);
    return map.size;
  }));
  same<string>()(await inferred.use(() => 'not a promise'));
  same<Lease<Map<string, number>> | undefined>()(inferred.tryAcquire());
  same<PoolStats>()(inferred.stats());
  const unsubscribe = inferred.on('release', ({ resource, useMs }) => {
    same<Map<string, number>>()(resource);
    same<number>()(useMs);
  });
  same<() => void>()(unsubscribe);
  // @ts-expect-error There is no such event.
  inferred.on('released', () => {});
  // @ts-expect-error A handle stands in for a resource of the same type.
  const wrong: string = handleOf(await inferred.acquire());
  void wrong;
  same<Map<string, number>>()(handleOf(await inferred.acquire()));

  const keyed = new KeyedPool({ factory: (key: URL) => ({ create: async () => ({ host: key.host }), destroy: () => {} }) });
  same<string>()(await keyed.use(new URL('http://localhost'), ({ host }) => host));
  const clock = new VirtualClock();
  await new Pool({ factory, clock, random: seededRandom(1), budget: localBudget({ limit: 3 }) }).close();
}

export const stats: (pool: Pool<Line>) => PoolStats = (pool) => pool.stats();
export const options: PoolOptions<Line> = { factory, max: 3, shedding: true };
// @ts-expect-error A misspelt option is an error of the compiler before it is one at run time.
export const misspelt: Pool<Line> = new Pool({ factory, maximum: 3 });
// @ts-expect-error A duration is a number of milliseconds.
export const unit: Pool<Line> = new Pool({ factory, idleTimeoutMs: '10s' });

export async function postgres(): Promise<void> {
  const pool: PgPool = createPgPool({ connectionString: 'postgres://localhost', max: 3, reset: 'discard' });
  const { rows } = await pool.query<{ id: number }>('SELECT 1 AS id', [], { timeoutMs: 500 });
  same<{ id: number }[]>()(rows);
  same<number>()(await pool.transaction(async (client) => {
    same<PgClient>()(client);
    return 1;
  }, { isolation: 'serializable', retry: 3 }));
  // @ts-expect-error A row that was said to have an id has no name.
  void rows[0]?.name;
  // @ts-expect-error There is no such reset.
  createPgPool({ reset: 'everything' });
  // @ts-expect-error There is no such isolation.
  await pool.transaction(async () => {}, { isolation: 'chaos' });
}

export async function mysql(): Promise<void> {
  const pool = createMysqlPool({ host: 'localhost', max: 3 });
  const answer = await pool.execute<{ id: number }[]>('SELECT ? AS id', [1], { timeoutMs: 500 });
  same<MysqlResult<{ id: number }[]>>()(answer);
  same<{ id: number }[]>()(answer[0]);
  same<string>()(await pool.transaction(async (connection) => connection.escape('x')));
  // @ts-expect-error It is called max here.
  createMysqlPool({ connectionLimit: 3 });
}

interface OwnClient extends RedisClient {
  get(key: string): Promise<string | null>;
}
declare const makeClient: () => OwnClient;

export async function redis(): Promise<void> {
  const pool = createRedisPool({ client: makeClient, max: 3 });
  same<OwnClient>()(pool.shared);
  same<string | null>()(await pool.run((shared) => shared.get('k'), { timeoutMs: 100 }));
  same<string | null>()(await pool.use((client) => client.get('k')));
  // @ts-expect-error A pool needs to know how its clients are made.
  createRedisPool({ max: 3 });
}

export async function fleet(client: { on(event: 'error', listener: (error: Error) => void): unknown }): Promise<void> {
  const coordinator = redisCoordinator(client, { key: 'orders' });
  same<Coordinator>()(coordinator);
  const budget = fleetBudget(coordinator, { limit: 20 });
  same<FleetBudget>()(budget);
  const inferred: Budget = budget;
  same<Pool<Line>>()(new Pool({ factory, budget: inferred }));
  same<string>()(describeFleet(await coordinator.view()));
  // @ts-expect-error There is no limit that all could agree on.
  fleetBudget(coordinator, {});
}

declare const meter: OtelMeter;

export function sight(): void {
  same<LeakReport>()(leakReport());
  same<() => void>()(captureStacksFor(1_000, { pools: ({ name }) => name === 'orders' }));
  same<() => void>()(reportLeaks({ to: (text) => same<string>()(text) }));
  same<string>()(prometheusText());
  const listener: RequestListener = metricsHandler({ bucketsMs: [1, 10] });
  void listener;
  same<() => void>()(registerWith({ registerMetric: () => {}, removeSingleMetric: () => {} }));
  same<() => void>()(instrumentPools({ meter }));
  same<OtelProducer>()(poolMetrics());
  // @ts-expect-error A number of milliseconds.
  instrumentPools({ meter, acquireSlowerThanMs: '1s' });
}

export async function sockets(): Promise<void> {
  same<Pool<Socket>>()(createTcpPool({ port: 80 }));
  same<Pool<TLSSocket>>()(createTcpPool({ port: 443, tls: true }));
  await createTcpPools({ maxTotal: 10 }).use({ port: 80 }, (socket) => same<Socket>()(socket));
  same<number>()(await createTcpPool({ port: 80 }).use((socket) => exchange(socket, async () => 1, { timeoutMs: 100 })));
  // @ts-expect-error The port is a number.
  createTcpPool({ port: '80' });
}

export async function http(): Promise<void> {
  const agent: import('node:http').Agent = new HttpAgent({ max: 3 });
  const secure: import('node:https').Agent = new HttpsAgent({ ca: 'PEM', max: 3 });
  void [agent, secure];
  const dispatcher = createDispatcher({ max: 3 });
  same<Promise<void>>()(dispatcher.destroy());
  const h2 = createH2Pool({ authority: 'https://localhost' });
  same<H2Answer>()(await h2.call({ ':path': '/' }));
  // @ts-expect-error It is called max here.
  void new HttpAgent({ maxSockets: 3 });
}
