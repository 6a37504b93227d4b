// knex on these pools. The dialect is one that answers by itself: what is tested is what knex does with a pool.

import { createRequire } from 'node:module';
import { knexPool, type KnexPool } from '@millpond/tarn/knex';
import createKnex, { type Knex } from 'knex';
import { Pool } from 'millpond';
import { afterEach, expect, test } from 'vitest';

interface Line {
  readonly number: number;
  closed: boolean;
  __knex__disposed?: unknown;
}

/** A dialect whose queries say which connection they ran on. */
class EchoClient extends createKnex.Client {
  _query(line: Line, query: { sql: string; response?: unknown }): Promise<unknown> {
    if (query.sql === 'break') line.__knex__disposed = new Error('the server went away');
    query.response = [{ line: line.number }];
    return Promise.resolve(query);
  }
  processResponse(query: { response: unknown }): unknown {
    return query.response;
  }
  // knex would load a driver here.
  _driver(): unknown {
    return {};
  }
}
Object.assign(EchoClient.prototype, { driverName: 'echo', dialect: 'echo' });

let lines: Line[] = [];
let knex: Knex | undefined;

afterEach(async () => {
  await knex?.destroy();
  knex = undefined;
  lines = [];
});

const create = (): Line => lines[lines.push({ number: lines.length + 1, closed: false }) - 1]!;
const destroy = (line: Line): void => { line.closed = true; };

function open(connectionPool: KnexPool<Line>): Knex {
  return knex = createKnex({ client: EchoClient as never, connectionPool: connectionPool as never, log: { warn: () => undefined } });
}

function enginePool(acquireTimeoutMs = 60_000): Pool<Line> {
  return new Pool<Line>({ max: 2, acquireTimeoutMs, factory: { create, destroy } });
}

test.each([
  ['a pool of millpond', () => knexPool(enginePool())],
  ["tarn's options", () => knexPool<Line>({ create, destroy, min: 0, max: 2 })],
])('knex queries by a pool made of %s and gives connections back', async (_, make) => {
  const pool = make();
  const db = open(pool);
  expect(await db.raw('select 1')).toEqual([{ line: 1 }]);
  expect(await db.raw('select 1')).toEqual([{ line: 1 }]);
  expect([pool.numUsed(), pool.numFree(), pool.numPendingAcquires(), pool.numPendingCreates()]).toEqual([0, 1, 0, 0]);
  await db.destroy();
  expect(lines[0]!.closed).toBe(false); // knex leaves the pool to its maker
  await pool.destroy();
  expect(lines[0]!.closed).toBe(true);
});

test.each([
  ['a pool of millpond', (pool: Pool<Line>) => knexPool(pool)],
  ["tarn's options", () => knexPool<Line>(
    { create, destroy, min: 0, max: 2, acquireTimeoutMillis: 50, millpond: { min: 2, handles: false } },
  )],
])('knex knows a time-out of %s, and says so in its own words', async (_, make) => {
  const engine = enginePool(50);
  engine.resize({ min: 2 });
  const pool = make(engine);
  const db = open(pool);
  await expect.poll(() => pool.numFree()).toBe(2);
  await Promise.all([pool.acquire().promise, pool.acquire().promise]);
  const { KnexTimeoutError } = createKnex as unknown as { KnexTimeoutError: new () => Error };
  const failure = await db.raw('select 1').catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(KnexTimeoutError);
  expect((failure as Error).message).toContain('The pool is probably full');
  expect(((failure as Error).cause as Error).cause).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
});

test('a connection that knex has given up is destroyed when it comes back, not lent again', async () => {
  const pool = knexPool(enginePool());
  const db = open(pool);
  await db.raw('break');
  expect(lines[0]!.closed).toBe(true);
  expect(await db.raw('select 1')).toEqual([{ line: 2 }]);
});

test('a connection is taken back once, and an acquire can be aborted', async () => {
  const pool = knexPool(enginePool());
  const line = await pool.acquire().promise;
  await pool.acquire().promise;
  const waiting = pool.acquire();
  waiting.abort();
  await expect(waiting.promise).rejects.toThrow('aborted');
  expect([pool.release(line), pool.release(line)]).toEqual([true, false]);
});

test('what makes knex take it for a pool like tarn is there', () => {
  const ofKnex = createRequire(createRequire(import.meta.url).resolve('knex'));
  const { isTarnPool } = ofKnex('./lib/pool.js') as { isTarnPool(pool: unknown): boolean };
  expect(isTarnPool(knexPool(enginePool()))).toBe(true);
});
