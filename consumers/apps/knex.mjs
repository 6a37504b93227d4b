import createKnex from 'knex';
import { accounts, cut, fails, gone, same, urlFor } from './lib.mjs';

await accounts('knex_account');
const knex = createKnex({ client: 'pg', connection: urlFor('knex'), pool: { min: 0, max: 3 }, acquireConnectionTimeout: 30_000 });
const balances = async () => (await knex('knex_account').orderBy('id')).map((row) => row.balance);

same('selects', await knex('knex_account').where({ id: 2 }).first('name'), { name: 'bob' });

await knex.transaction(async (trx) => {
  await trx('knex_account').where({ id: 1 }).decrement('balance', 10);
  await trx('knex_account').where({ id: 2 }).increment('balance', 10);
});
same('commits a transaction', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', knex.transaction(async (trx) => {
  await trx('knex_account').update({ balance: 0 });
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', knex('knex_account').insert({ id: 1, name: 'x', balance: 1 }), { code: '23505' });

const same20 = await Promise.all(Array.from({ length: 20 }, () => knex.transaction(async (trx) => {
  const { rows: [one] } = await trx.raw('SELECT txid_current() AS id');
  const { rows: [two] } = await trx.raw('SELECT txid_current() AS id');
  return one.id === two.id;
})));
same('keeps twenty transactions apart', same20.every(Boolean), true);
same('on three connections', knex.client.pool.numUsed() + knex.client.pool.numFree() <= 3, true);

const names = [];
for await (const row of knex('knex_account').orderBy('id').stream()) names.push(row.name);
same('streams', names, ['ada', 'bob', 'cyd']);

const held = await Promise.all([1, 2, 3].map(() => knex.transaction()));
const impatient = createKnex({ client: 'pg', connection: urlFor('knex'), pool: { min: 0, max: 1 }, acquireConnectionTimeout: 100 });
const only = await impatient.transaction();
await fails('tells whoever waited too long', impatient.raw('SELECT 1').then(() => undefined), { name: 'KnexTimeoutError' });
await only.rollback();
same('serves the next', (await impatient.raw('SELECT 1 AS one')).rows, [{ one: 1 }]);
await impatient.destroy();
await Promise.all(held.map((trx) => trx.rollback()));
same('takes all of them back', await balances(), [90, 110, 100]);

await cut('knex');
await new Promise((resolve) => setTimeout(resolve, 200));
same('goes on after its idle connections were cut', await balances(), [90, 110, 100]);

await knex.destroy();
await fails('refuses work after its end', balances());
knex.initialize();
same('begins anew', await balances(), [90, 110, 100]);
await knex.destroy();
await gone('knex');
