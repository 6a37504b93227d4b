import PgBoss from 'pg-boss';
import { ask, gone, same, urlFor } from './lib.mjs';

await ask('DROP SCHEMA IF EXISTS pgboss CASCADE');
const boss = new PgBoss({ connectionString: urlFor('pg-boss'), max: 4, schema: 'pgboss', supervise: false, schedule: false });
const errors = [];
boss.on('error', (error) => errors.push(error));
await boss.start();
await boss.createQueue('mails');

const id = await boss.send('mails', { to: 'ada' });
same('sends', typeof id, 'string');
const [job] = await boss.fetch('mails');
same('fetches', job.data, { to: 'ada' });
await boss.complete('mails', job.id);
same('completes', (await boss.getJobById('mails', id)).state, 'completed');

const failing = await boss.send('mails', { to: 'bob' }, { retryLimit: 0 });
const [taken] = await boss.fetch('mails');
await boss.fail('mails', taken.id, new Error('no such mailbox'));
same('fails', (await boss.getJobById('mails', failing)).state, 'failed');

await Promise.all(Array.from({ length: 50 }, (_, index) => boss.send('mails', { index })));
const worked = new Set();
let all;
const done = new Promise((resolve) => { all = resolve; });
await boss.work('mails', { batchSize: 10, pollingIntervalSeconds: 0.5 }, async (jobs) => {
  for (const each of jobs) worked.add(each.data.index);
  if (worked.size === 50) all();
});
await done;
same('works through fifty', worked.size, 50);
same('without an error', errors, []);
await boss.stop({ graceful: true, wait: true, timeout: 30_000 });
await gone('pg-boss');
