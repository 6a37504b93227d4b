import { DataTypes, Sequelize } from 'sequelize';
import { accounts, fails, gone, same, urlFor } from './lib.mjs';

await accounts('sequelize_account');
const sequelize = new Sequelize(urlFor('sequelize'), { dialect: 'postgres', logging: false, pool: { max: 3, min: 0, acquire: 30_000 } });
const Account = sequelize.define('Account', {
  id: { type: DataTypes.INTEGER, primaryKey: true }, name: DataTypes.TEXT, balance: DataTypes.INTEGER,
}, { tableName: 'sequelize_account', timestamps: false });
const balances = async () => (await Account.findAll({ order: ['id'] })).map((row) => row.balance);

same('selects', (await Account.findByPk(2)).name, 'bob');

await sequelize.transaction(async (transaction) => {
  await Account.decrement('balance', { by: 10, where: { id: 1 }, transaction });
  await Account.increment('balance', { by: 10, where: { id: 2 }, transaction });
});
same('commits a transaction', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', sequelize.transaction(async (transaction) => {
  await Account.update({ balance: 0 }, { where: {}, transaction });
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', Account.create({ id: 1, name: 'x', balance: 1 }), { name: 'SequelizeUniqueConstraintError' });

const kept = await Promise.all(Array.from({ length: 20 }, () => sequelize.transaction(async (transaction) => {
  const [[one]] = await sequelize.query('SELECT txid_current() AS id', { transaction });
  const [[two]] = await sequelize.query('SELECT txid_current() AS id', { transaction });
  return one.id === two.id;
})));
same('keeps twenty transactions apart', kept.every(Boolean), true);

await sequelize.close();
await fails('refuses work after its end', balances());
await gone('sequelize');
