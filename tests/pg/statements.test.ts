// query(): what it takes, what it returns, what its errors cost.

import { createPgPool, QueryTimeoutError } from 'millpond/pg';
import pg from 'pg';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { until } from '../support/postgres.ts';
import { onEachPostgres } from '../support/suite.ts';

onEachPostgres('statements', (stage) => {
  it('runs a text, a text with values and a config, and returns what node-postgres returns', async () => {
    await using pool = createPgPool(stage.options('forms'));
    const plain = await pool.query('SELECT 1 AS one, 2 AS two');
    expect(plain.rows).toEqual([{ one: 1, two: 2 }]);
    expect(plain.rowCount).toBe(1);
    expect(plain.command).toBe('SELECT');
    expect(plain.fields.map((field) => field.name)).toEqual(['one', 'two']);
    expect((await pool.query('SELECT $1::int + $2::int AS sum', [1, 2])).rows).toEqual([{ sum: 3 }]);
    expect((await pool.query({ text: 'SELECT $1::text AS t', values: ['x'], name: 'named' })).rows).toEqual([{ t: 'x' }]);
    expect((await pool.query({ text: 'SELECT 1, 2', rowMode: 'array' })).rows).toEqual([[1, 2]]);
    expect((await pool.query({ text: 'SELECT $1::int AS n' }, [7])).rows).toEqual([{ n: 7 }]);
    expect((await pool.query('SELECT 5 AS n', { label: 'no values, options' })).rows).toEqual([{ n: 5 }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('types rows as the caller says, and any otherwise', async () => {
    await using pool = createPgPool(stage.options('types'));
    const typed = await pool.query<{ one: number }>('SELECT 1 AS one');
    expectTypeOf(typed.rows).toEqualTypeOf<{ one: number }[]>();
    const untyped = await pool.query('SELECT 1 AS one');
    expectTypeOf(untyped.rows[0]).toBeAny();
    await using named = createPgPool({ ...stage.options('types'), Client: pg.Client });
    await named.use((client) => expectTypeOf(client).toEqualTypeOf<pg.Client>());
    expect(typed.rows).toEqual(untyped.rows);
  });

  it('leaves a config as it was, and reads what it inherits', async () => {
    await using pool = createPgPool(stage.options('config'));
    const config = Object.freeze({ text: 'SELECT 1 AS one' });
    await pool.query(config);
    expect(Object.keys(config)).toEqual(['text']);
    class Template {
      get text(): string {
        return 'SELECT $1::int AS n';
      }
      readonly values = [3];
    }
    expect((await pool.query(new Template())).rows).toEqual([{ n: 3 }]);
  });

  it('does not spend the connection on an error of the statement', async () => {
    await using pool = createPgPool({ ...stage.options('errors'), max: 1 });
    const [first] = (await pool.query('SELECT pg_backend_pid() AS pid')).rows;
    for (const text of ['SELEC', 'SELECT 1/0', 'SELECT * FROM nowhere', 'SELECT 1; SELECT 1/0']) {
      await expect(pool.query(text)).rejects.toBeInstanceOf(pg.DatabaseError);
    }
    for (let i = 0; i < 20; i++) await expect(pool.query('SELECT $1::int / 0', [1])).rejects.toMatchObject({ code: '22012' });
    // The error arrives before the server is through with the statement: what comes next must wait for that, and nothing else.
    expect((await pool.query('SELECT pg_backend_pid() AS pid')).rows).toEqual([first]);
    expect(pool.stats().totals).toMatchObject({ created: 1, staleReleases: 0 });
  });

  it('does not spend the connection on a value that cannot be encoded', async () => {
    await using pool = createPgPool({ ...stage.options('encode'), max: 1 });
    const ring: Record<string, unknown> = {};
    ring['self'] = ring;
    await expect(pool.query('SELECT $1::json', [ring])).rejects.toThrow(/circular/);
    await expect(pool.query({ text: 'SELECT 1', values: 'no array' as unknown as [] })).rejects.toThrow(/array/);
    await expect(pool.query(null as unknown as string)).rejects.toThrow(TypeError);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(pool.stats().totals).toMatchObject({ created: 1, staleReleases: 0 });
  });

  it('goes through the client where somebody looks at what goes through it: a class derived from it, or tracing', async () => {
    const seen: string[] = [];
    class Observed extends pg.Client {}
    Observed.prototype.query = function query(this: pg.Client, ...args: unknown[]): void {
      const [first] = args as [string | { text: string }];
      seen.push(typeof first === 'string' ? first : first.text);
      (pg.Client.prototype.query as (...all: unknown[]) => void).apply(this, args);
    } as unknown as typeof Observed.prototype.query;
    await using pool = createPgPool({ ...stage.options('observed'), Client: Observed, max: 1 });
    for (let i = 0; i < 3; i++) expect((await pool.query('SELECT $1::int AS i', [i])).rows).toEqual([{ i }]);
    expect(seen).toEqual(Array<string>(3).fill('SELECT $1::int AS i'));
    await using later = createPgPool({ ...stage.options('observed-later'), max: 1 });
    await later.query('SELECT 1');
    await later.use((client) => {
      const { query } = client as unknown as pg.Client;
      Object.assign(client, { query: function traced(this: pg.Client, ...args: unknown[]): unknown {
        seen.push('traced');
        return (query as (...all: unknown[]) => unknown).apply(this, args);
      } });
    });
    await later.query('SELECT 1');
    expect(seen.at(-1)).toBe('traced');
  });

  it('refuses a cursor, which needs a connection of its own', async () => {
    await using pool = createPgPool(stage.options('cursor'));
    const cursor = { text: '', submit: () => undefined };
    await expect(pool.query(cursor)).rejects.toThrow(/use\(/);
    expect(pool.stats().totals.acquires).toBe(0);
  });

  it('refuses a deadline that is none', async () => {
    await using pool = createPgPool(stage.options('deadline'));
    for (const timeoutMs of [0, -1, Number.NaN]) {
      const refused = { code: 'ERR_POOL_INVALID_OPTION', option: 'timeoutMs' };
      await expect(pool.query('SELECT 1', [], { timeoutMs })).rejects.toMatchObject(refused);
    }
  });

  describe('with a deadline', () => {
    it('answers in time, and leaves no timer behind', async () => {
      await using pool = createPgPool(stage.options('in-time'));
      const { rows } = await pool.query('SELECT 1 AS one', [], { timeoutMs: 5_000, signal: new AbortController().signal });
      expect(rows).toEqual([{ one: 1 }]);
      expect(process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length).toBeLessThanOrEqual(2);
    });

    it('spans the wait for a connection and the statement', async () => {
      await using pool = createPgPool({ ...stage.options('span'), max: 1 });
      const lease = await pool.acquire();
      await expect(pool.query('SELECT 1', [], { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' });
      setTimeout(() => lease.release(), 300);
      // 300 ms of waiting and 350 ms of running: each would be in time alone.
      await expect(pool.query('SELECT pg_sleep(0.35)', [], { timeoutMs: 500 })).rejects.toBeInstanceOf(QueryTimeoutError);
      const idle = await until('the connection to come back', () => pool.stats(), (stats) => stats.idle === 1);
      expect(idle.totals).toMatchObject({ created: 1 });
    });
  });
});
