import pgPromise from 'pg-promise';
import QueryStream from 'pg-query-stream';
import { accounts, cut, fails, gone, same, urlFor } from './lib.mjs';

await accounts('pg_promise_account');
const seen = { connects: 0, disconnects: 0, errors: 0 };
const pgp = pgPromise({
  connect: () => { seen.connects++; },
  disconnect: () => { seen.disconnects++; },
  error: () => { seen.errors++; },
});
const db = pgp({ connectionString: urlFor('pg-promise'), max: 3 });
const balances = () => db.map('SELECT balance FROM pg_promise_account ORDER BY id', [], (row) => row.balance);

same('selects', await db.one('SELECT name FROM pg_promise_account WHERE id = $1', 2), { name: 'bob' });

await db.tx(async (t) => {
  await t.none('UPDATE pg_promise_account SET balance = balance - 10 WHERE id = 1');
  await t.tx((inner) => inner.none('UPDATE pg_promise_account SET balance = balance + 10 WHERE id = 2')); // a savepoint
});
same('commits a transaction with one inside', await balances(), [90, 110, 100]);

await fails('passes on what ends a transaction', db.tx(async (t) => {
  await t.none('UPDATE pg_promise_account SET balance = 0');
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', db.none("INSERT INTO pg_promise_account VALUES (1, 'x', 1)"), { code: '23505' });
same('goes on after it', await db.task((t) => t.batch([t.one('SELECT 1 AS n'), t.one('SELECT 2 AS n')])), [{ n: 1 }, { n: 2 }]);

const names = [];
await db.stream(new QueryStream('SELECT name FROM pg_promise_account ORDER BY id'), (stream) => {
  stream.on('data', (row) => names.push(row.name));
});
same('streams', names, ['ada', 'bob', 'cyd']);

const kept = await Promise.all(Array.from({ length: 20 }, () => db.tx(async (t) => {
  const one = await t.one('SELECT txid_current() AS id');
  return one.id === (await t.one('SELECT txid_current() AS id')).id;
})));
same('keeps twenty transactions apart on three connections', kept.every(Boolean) && db.$pool.totalCount <= 3, true);
same('gives back whatever it has taken', seen.connects === seen.disconnects, true);

const direct = await db.connect({ direct: true });
same('has a connection beside the pool', await direct.one('SELECT 1 AS one'), { one: 1 });
await direct.done();

await cut('pg-promise');
await new Promise((resolve) => setTimeout(resolve, 200));
same('goes on after its idle connections were cut', await balances(), [90, 110, 100]);

await db.$pool.end();
await fails('refuses work after its end', balances());
await gone('pg-promise');
