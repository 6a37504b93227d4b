// Programs of a client, at random: what people send and what hardly anybody does. A program is a list of exchanges, each of which leaves
// the client with nothing to wait for, so that any of them can be left out.

import type { SeededRandom } from 'millpond/testing';
import {
  bind, callFunction, close, copyData, copyDone, copyFail, describe, execute, flush, prepare, query, sync,
} from './messages.ts';

export interface Exchange {
  /** For people. */
  readonly what: string;
  readonly first: Buffer;
  /** After `first`, waits for so many answers, or for the server to take CopyData, or for an error; then sends `second`. */
  readonly pause?: number | 'copy';
  readonly second?: Buffer;
  /** How many ReadyForQuery there will be in all. When they have come, what has not been sent is not. */
  readonly ready: number;
  /** Where the bytes are torn apart. */
  readonly cuts: readonly number[];
}

export interface ProgramOptions {
  /** Its own table. */
  readonly table: string;
  readonly exchanges: number;
  /** What lives as long as the session may be used, whichever server connection is behind it. */
  readonly session: boolean;
}

type Made = Omit<Exchange, 'cuts'>;

/** All that an exchange is made of. */
interface Maker {
  readonly random: SeededRandom;
  readonly table: string;
  readonly session: boolean;
}

const SETTINGS = [
  "SET TimeZone TO 'Asia/Tokyo'", "SET TimeZone TO 'Europe/Berlin'", "SET DateStyle TO 'German'", "SET DateStyle TO 'ISO, MDY'",
  "SET application_name TO 'it''s \\ me'", 'RESET application_name', 'RESET TimeZone', "SET client_encoding TO 'LATIN1'",
  "SET client_encoding TO 'UTF8'", "SET IntervalStyle TO 'iso_8601'", "SET LOCAL TimeZone TO 'America/Lima'", 'RESET IntervalStyle',
];

const SEEN = "SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('application_name'), "
  + "current_setting('client_encoding'), current_setting('IntervalStyle'), timestamptz '2026-01-31 12:00:00Z', interval '1 day 2 hours'";

/** Statements without parameters that are sent in any way. */
function statement({ random, table, session }: Maker): string {
  const n = random.int(1, 1_000);
  return random.pick([
    () => `SELECT ${n} AS n, '${table}' AS mine`,
    () => SEEN,
    () => `INSERT INTO ${table} (said) VALUES ('${n}') RETURNING id`,
    () => `UPDATE ${table} SET said = said || 'x' WHERE id % 7 = ${n % 7}`,
    () => `SELECT id, said FROM ${table} ORDER BY id LIMIT ${n % 20}`,
    () => `DELETE FROM ${table} WHERE id % 13 = ${n % 13}`,
    () => `SELECT i, repeat('${n}', 40) FROM generate_series(1, ${n}) AS i`,
    () => `SELECT repeat('large', ${n * 60})`,
    () => `SELECT 1 / (${n} % 3)`,
    () => 'SELEC 1',
    () => `SELECT * FROM ${table}_is_not_there`,
    () => `DO $$ BEGIN RAISE NOTICE 'notice %', ${n}; END $$`,
    () => `DO $$ BEGIN RAISE EXCEPTION 'failed %', ${n} USING DETAIL = 'why', HINT = 'so'; END $$`,
    () => `COPY (SELECT i, '${table}' FROM generate_series(1, ${n % 50}) AS i) TO STDOUT`,
    () => `COPY (SELECT 10 / (30 - i) FROM generate_series(1, ${n % 60}) AS i) TO STDOUT`,
    () => '',
    () => random.pick(SETTINGS),
    () => random.pick(['BEGIN', 'BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT a', 'ROLLBACK TO a', 'RELEASE a', 'COMMIT AND CHAIN']),
    ...(session ? [() => random.pick([
      'CREATE TEMP TABLE IF NOT EXISTS mine (id int)', 'SELECT count(*) FROM mine', 'SET search_path TO elsewhere, public',
      'SHOW search_path',
      'SET work_mem TO 4096', 'SHOW work_mem', 'PREPARE p AS SELECT 4711', 'EXECUTE p', 'DEALLOCATE p',
      `SELECT pg_advisory_lock(hashtext('${table}')) IS NULL`,
      'DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 9)', 'FETCH 2 FROM c', 'CLOSE c', 'SELECT lastval()',
    ])] : []),
  ])();
}

/** Statements with a name, which many clients prepare: with the values that they are run with. */
function named({ random, table }: Maker): { readonly sql: string; readonly values: readonly (string | null)[] } {
  const n = String(random.int(0, 40));
  return random.pick([
    { sql: 'SELECT $1::int * 2 AS twice', values: [n] },
    { sql: 'SELECT 100 / $1::int', values: [n] },
    { sql: 'SELECT $1::text AS said, $2::text AS nothing', values: ['x'.repeat(random.int(0, 3_000)), null] },
    { sql: `INSERT INTO ${table} (said) VALUES ($1) RETURNING id, said`, values: [n] },
    { sql: 'SELECT i FROM generate_series(1, $1::int) AS i', values: [n] },
    { sql: 'SELECT $1::int', values: ['not a number'] },
    { sql: 'SELECT $1::int', values: [] },
    { sql: 'SELECT 1 FROM', values: [] },
    { sql: 'COMMIT', values: [] },
    { sql: 'ROLLBACK', values: [] },
  ]);
}

function simple(maker: Maker): Made {
  const { random } = maker;
  const sql = Array.from({ length: random.pick([1, 1, 1, 2, 3, 5]) }, () => statement(maker)).join(random.pick([';', '; ', ';\n;']));
  return { what: `Q ${sql}`, first: query(sql), ready: 1 };
}

interface Pipeline {
  readonly what: string[];
  readonly bytes: Buffer[];
  /** Answers that are not ReadyForQuery, if nothing fails. */
  answers: number;
  /** Statements that were prepared or closed before the last Sync, which may have failed: whether they are there nobody knows. */
  readonly unsure: Set<string>;
  readonly touched: Set<string>;
}

const empty = (): Pipeline => ({ what: [], bytes: [], answers: 0, unsure: new Set(), touched: new Set() });

/** Messages of the extended protocol that belong together. `nameOf`: a statement's own name; the unnamed one may stand for nothing else. */
function extended(maker: Maker, into: Pipeline): void {
  const { random } = maker;
  const add = (what: string, bytes: Buffer, answers = 1): void => {
    into.what.push(what);
    into.bytes.push(bytes);
    into.answers += answers;
  };
  const picked = random.pick(['', '', 's0', 's1', 's2', 's3']);
  const name = into.unsure.has(picked) ? '' : picked;
  const portal = random.pick(['', '', 'p0', 'p1']);
  const { sql, values } = random.chance(0.6) ? named(maker) : { sql: statement(maker), values: [] };
  if (name === '' || random.chance(0.5)) {
    if (name !== '') into.touched.add(name);
    // Mostly it makes room before; a name that is taken is an error.
    if (name !== '' && random.chance(0.85)) add(`C S ${name}`, close('S', name));
    add(`P ${name} ${sql}`, prepare(name, sql));
  }
  if (random.chance(0.25)) add(`D S ${name}`, describe('S', name));
  if (random.chance(0.15)) return;
  add(`B ${portal} ${name} ${values.map((value) => value?.slice(0, 20)).join(',')}`, bind(portal, name, values));
  if (random.chance(0.3)) add(`D P ${portal}`, describe('P', portal));
  const limit = random.pick([0, 0, 1, 5]);
  add(`E ${portal} ${limit}`, execute(portal, limit));
  if (limit > 0 && random.chance(0.5)) add(`E ${portal} ${limit}`, execute(portal, random.pick([0, limit])));
  if (random.chance(0.15)) add(`C P ${portal}`, close('P', portal));
  if (random.chance(0.08)) {
    into.touched.add(name);
    add(`C S ${name}`, close('S', name));
  }
}

function pipeline(maker: Maker): Made {
  const { random } = maker;
  const into = empty();
  let ready = 0;
  const parts = random.pick([1, 1, 2, 3, 6]);
  for (let part = 0; part < parts; part++) {
    extended(maker, into);
    if (random.chance(0.15)) {
      into.what.push('H');
      into.bytes.push(flush());
    }
    if (part === parts - 1 || random.chance(0.4)) {
      into.what.push('S');
      into.bytes.push(sync());
      for (const name of into.touched) into.unsure.add(name);
      ready++;
    }
    if (random.chance(0.05)) {
      const { what, first } = random.chance(0.5) ? control(maker) : simple(maker);
      if (/D\w+ ALL/.test(what)) continue;
      // Before a Sync an error takes the query along, and with it its ReadyForQuery.
      if (into.what.at(-1) !== 'S') continue;
      into.what.push(what);
      into.bytes.push(first);
      ready++;
    }
  }
  if (into.what.at(-1) === 'H') {
    into.bytes.push(sync());
    ready++;
  }
  return { what: into.what.join(' | '), first: Buffer.concat(into.bytes), ready };
}

/** Waits for its answers before it says Sync. */
function flushed(maker: Maker): Made {
  const into = empty();
  extended(maker, into);
  const { what, bytes, answers } = into;
  return { what: `${what.join(' | ')} | H … S`, first: Buffer.concat([...bytes, flush()]), pause: answers, second: sync(), ready: 1 };
}

function copyIn({ random, table }: Maker): Made {
  const row = (n: number): Buffer => copyData(`copied ${n} ${'y'.repeat(random.int(0, 100))}\n`);
  const rows = Array.from({ length: random.pick([0, 1, 20, 2_000]) }, (_, n) => row(n));
  if (random.chance(0.3)) rows.splice(random.int(0, rows.length), 0, copyData('too\tmany\tcolumns\n'));
  const [end, how] = random.chance(0.75) ? [copyDone(), 'done'] : [copyFail('the client has had enough'), 'fail'];
  const feed = Buffer.concat([...rows, end]);
  const sql = `COPY ${table}${random.chance(0.1) ? '_is_not_there' : ''} (said) FROM STDIN`;
  const what = `${sql} × ${rows.length} ${how}`;
  const blind = random.chance(0.4);
  if (random.chance(0.5)) {
    const text = random.pick([sql, sql, `SELECT 1; ${sql}; SELECT 2`]);
    if (blind) return { what: `Q ${what}, blindly`, first: Buffer.concat([query(text), feed]), ready: 1 };
    return { what: `Q ${what}`, first: query(text), pause: 'copy', second: feed, ready: 1 };
  }
  const before = Buffer.concat([prepare('', sql), bind('', ''), execute('')]);
  const after = Buffer.concat([feed, sync()]);
  switch (random.int(0, 2)) {
    case 0: return { what: `P B E ${what} S, blindly`, first: Buffer.concat([before, after]), ready: 1 };
    case 1: return { what: `P B E H … ${what} S`, first: Buffer.concat([before, flush()]), pause: 'copy', second: after, ready: 1 };
    // The server ignores this Sync, if it comes to the copy.
    default: return { what: `P B E S … ${what} S`, first: Buffer.concat([before, sync()]), pause: 'copy', second: after, ready: 1 };
  }
}

/** Prepares in one go and uses in the next, both sent at once, as a driver that pipelines does. */
function pair({ random }: Maker): Made {
  const sql = `SELECT $1::int + ${random.int(1, 1e9)}${random.chance(0.2) ? ' FROM' : ''}`;
  const what = `C S s0 | P s0 ${sql} | S | B  s0 | D P | E | S`;
  const first = [close('S', 's0'), prepare('s0', sql), sync(), bind('', 's0', ['7']), describe('P', ''), execute(''), sync()];
  return { what, first: Buffer.concat(first), ready: 2 };
}

/** What ends everything that was prepared, or the transaction, or calls a function. */
function control({ random, session }: Maker): Made {
  const sql = random.pick(['DISCARD ALL', 'DEALLOCATE ALL', 'COMMIT', 'ROLLBACK', 'BEGIN', ...(session ? ['RESET ALL'] : [])]);
  if (random.chance(0.2)) return { what: 'F int4pl', first: callFunction(177, random.chance(0.8) ? ['3', '4'] : ['3', 'x']), ready: 1 };
  return { what: `Q ${sql}`, first: query(sql), ready: 1 };
}

/** Mostly none or few, sometimes at every byte of a header. */
function cutsOf(random: SeededRandom, bytes: Buffer): number[] {
  if (random.chance(0.5) || bytes.length < 2) return [];
  if (random.chance(0.1)) return Array.from({ length: Math.min(60, bytes.length - 1) }, (_, n) => n + 1);
  return Array.from({ length: random.int(1, 6) }, () => random.int(1, bytes.length - 1)).sort((a, b) => a - b);
}

export function program(random: SeededRandom, { table, exchanges, session }: ProgramOptions): Exchange[] {
  const maker: Maker = { random, table, session };
  const kinds = [simple, simple, pipeline, pipeline, pipeline, flushed, copyIn, control, pair];
  return Array.from({ length: exchanges }, () => {
    const made = random.pick(kinds)(maker);
    return { ...made, cuts: cutsOf(random, made.first) };
  });
}
