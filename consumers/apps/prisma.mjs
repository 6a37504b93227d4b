import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import prisma from '../generated/client.js';
import { accounts, fails, gone, same, urlFor } from './lib.mjs';

await accounts('prisma_account');
const pool = new pg.Pool({ connectionString: urlFor('prisma'), max: 3 });
const client = new prisma.PrismaClient({ adapter: new PrismaPg(pool) });
const balances = async () => (await client.account.findMany({ orderBy: { id: 'asc' } })).map((row) => row.balance);

same('selects', (await client.account.findUnique({ where: { id: 2 } })).name, 'bob');

await client.$transaction(async (tx) => {
  await tx.account.update({ where: { id: 1 }, data: { balance: { decrement: 10 } } });
  await tx.account.update({ where: { id: 2 }, data: { balance: { increment: 10 } } });
});
same('commits a transaction', await balances(), [90, 110, 100]);
same('is on the pool that it was given', pool.totalCount > 0, true);

await fails('passes on what ends a transaction', client.$transaction(async (tx) => {
  await tx.account.updateMany({ data: { balance: 0 } });
  throw new Error('changed my mind');
}), { message: 'changed my mind' });
same('rolls a failed transaction back', await balances(), [90, 110, 100]);

await fails('passes on an error of the server', client.account.create({ data: { id: 1, name: 'x', balance: 1 } }), { code: 'P2002' });
const kept = await Promise.all(Array.from({ length: 20 }, () => client.$transaction(async (tx) => {
  const [one] = await tx.$queryRaw`SELECT txid_current()::text AS id`;
  const [two] = await tx.$queryRaw`SELECT txid_current()::text AS id`;
  return one.id === two.id;
}, { maxWait: 30_000, timeout: 30_000 })));
same('keeps twenty transactions apart on three connections', kept.every(Boolean) && pool.totalCount <= 3, true);

const pages = [];
for (let cursor; ;) {
  const page = await client.account.findMany({ take: 2, orderBy: { id: 'asc' }, ...(cursor ? { skip: 1, cursor: { id: cursor } } : {}) });
  if (page.length === 0) break;
  pages.push(page.map((row) => row.name));
  cursor = page.at(-1).id;
}
same('reads by cursor', pages, [['ada', 'bob'], ['cyd']]);
same('reads raw', await client.$queryRaw`SELECT 1::int AS one`, [{ one: 1 }]);

await client.$disconnect();
if (!pool.ended) await pool.end();
await gone('prisma');
