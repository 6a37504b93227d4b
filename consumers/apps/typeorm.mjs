import { DataSource, EntitySchema } from 'typeorm';
import { accounts, ask, fails, gone, same, urlFor } from './lib.mjs';

await accounts('typeorm_account');
const Account = new EntitySchema({
  name: 'typeorm_account',
  columns: { id: { type: 'int', primary: true }, name: { type: 'text' }, balance: { type: 'int' } },
});
const source = new DataSource({
  type: 'postgres', url: urlFor('typeorm'), entities: [Account], poolSize: 3, installExtensions: false, logging: false,
});
await source.initialize();
const repository = source.getRepository(Account);
const balances = async () => (await repository.find({ order: { id: 'ASC' } })).map((row) => row.balance);

same('selects', (await repository.findOneBy({ id: 2 })).name, 'bob');

await source.transaction(async (manager) => {
  await manager.decrement(Account, { id: 1 }, 'balance', 10);
  await manager.increment(Account, { id: 2 }, 'balance', 10);
});
same('commits a transaction', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', source.transaction(async (manager) => {
  await manager.update(Account, { id: 1 }, { balance: 0 });
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', repository.insert({ id: 1, name: 'x', balance: 1 }), { code: '23505' });

const runner = source.createQueryRunner();
await runner.connect();
const names = [];
for await (const row of await runner.stream('SELECT name FROM typeorm_account ORDER BY id')) names.push(row.name);
same('streams', names, ['ada', 'bob', 'cyd']);
await runner.release();

const kept = await Promise.all(Array.from({ length: 20 }, () => source.transaction('SERIALIZABLE', async (manager) => {
  const [one] = await manager.query('SELECT txid_current() AS id');
  const [two] = await manager.query('SELECT txid_current() AS id');
  return one.id === two.id;
})));
same('keeps twenty transactions apart', kept.every(Boolean), true);
const [seen] = await ask("SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'typeorm'");
same('on at most three connections', seen.count <= 3, true);

await source.destroy();
await fails('refuses work after its end', balances());
await gone('typeorm');
