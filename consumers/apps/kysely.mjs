import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { accounts, ask, cut, fails, gone, same, urlFor } from './lib.mjs';

await accounts('kysely_account');
const pool = new pg.Pool({ connectionString: urlFor('kysely'), max: 4 });
pool.on('error', () => {}); // connections that are cut while nobody has them
const db = new Kysely({ dialect: new PostgresDialect({ pool, cursor: Cursor }) });
const balances = async () => (await db.selectFrom('kysely_account').select('balance').orderBy('id').execute()).map((row) => row.balance);

same('selects', await db.selectFrom('kysely_account').select('name').where('id', '=', 2).executeTakeFirst(), { name: 'bob' });

await db.transaction().execute(async (trx) => {
  await trx.updateTable('kysely_account').set({ balance: sql`balance - 10` }).where('id', '=', 1).execute();
  await trx.updateTable('kysely_account').set({ balance: sql`balance + 10` }).where('id', '=', 2).execute();
});
same('commits a transaction', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', db.transaction().execute(async (trx) => {
  await trx.updateTable('kysely_account').set({ balance: 0 }).execute();
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', db.insertInto('kysely_account').values({ id: 1, name: 'x', balance: 1 }).execute(), {
  code: '23505',
});
await Promise.all(Array.from({ length: 20 }, () => db.transaction().execute(async (trx) => {
  const { rows: [before] } = await sql`SELECT txid_current() AS id`.execute(trx);
  const { rows: [after] } = await sql`SELECT txid_current() AS id`.execute(trx);
  if (before.id !== after.id) throw new Error('two statements of a transaction ran on two connections');
})));
same('keeps twenty transactions apart on four connections', pool.totalCount <= 4, true);

const names = [];
for await (const row of db.selectFrom('kysely_account').select('name').orderBy('id').stream(1)) names.push(row.name);
same('streams', names, ['ada', 'bob', 'cyd']);
for await (const row of db.selectFrom('kysely_account').select('name').orderBy('id').stream(1)) {
  names.push(row.name);
  break; // leaves in the middle
}
same('leaves a stream in the middle', names.at(-1), 'ada');
same('goes on after it', await balances(), [90, 110, 100]);

await cut('kysely');
await new Promise((resolve) => setTimeout(resolve, 200));
same('goes on after its idle connections were cut', await balances(), [90, 110, 100]);

await db.destroy();
await fails('refuses work after its end', balances());
same('has written', (await ask('SELECT sum(balance)::int AS sum FROM kysely_account'))[0].sum, 300);
await gone('kysely');
