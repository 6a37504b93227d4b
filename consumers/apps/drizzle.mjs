import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { accounts, fails, gone, same, urlFor } from './lib.mjs';

await accounts('drizzle_account');
const account = pgTable('drizzle_account', { id: integer('id').primaryKey(), name: text('name'), balance: integer('balance') });
const pool = new pg.Pool({ connectionString: urlFor('drizzle'), max: 3 });
const db = drizzle(pool);
const balances = async () => (await db.select().from(account).orderBy(account.id)).map((row) => row.balance);

same('selects', await db.select({ name: account.name }).from(account).where(eq(account.id, 2)), [{ name: 'bob' }]);

await db.transaction(async (tx) => {
  await tx.update(account).set({ balance: sql`balance - 10` }).where(eq(account.id, 1));
  await tx.transaction(async (inner) => { // a savepoint
    await inner.update(account).set({ balance: sql`balance + 10` }).where(eq(account.id, 2));
  });
});
same('commits a transaction with one inside', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', db.transaction(async (tx) => {
  await tx.update(account).set({ balance: 0 });
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

// Drizzle begins transactions on the pool itself unless it takes it for a pool; then BEGIN and what follows run anywhere.
const ids = await Promise.all(Array.from({ length: 20 }, () => db.transaction(async (tx) => {
  const one = await tx.execute(sql`SELECT txid_current() AS id`);
  await tx.execute(sql`SELECT pg_sleep(0.001)`);
  const two = await tx.execute(sql`SELECT txid_current() AS id`);
  return one.rows[0].id === two.rows[0].id;
})));
same('keeps twenty transactions apart on three connections', ids.every(Boolean) && pool.totalCount <= 3, true);

await fails('passes on an error of the server', db.insert(account).values({ id: 1, name: 'x', balance: 1 }), (error) => {
  return (error.cause ?? error).code === '23505';
});
const prepared = db.select().from(account).where(eq(account.id, sql.placeholder('id'))).prepare('by_id');
same('runs a prepared query', (await prepared.execute({ id: 3 }))[0].name, 'cyd');
same('runs it again', (await prepared.execute({ id: 1 }))[0].name, 'ada');

await pool.end();
await fails('refuses work after its end', balances());
await gone('drizzle');
