// What each application has in common: a database of its own to talk to (DATABASE_URL), a word per thing that works, and the proof at the
// end that its pool left nothing at the server.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const PATIENCE_MS = 60_000;

/** The name of the package that `user` gets when it asks for `pool`. */
function poolOf(user, pool) {
  const require = createRequire(import.meta.url);
  let folder = dirname(createRequire(require.resolve(user)).resolve(pool));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name;
}

console.log(`on ${poolOf('pg', 'pg-pool')} and ${poolOf('knex', 'tarn')}`);

/** Each application connects under a name of its own, so that the server can be asked about it. */
export function urlFor(name) {
  const url = new URL(process.env.DATABASE_URL);
  url.searchParams.set('application_name', name);
  return url.href;
}

export function same(what, actual, expected) {
  assert.deepEqual(actual, expected, what);
  console.log(`ok ${what}`);
}

/** `promise` must reject, and with these properties if they are given. */
export async function fails(what, promise, expected) {
  await (expected === undefined ? assert.rejects(promise) : assert.rejects(promise, expected, what));
  console.log(`ok ${what}`);
}

/** Asks past the application and its pool. */
export async function ask(text, values) {
  const client = new pg.Client({ connectionString: urlFor('observer') });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** A table of accounts: three of them, with 100 each. */
export async function accounts(table) {
  await ask(`DROP TABLE IF EXISTS ${table}`);
  await ask(`CREATE TABLE ${table} (id int PRIMARY KEY, name text NOT NULL, balance int NOT NULL CHECK (balance >= 0))`);
  await ask(`INSERT INTO ${table} VALUES (1, 'ada', 100), (2, 'bob', 100), (3, 'cyd', 100)`);
}

/** How many connections the server sees of an application. */
export async function connections(name) {
  const [row] = await ask('SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1', [name]);
  return row.count;
}

/** After its shutdown nothing of an application is left at the server. */
export async function gone(name) {
  const end = performance.now() + PATIENCE_MS;
  let count;
  do {
    count = await connections(name);
    if (count === 0) {
      console.log('ok nothing is left at the server');
      return;
    }
    await sleep(20);
  } while (performance.now() < end);
  throw new Error(`${count} connections of ${name} are left after its shutdown`);
}

/** Ends every connection of an application from the other side, as a failover does. */
export async function cut(name) {
  await ask('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [name]);
}
