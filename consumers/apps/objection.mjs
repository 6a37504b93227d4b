import createKnex from 'knex';
import { Model, transaction } from 'objection';
import { accounts, fails, gone, same, urlFor } from './lib.mjs';

await accounts('objection_account');
const knex = createKnex({ client: 'pg', connection: urlFor('objection'), pool: { min: 1, max: 3 } });
Model.knex(knex);
class Account extends Model {
  static tableName = 'objection_account';
}
const balances = async () => (await Account.query().orderBy('id')).map((row) => row.balance);

same('selects', (await Account.query().findById(2)).name, 'bob');

await Account.transaction(async (trx) => {
  await Account.query(trx).findById(1).decrement('balance', 10);
  await Account.query(trx).findById(2).increment('balance', 10);
});
same('commits a transaction', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', transaction(Account, async (Bound) => {
  await Bound.query().patch({ balance: 0 });
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', Account.query().insert({ id: 1, name: 'x', balance: 1 }), (error) => {
  return (error.nativeError ?? error).code === '23505';
});
const many = await Promise.all(Array.from({ length: 50 }, (_, index) => Account.query().findById((index % 3) + 1)));
same('asks fifty at once', many.filter(Boolean).length, 50);

await knex.destroy();
await fails('refuses work after its end', balances());
await gone('objection');
