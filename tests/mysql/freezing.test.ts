// A process that is frozen runs no timers. The server takes its connections back, and when it wakes nobody is given one of those.

import { symlinkSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { compiledLibrary } from '../support/compiled.ts';
import { onMariadb } from '../support/mariadb.ts';
import { until } from '../support/postgres.ts';
import { Specimen } from '../support/specimen.ts';

const folder = compiledLibrary();
const here = createRequire(import.meta.url);

onMariadb('freezing', (stage) => {
  beforeAll(() => {
    // Where the compiled library looks for its driver.
    mkdirSync(join(folder, 'node_modules'), { recursive: true });
    symlinkSync(dirname(here.resolve('mysql2/package.json')), join(folder, 'node_modules', 'mysql2'));
  });

  const processWith = async (user: string, options: object): Promise<Specimen> => {
    const all = { ...await stage.options(user), ...options };
    const library = pathToFileURL(join(folder, 'millpond', 'adapters', 'mysql', 'index.js')).href;
    return Specimen.start(`import { createMysqlPool } from ${JSON.stringify(library)};
const pool = createMysqlPool(${JSON.stringify(all)});`);
  };
  const FILL = `const leases = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
    await Promise.all(leases.map(({ resource }) => resource.query('SELECT 1')));
    for (const lease of leases) lease.release();
    return pool.stats().borrowed;`;
  const WORK = `const once = () => pool.use(async (connection) => (await connection.query('SELECT 1 AS one'))[0][0].one);
    const answers = await Promise.all(Array.from({ length: 20 }, once));
    return answers.filter((one) => one === 1).length;`;

  it('what a frozen function holds is taken back by the server, and after it wakes nobody meets a dead connection', async () => {
    await using frozen = await processWith('function', { runtime: 'function', max: 5, idleTimeoutMs: 4_000, sessionIdleTimeoutMs: 5_000 });
    await using beside = await processWith('server', { max: 5 });
    expect(await Promise.all([frozen.ask(FILL), beside.ask(FILL)])).toEqual([0, 0]);
    await Promise.all([frozen.freeze(), beside.freeze()]);
    expect(await stage.watcher.count('function')).toBe(5);
    await until('the server to have ended what the function holds', () => stage.watcher.count('function'), (count) => count === 0);
    expect(await stage.watcher.count('server')).toBe(5);
    const work = [frozen.ask(WORK), beside.ask(WORK)];
    await Promise.all([frozen.thaw(), beside.thaw()]);
    expect(await Promise.all(work)).toEqual([20, 20]);
  });
});
