// Random statements whose outcome does not depend on what runs beside them, so that it can be compared with their outcome on a plain
// client.

import type { PgQueryConfig, PgResult } from 'millpond/pg';

export interface Step {
  readonly text: string | PgQueryConfig;
  readonly values?: readonly unknown[];
}

type Random = () => number;

/** The tables that programs run on; `keep` is only read, `log` is only added to. */
export const SCHEMA = [
  'CREATE TABLE keep (id int PRIMARY KEY, name text NOT NULL, at timestamptz, data jsonb, amount numeric, big int8, flags bool[])',
  `INSERT INTO keep SELECT i, 'name ' || i, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 hour',
     jsonb_build_object('i', i), i * 1.25, i::int8 * 10000000000, ARRAY[i % 2 = 0, NULL, true] FROM generate_series(1, 200) i`,
  'CREATE TABLE log (id int PRIMARY KEY, note text CHECK (note <> \'forbidden\'), ref int REFERENCES keep)',
].join(';\n');

const pick = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)]!;

const TEXTS = [
  'plain', '', 'a ; b', "it's", 'snowman \u2603 \u{1F600}', 'tab\tline\n', '\\backslash\\', '{"json": [1]}', 'x'.repeat(30), 'ü'.repeat(20),
];

/** A step; `id` is one that no other step has. */
export function step(random: Random, id: number): Step {
  const n = Math.floor(random() * 220); // some are not there
  return pick<() => Step>(random, [
    () => ({ text: 'SELECT 1' }),
    () => ({ text: 'SELECT 1 AS one;' }),
    () => ({ text: 'SELECT id, name, at, data, amount, big, flags FROM keep WHERE id = $1', values: [n] }),
    () => ({ text: 'SELECT id, name FROM keep WHERE id BETWEEN $1 AND $2 ORDER BY id', values: [n, n + 30] }),
    () => ({ text: { text: 'SELECT id, name, at FROM keep WHERE id < $1 ORDER BY id DESC LIMIT 3', rowMode: 'array' }, values: [n] }),
    () => ({ text: { text: 'SELECT name FROM keep WHERE id = $1', values: [n], types: { getTypeParser: () => (v: string) => `<${v}>` } } }),
    () => ({ text: `SELECT ${n} AS literal, '${n}'::text AS text` }), // never twice the same, or rarely
    () => ({ text: 'SELECT $1::text AS a, $2::int AS b, $3::bool AS c, $4::float8 AS d', values: [pick(random, TEXTS), n, n > 9, n / 3] }),
    () => ({ text: 'SELECT $1::bytea AS b, $2::jsonb AS j', values: [Buffer.from([0, n % 256, 255]), { n, deep: [null, 'x'] }] }),
    () => ({ text: 'SELECT $1::timestamptz AS t, $2::int[] AS i, $3::text AS n', values: [new Date(17e11 + n * 1e7), [n, null], null] }),
    () => ({ text: 'SELECT a, a AS a, 2 AS a FROM (SELECT $1::int8 AS a) s', values: [BigInt(n) * 10n ** 15n] }),
    () => ({ text: 'SELECT FROM keep WHERE id < $1', values: [5] }),
    () => ({ text: 'SELECT repeat($1, 20000) AS long', values: [pick(random, ['a', 'b'])] }),
    () => ({ text: 'INSERT INTO log VALUES ($1, $2) RETURNING id, note', values: [id, pick(random, TEXTS)] }),
    () => ({ text: 'INSERT INTO log (id, note) VALUES ($1, $2)', values: [id, undefined] }),
    () => ({ text: `/* ${n} */ INSERT INTO log VALUES (${id}, 'literal')` }),
    () => ({ text: 'WITH added AS (INSERT INTO log VALUES ($1, $2) RETURNING *) SELECT count(*) FROM added', values: [id, 'with'] }),
    () => ({ text: 'UPDATE keep SET name = name WHERE id = $1', values: [n] }),
    () => ({ text: 'DELETE FROM log WHERE id = $1', values: [-n - 1] }),
    () => failing(random, id, n),
    () => failing(random, id, n),
    () => alone(n),
  ])();
}

/** Fails, each time in the same words. */
function failing(random: Random, id: number, n: number): Step {
  return pick<() => Step>(random, [
    () => ({ text: 'SELECT 1 / $1::int AS x', values: [0] }),
    () => ({ text: 'SELECT 10 / (3 - id) AS x FROM keep WHERE id < 10 ORDER BY id' }), // after some rows
    () => ({ text: 'SELEC 1' }),
    () => ({ text: 'SELECT nothing FROM keep' }),
    () => ({ text: 'SELECT * FROM nowhere WHERE id = $1', values: [n] }),
    () => ({ text: 'SELECT $1::int AS i', values: [pick(random, ['x', '', '1.5', '99999999999999'])] }),
    () => ({ text: 'SELECT id, name FROM keep WHERE id = $1', values: ['no number'] }),
    () => ({ text: 'INSERT INTO log VALUES ($1, $2)', values: [id, 'forbidden'] }),
    () => ({ text: 'INSERT INTO log (id, note, ref) VALUES ($1, $2, $3)', values: [id, 'dangling', 100_000] }),
    () => ({ text: 'INSERT INTO keep VALUES ($1, $2)', values: [1, 'twice'] }),
    () => ({ text: 'SELECT $1::int + $2::int AS sum', values: pick(random, [[1], [1, 2], [1, 2, 3]]) }),
    () => ({ text: 'SELECT $1::text AS t' }),
    () => ({ text: 'SELECT $1::json AS j', values: [{ toJSON: () => { throw new Error('will not be sent'); } }] }),
    () => ({ text: 'SELECT $1::text AS t', values: ['null \0 byte'] }),
    () => ({ text: '' }),
  ])();
}

/** Not one query and not one change: goes alone. */
function alone(n: number): Step {
  const all: readonly Step[] = [
    { text: 'SELECT 1 AS a; SELECT 2 AS b' },
    { text: 'BEGIN; SELECT 1 AS a; COMMIT' },
    { text: 'SHOW server_encoding' },
    { text: 'EXPLAIN (COSTS OFF) SELECT 1' },
    { text: { text: 'SELECT $1::int AS named', name: 'mine', values: [n] } },
  ];
  return all[n % all.length]!;
}

/** Everything that callers can see of an outcome. */
export function visible(outcome: PromiseSettledResult<unknown>): unknown {
  if (outcome.status === 'rejected') {
    const error = outcome.reason as Error;
    // Each run has a schema of its own, and the length is that of the message on the wire.
    const { length: _length, schema: _schema, ...fields } = { ...error } as Record<string, unknown>;
    return { kind: error.constructor.name, message: error.message, ...fields };
  }
  return Array.isArray(outcome.value) ? outcome.value.map(resultOf) : resultOf(outcome.value);
}

function resultOf(value: unknown): unknown {
  const { command, rowCount, rows, fields } = value as PgResult;
  return {
    kind: (value as object).constructor.name,
    command, rowCount, rows: rows as unknown[],
    fields: fields.map(({ name, dataTypeID: type, tableID, columnID, format }) => ({ name, type, columnID, format, own: tableID === 0 })),
  };
}
