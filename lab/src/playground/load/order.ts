// What every user asks for, again and again: an order. It waits for an imaginary disk, takes one of the popular articles off the stock,
// which locks that row, and computes a little while it holds it. That is what makes too many connections dear: each that is interrupted
// while it holds a row keeps all waiting who want the same one.
import type pg from 'pg';
import type { Settings } from '../page/wire.ts';

/** One for each user, if they shall not meet. */
const ARTICLES = 1000;

const SCHEMA = `
  create table stock (id int primary key, sold bigint not null default 0) with (fillfactor = 20);
  insert into stock select id from generate_series(1, ${ARTICLES}) id;
  analyze;`;

const ORDER = `update stock set sold = sold + 1 from pg_sleep($3::float8) disk where id = $1::int
  returning (select sum(i % 7) from generate_series(1, $2::int) i)`;

export interface Question {
  readonly text: string;
  readonly values: readonly unknown[];
}

export async function seed(client: Pick<pg.Client, 'query'>): Promise<void> {
  await client.query(SCHEMA);
}

const STEPS = 50_000;
const LOOKS = 5;

/** How many steps of computing this machine does in a millisecond: the fastest of some looks, as others may be at work here too. */
export async function stepsPerMs(client: Pick<pg.Client, 'query'>): Promise<number> {
  let fastestMs = Infinity;
  for (let look = 0; look < LOOKS; look += 1) {
    const begunMs = performance.now();
    await client.query('select sum(i % 7) from generate_series(1, $1::int) i', [STEPS]);
    fastestMs = Math.min(fastestMs, performance.now() - begunMs);
  }
  return STEPS / fastestMs;
}

export function order(user: number, { rows, cpuMs, sleepMs }: Settings, perMs: number): Question {
  const row = rows === 0 ? user % ARTICLES : Math.floor(Math.random() * rows);
  return { text: ORDER, values: [row + 1, Math.max(1, Math.round(cpuMs * perMs)), sleepMs / 1000] };
}

/** Locks the row that a popular article has, until the transaction ends. */
export const HOLD_A_ROW = 'update stock set sold = sold + 1 where id = 1';
