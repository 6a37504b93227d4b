// What the users ask: the page of one customer with the latest orders, by key. The data is small and sits in memory, where a real
// database would now and then wait for a disk; `pg_sleep` stands for that wait, and everything this program prints says so.
import type { Client } from 'pg';

export const CUSTOMERS = 10_000;
export const ORDERS_PER_CUSTOMER = 10;

const SCHEMA = `
  create table customers (id int primary key, name text not null, city text not null);
  create table orders (id int primary key, customer_id int not null, placed_at timestamptz not null, total_cents int not null);
  insert into customers select n, 'Customer ' || n, 'City ' || n % 97 from generate_series(1, ${CUSTOMERS}) n;
  insert into orders
    select n, n % ${CUSTOMERS} + 1, timestamptz '2026-01-01' + n * interval '1 minute', n * 7919 % 100000
    from generate_series(1, ${CUSTOMERS * ORDERS_PER_CUSTOMER}) n;
  create index orders_by_customer on orders (customer_id, placed_at desc);
  analyze;`;

const LOOKUP = `select c.name, c.city, o.id, o.placed_at, o.total_cents
  from pg_sleep($2::float8) disk, customers c join orders o on o.customer_id = c.id
  where c.id = $1 order by o.placed_at desc limit ${ORDERS_PER_CUSTOMER}`;

export interface Question {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The statement that every strategy sends, the same text and the same parameters. */
export function lookup(key: number, ioMs: number): Question {
  return { text: LOOKUP, values: [key, ioMs / 1000] };
}

export async function seed(client: Pick<Client, 'query'>): Promise<void> {
  await client.query(SCHEMA);
}

/** Keys in an order that looks random and is the same in every run and for every strategy. */
export function keySequence(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return 1 + (((mixed ^ (mixed >>> 14)) >>> 0) % CUSTOMERS);
  };
}
