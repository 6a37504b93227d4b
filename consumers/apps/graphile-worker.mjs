import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { ask, gone, same, urlFor } from './lib.mjs';

await ask('DROP SCHEMA IF EXISTS graphile_worker CASCADE');
const pgPool = new pg.Pool({ connectionString: urlFor('graphile-worker'), max: 5 });
const logger = new Logger(() => () => {});
const heard = [];
// It warns of pools that nobody listens to.
pgPool.on('error', (error) => heard.push(error));
pgPool.on('connect', (client) => client.on('error', (error) => heard.push(error)));

const utils = await makeWorkerUtils({ pgPool, logger });
await utils.migrate();
await utils.addJob('greet', { name: 'ada' });
const greeted = [];
let attempts = 0;
let all;
const done = new Promise((resolve) => { all = resolve; });
const runner = await run({
  pgPool, logger, concurrency: 3, pollInterval: 200, noHandleSignals: true,
  taskList: {
    async greet({ name }, { withPgClient }) {
      const { rows } = await withPgClient((client) => client.query('SELECT $1::text AS name', [name]));
      greeted.push(rows[0].name);
      if (greeted.length === 21) all();
    },
    async stumble() {
      attempts++;
      throw new Error('not today');
    },
  },
});
await utils.addJob('stumble', {}, { maxAttempts: 1 });
await Promise.all(Array.from({ length: 20 }, (_, index) => utils.addJob('greet', { name: `n${index}` })));
await done;
same('works through twenty-one', new Set(greeted).size, 21);
while ((await ask('SELECT count(*)::int AS count FROM graphile_worker.jobs WHERE last_error IS NOT NULL'))[0].count < 1) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
same('keeps what failed', attempts, 1);
await runner.stop();
await utils.release();
same('without an error of the pool', heard, []);
await pgPool.end();
await gone('graphile-worker');
