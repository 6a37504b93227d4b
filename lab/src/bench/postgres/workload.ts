// What the callers ask, and what the right answer is. Every answer of every contender is looked at, so that nobody is fast by being wrong;
// the look costs each of them the same.
import type { Client } from 'pg';

/**
 * - `one`: `SELECT 1`, nothing but the way there and back.
 * - `byKey`: a row by its primary key, what most statements of most programs are.
 * - `pause`: the same with a millisecond in which the server waits (for a disk, a lock, a neighbour) and needs no CPU.
 * - `quotient`: succeeds or fails with the same text, by its parameter.
 */
export type StatementName = 'one' | 'byKey' | 'pause' | 'quotient';

export const CUSTOMERS = 10_000;

export const TEXTS: Readonly<Record<StatementName, string>> = {
  one: 'SELECT 1',
  byKey: 'SELECT id, name, email, balance FROM customers WHERE id = $1',
  pause: 'SELECT id, name, email, balance FROM pg_sleep(0.001), customers WHERE id = $1',
  quotient: 'SELECT 100 / $1::int AS quotient',
};

/** Asks that statement, with that key if it takes one; resolves with the first row. */
export type Ask = (key: number) => Promise<unknown>;

export type Asks = Readonly<Record<StatementName, Ask>>;

/** The asks of a client that takes a text and values. */
export function asksOf(run: (text: string, values?: unknown[]) => Promise<{ readonly rows: readonly unknown[] }>): Asks {
  const first = async (text: string, values?: unknown[]): Promise<unknown> => (await run(text, values)).rows[0];
  return {
    one: () => first(TEXTS.one),
    byKey: (key) => first(TEXTS.byKey, [key]),
    pause: (key) => first(TEXTS.pause, [key]),
    quotient: (key) => first(TEXTS.quotient, [key]),
  };
}

const SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, balance int NOT NULL);
  INSERT INTO customers SELECT n, 'Customer ' || n, 'customer-' || n || '@example.org', n * 7 FROM generate_series(1, ${CUSTOMERS}) n;
  VACUUM ANALYZE customers;
  CREATE ROLE trusted LOGIN;
  GRANT SELECT ON customers TO trusted;`;

export async function seed(client: Pick<Client, 'query'>): Promise<void> {
  // One by one: VACUUM wants a statement of its own.
  for (const statement of SCHEMA.split(';').filter((text) => text.trim() !== '')) await client.query(statement);
}

const NAMES = Array.from({ length: CUSTOMERS + 1 }, (_, n) => `Customer ${n}`);
const EMAILS = Array.from({ length: CUSTOMERS + 1 }, (_, n) => `customer-${n}@example.org`);

/** Whether that row answers that statement. */
export function isRight(statement: StatementName, key: number, row: unknown): boolean {
  if (typeof row !== 'object' || row === null) return false;
  const fields = row as Readonly<Record<string, unknown>>;
  if (statement === 'one') return fields['?column?'] === 1;
  if (statement === 'quotient') return fields['quotient'] === Math.trunc(100 / key);
  return fields['id'] === key && fields['name'] === NAMES[key] && fields['email'] === EMAILS[key] && fields['balance'] === key * 7;
}

/** Whether that is the error that `quotient` has to end with for a key of 0. */
export function isDivisionByZero(error: unknown): boolean {
  return error instanceof Error && (error as { readonly code?: unknown }).code === '22012';
}
