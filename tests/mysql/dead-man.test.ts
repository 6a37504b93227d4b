// Sessions that nobody uses any more, because whoever held them is frozen: the server ends them by itself.

import { createMysqlPool, mysqlFactory, type MysqlConnection } from 'millpond/mysql';
import { expect, it } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onMariadb } from '../support/mariadb.ts';
import { DeadMan } from '../../packages/millpond/src/adapters/mysql/dead-man.ts';

const TIMEOUTS = 'SELECT @@SESSION.wait_timeout AS session, @@SESSION.idle_transaction_timeout AS transaction_';

const timeouts = async (connection: MysqlConnection): Promise<unknown> => {
  const [[row]] = await connection.query(TIMEOUTS) as [[unknown]];
  return row;
};

onMariadb('a session that nobody uses', (stage) => {
  it('is ended by the server, and whoever was frozen meets a new one', async () => {
    await stage.watcher.query('CREATE TABLE held (n int PRIMARY KEY) ENGINE = InnoDB');
    const options = await stage.options('frozen');
    // A factory alone: nobody closes or pings what idles, as in a process that is frozen.
    const factory = mysqlFactory({ ...options, sessionIdleTimeoutMs: 1_000, transactionIdleTimeoutMs: 1_000 });
    const context = { signal: new AbortController().signal, attempt: 1 };
    const [idle, holding] = [await factory.create(context), await factory.create(context)];
    await holding.beginTransaction();
    await holding.query('INSERT INTO held VALUES (1)');
    await until('both to be ended', () => stage.watcher.count('frozen'), (count) => count === 0);
    expect(await stage.watcher.query('SELECT n FROM held')).toEqual([]);
    for (const connection of [idle, holding]) {
      await until('it to be noticed', () => factory.isBroken?.(connection), (broken) => broken === true);
      await factory.destroy(connection, { reason: 'broken', signal: context.signal });
    }
  });

  it('is told so at its start, with a function as runtime, and once more after a reset', async () => {
    await using pool = createMysqlPool({ ...await stage.options('function'), runtime: 'function', reset: 'reset', max: 1 });
    for (let i = 0; i < 3; i++) expect(await pool.use(timeouts)).toEqual({ session: 30, transaction_: 30 });
    expect(pool.stats()).toMatchObject({ totals: { created: 1 } });
    await using server = createMysqlPool({ ...await stage.options('server'), runtime: 'server' });
    expect(await server.use(timeouts)).toEqual({ session: 28_800, transaction_: 0 });
  });

  it('is told in whole seconds, never sooner than asked', async () => {
    await using pool = createMysqlPool({ ...await stage.options('seconds'), sessionIdleTimeoutMs: 9_100, transactionIdleTimeoutMs: 200 });
    expect(await pool.use(timeouts)).toEqual({ session: 10, transaction_: 1 });
    expect(await failureOf(Promise.resolve().then(() => createMysqlPool({ sessionIdleTimeoutMs: 5_000, idleTimeoutMs: 5_000 }))))
      .toMatchObject({ option: 'idleTimeoutMs' });
  });
});

it('what a server is told depends on what it knows, and one that refuses is not asked again', () => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => { warnings.push(message); };
  const both = { sessionIdleTimeoutMs: 30_000, transactionIdleTimeoutMs: 10_000 };
  const deadMan = new DeadMan(both, {}, () => 'orders');
  expect(deadMan.statement('8.0.40')).toBe('SET SESSION wait_timeout = 30');
  expect(deadMan.statement('10.2.44-MariaDB')).toBe('SET SESSION wait_timeout = 30');
  expect(deadMan.statement('5.5.5-10.11.19-MariaDB-log')).toBe('SET SESSION wait_timeout = 30, SESSION idle_transaction_timeout = 10');
  expect(deadMan.statement('11.4.2-MariaDB')).toContain('idle_transaction_timeout');
  expect(new DeadMan({}, {}, () => 'orders').statement('11.4.2-MariaDB')).toBeUndefined();
  process.on('warning', onWarning);
  expect(() => deadMan.failed(new Error('read ECONNRESET'))).toThrow('ECONNRESET');
  deadMan.failed(Object.assign(new Error('Unknown system variable'), { errno: 1193, sqlState: 'HY000' }));
  expect(deadMan.statement('8.0.40')).toBeUndefined();
  process.off('warning', onWarning);
  expect(warnings).toEqual([]); // nobody had asked for it by name
});
