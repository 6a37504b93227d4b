// Statements that recur are parsed once per connection, and nobody notices but the clock.

import { createPgPool, type PgPool, type PgPoolOptions } from 'millpond/pg';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { TcpProxy } from '../support/proxy.ts';
import { onEachPostgres } from '../support/suite.ts';

interface PreparedRow { readonly name: string; readonly statement: string }

/** What is prepared on the one connection of the pool. */
const prepared = async (pool: PgPool): Promise<PreparedRow[]> => (
  await pool.use((client) => client.query<PreparedRow>('SELECT name, statement FROM pg_prepared_statements ORDER BY prepare_time'))).rows;

const MODES: readonly [string, Partial<PgPoolOptions>][] = [['alone', {}], ['pipelined', { pipeline: true }]];

onEachPostgres('prepared statements', (stage) => {
  const one = (name: string, options: Partial<PgPoolOptions>): PgPool => createPgPool({ ...stage.options(name), max: 1, ...options });

  it.each(MODES)('%s: are those that recur, each once, under a name made of its text', async (name, options) => {
    await using pool = one(name, options);
    for (let i = 0; i < 5; i++) {
      await pool.query('SELECT $1::int AS recurs', [i]);
      await pool.query(`SELECT ${i} AS once`);
    }
    const rows = await prepared(pool);
    expect(rows.map(({ statement }) => statement)).toEqual(['SELECT $1::int AS recurs']);
    expect(rows[0]!.name).toMatch(/^mp_[\w-]{16}$/);
    // The same text has the same name everywhere: a pooler that mixes sessions mixes nothing up.
    await using other = one(`${name}-other`, options);
    for (let i = 0; i < 2; i++) await other.query('SELECT $1::int AS recurs', [i]);
    expect(await prepared(other)).toEqual(rows);
  });

  it.each(MODES)('%s: leave their text at home from then on', async (name, options) => {
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createPgPool({ ...stage.through(proxy, name), max: 1, ...options });
    const text = 'SELECT $1::int AS a_text_that_can_be_found';
    for (let i = 0; i < 6; i++) expect((await pool.query(text, [i])).rows).toEqual([{ a_text_that_can_be_found: i }]);
    const sent = Buffer.concat(proxy.passages[0]!.fromClient).toString('latin1');
    expect(sent.split(text)).toHaveLength(3); // unnamed, and once to prepare it
    const received = Buffer.concat(proxy.passages[0]!.fromServer).toString('latin1');
    expect(received.split('a_text_that_can_be_found')).toHaveLength(3); // and so do its columns
  });

  it.each(MODES)('%s: are bounded, the least recently used one going first', async (name, options) => {
    await using pool = one(name, { prepare: 3, ...options });
    const run = async (...columns: string[]): Promise<void> => {
      for (const column of columns) await pool.query(`SELECT 1 AS ${column}`);
    };
    await run('a', 'b', 'c', 'd', 'a', 'b', 'c');
    expect((await prepared(pool)).map(({ statement }) => statement.at(-1))).toEqual(['a', 'b', 'c']);
    await run('a', 'd');
    expect((await prepared(pool)).map(({ statement }) => statement.at(-1))).toEqual(expect.arrayContaining(['a', 'c', 'd']));
    await run('b', 'b', 'c', 'a', 'd');
    expect(await prepared(pool)).toHaveLength(3);
  });

  it.each([...MODES, ['cleaned', { reset: 'discard' }] as const])('%s: none by option', async (name, options) => {
    await using pool = one(name, { prepare: false, ...options });
    for (let i = 0; i < 5; i++) await pool.query('SELECT $1::int AS i', [i]);
    expect(await prepared(pool)).toEqual([]);
  });

  it.each(MODES)('%s: follow a table that changes under them', async (name, options) => {
    const table = `changing_${name}`;
    await stage.observer.query(`DROP TABLE IF EXISTS ${table}`);
    await stage.observer.query(`CREATE TABLE ${table} AS SELECT 1 AS a, 'x' AS b`);
    await using pool = one(name, options);
    const rowsOf = async (): Promise<unknown> => (await pool.query(`SELECT * FROM ${table} WHERE a = $1`, [1])).rows;
    const all = (): Promise<unknown[]> => Promise.all(Array.from({ length: 8 }, rowsOf));
    const eight = (row: object): unknown[] => Array.from({ length: 8 }, () => [row]);
    await all();
    expect(await all()).toEqual(eight({ a: 1, b: 'x' }));
    await stage.observer.query(`ALTER TABLE ${table} ADD COLUMN c int DEFAULT 7`); // cached plan must not change result type
    expect(await all()).toEqual(eight({ a: 1, b: 'x', c: 7 }));
    await stage.observer.query(`ALTER TABLE ${table} RENAME COLUMN b TO bb`);
    expect(await all()).toEqual(eight({ a: 1, bb: 'x', c: 7 }));
    await stage.observer.query(`ALTER TABLE ${table} ALTER COLUMN a TYPE text`); // operator does not exist: text = integer
    expect(await all()).toEqual(eight({ a: '1', bb: 'x', c: 7 }));
    await stage.observer.query(`ALTER TABLE ${table} DROP COLUMN a`);
    const failures = await Promise.all(Array.from({ length: 8 }, () => failureOf(rowsOf())));
    // In its own words for each of them, and not as "prepared statement does not exist".
    expect(failures.map((failure) => failure?.code)).toEqual(Array<string>(8).fill('42703'));
    await stage.observer.query(`ALTER TABLE ${table} ADD COLUMN a int DEFAULT 1`);
    expect(await all()).toEqual(eight({ bb: 'x', c: 7, a: 1 }));
    expect(pool.stats().totals.created).toBe(1);
  });

  it.each(MODES)('%s: that somebody deallocates are prepared again', async (name, options) => {
    await using pool = one(name, options);
    const warnings: string[] = [];
    const onWarning = ({ message }: Error): void => { warnings.push(message); };
    process.on('warning', onWarning);
    for (let i = 0; i < 12; i++) {
      const { rows } = await pool.query('SELECT $1::int AS i', [i]);
      expect(rows).toEqual([{ i }]);
      if (i % 4 === 3) await pool.query('DEALLOCATE ALL');
    }
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it.each(MODES)('%s: end with a warning where they keep getting lost, as behind a pooler that changes sessions', async (name, options) => {
    await using pool = one(name, options);
    const warned = new Promise<Error & { code?: string }>((resolve) => { process.once('warning', resolve); });
    for (let i = 0; i < 40; i++) {
      const { rows } = await pool.query('SELECT $1::int AS i', [i]);
      expect(rows).toEqual([{ i }]);
      await pool.query('DEALLOCATE ALL');
    }
    expect(await warned).toMatchObject({ code: 'MILLPOND_PREPARE_OFF', message: expect.stringMatching(/prepare: false/) });
    for (let i = 0; i < 4; i++) await pool.query('SELECT $1::int AS later', [i]);
    expect(await prepared(pool)).toEqual([]);
  });

  it.each(MODES)('%s: take over a name that is there already', async (name, options) => {
    await using pool = one(name, options);
    for (let i = 0; i < 2; i++) await pool.query('SELECT $1::int AS taken', [i]);
    const [row] = await prepared(pool);
    await using other = one(`${name}-taken`, options);
    await other.query(`PREPARE "${row!.name}" AS SELECT 1`);
    for (let i = 0; i < 3; i++) expect((await other.query('SELECT $1::int AS taken', [i])).rows).toEqual([{ taken: i }]);
  });

  it.each(MODES)('%s: use the parsers that are set now', async (name, options) => {
    await using pool = one(name, options);
    const ask = async (): Promise<unknown> => (await pool.query('SELECT 1::int8 AS big')).rows[0];
    for (let i = 0; i < 3; i++) expect(await ask()).toEqual({ big: '1' });
    interface Parsing { setTypeParser(oid: number, parse: (value: string) => unknown): void }
    await pool.use((client) => (client as unknown as Parsing).setTypeParser(20, BigInt));
    expect(await ask()).toEqual({ big: 1n });
  });

  it('share nothing between results but what does not change', async () => {
    await using pool = one('apart', {});
    const ask = (): Promise<{ rows: unknown[]; fields: unknown[] }> => pool.query('SELECT 1 AS a, 2 AS b');
    for (let i = 0; i < 3; i++) await ask();
    const first = await ask();
    first.fields.length = 0;
    first.rows.push('mine');
    const second = await ask();
    expect(second.fields).toHaveLength(2);
    expect(second.rows).toEqual([{ a: 1, b: 2 }]);
  });

  it('are not made of what fails', async () => {
    await using pool = one('failing', {});
    for (let i = 0; i < 4; i++) await pool.query('SELECT 1 / $1::int AS x', [0]).catch(() => undefined);
    expect(await prepared(pool)).toEqual([]);
    await until('the connection to be idle', () => pool.stats().idle, (idle) => idle === 1);
  });
});
