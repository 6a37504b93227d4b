// Transactions: commit, rollback, retries, and callers that leave in the middle.

import { createMysqlPool, TransactionFailedError, type MysqlConnection, type MysqlPool } from 'millpond/mysql';
import { expect, it, vi } from 'vitest';
import { failureOf, until } from '../support/postgres.ts';
import { onMariadb, type MariadbStage } from '../support/mariadb.ts';
import { TcpProxy } from '../support/proxy.ts';

async function accounts(stage: MariadbStage, table: string): Promise<void> {
  await stage.watcher.query(`CREATE TABLE ${table} (id int PRIMARY KEY, amount int NOT NULL) ENGINE = InnoDB`);
  await stage.watcher.query(`INSERT INTO ${table} VALUES (1, 100), (2, 100)`);
}

const amounts = async (stage: MariadbStage, table: string): Promise<number[]> =>
  (await stage.watcher.query<{ amount: number }>(`SELECT amount FROM ${table} ORDER BY id`)).map(({ amount }) => amount);

const add = (connection: MysqlConnection, table: string, id: number, amount: number): Promise<unknown> =>
  connection.query(`UPDATE ${table} SET amount = amount + ? WHERE id = ?`, [amount, id]);

onMariadb('transactions', (stage) => {
  it('commit what their function did when it returns, and nothing of it when it fails', async () => {
    await accounts(stage, 'plain');
    await using pool = createMysqlPool({ ...await stage.options('plain'), max: 1 });
    expect(await pool.transaction(async (connection) => {
      await add(connection, 'plain', 1, -10);
      await add(connection, 'plain', 2, 10);
      return 'done';
    })).toBe('done');
    const reason = new Error('changed my mind');
    await expect(pool.transaction(async (connection) => {
      await add(connection, 'plain', 1, 1_000);
      throw reason;
    })).rejects.toBe(reason);
    await expect(pool.transaction(async (connection) => {
      await add(connection, 'plain', 1, 1_000);
      await connection.query('INSERT INTO plain VALUES (1, 1)');
    })).rejects.toMatchObject({ errno: 1062 });
    expect(await amounts(stage, 'plain')).toEqual([90, 110]);
    expect(pool.stats()).toMatchObject({ idle: 1, totals: { created: 1 } });
  });

  it('begin as they are told to, for themselves alone', async () => {
    await accounts(stage, 'told');
    await using pool = createMysqlPool({ ...await stage.options('told'), max: 1 });
    const read = 'SELECT amount FROM told WHERE id = 1';
    /** Whether a row that was read is locked, and whether a change of it is seen. */
    const look = (isolation?: 'read committed' | 'serializable'): Promise<unknown[]> => pool.transaction(async (connection) => {
      const [[before]] = await connection.query(read) as [[{ amount: number }]];
      const locked = await failureOf(stage.watcher.query(`${read} FOR UPDATE NOWAIT`)) !== undefined;
      if (!locked) await stage.watcher.query('UPDATE told SET amount = amount + 1 WHERE id = 1');
      const [[after]] = await connection.query(read) as [[{ amount: number }]];
      return [locked, after.amount !== before.amount];
    }, isolation === undefined ? {} : { isolation });
    expect(await look('read committed')).toEqual([false, true]);
    expect(await look('serializable')).toEqual([true, false]);
    expect(await look()).toEqual([false, false]);
    const writes = pool.transaction((connection) => add(connection, 'told', 1, 1), { readOnly: true });
    await expect(writes).rejects.toMatchObject({ errno: 1792 });
    await expect(pool.transaction(() => 1, { isolation: 'chaos' as 'serializable' })).rejects.toBeInstanceOf(TypeError);
    await expect(pool.transaction(() => 1, { retry: -1 })).rejects.toBeInstanceOf(TypeError);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('leave alone what their function has ended itself', async () => {
    await accounts(stage, 'ended');
    await using pool = createMysqlPool({ ...await stage.options('ended'), max: 1 });
    await pool.transaction(async (connection) => {
      await add(connection, 'ended', 1, 5);
      await connection.commit();
    });
    await pool.transaction(async (connection) => {
      await add(connection, 'ended', 1, 5_000);
      await connection.rollback();
    });
    expect(await amounts(stage, 'ended')).toEqual([105, 100]);
  });

  it('commit after an error that their function expected and the server survived', async () => {
    await accounts(stage, 'expected');
    await using pool = createMysqlPool({ ...await stage.options('expected'), max: 1 });
    await pool.transaction(async (connection) => {
      await add(connection, 'expected', 1, 1);
      await failureOf(connection.query('INSERT INTO expected VALUES (1, 1)'));
    });
    await pool.transaction(async (connection) => {
      await failureOf(connection.query('INSERT INTO expected VALUES (1, 1)'));
      await add(connection, 'expected', 1, 1);
    });
    expect(await amounts(stage, 'expected')).toEqual([102, 100]);
  });

  deadlocks(stage);
  leavers(stage);
});

/** Two transactions that wait for each other: the server ends one of them. */
function deadlocks(stage: MariadbStage): void {
  /** Runs both; `onVictim` is what the victim's function does about it. */
  const cross = async (
    pool: MysqlPool, table: string, retry: boolean, onVictim: (error: unknown, connection: MysqlConnection) => unknown,
  ): Promise<{ runs: number; outcomes: PromiseSettledResult<unknown>[] }> => {
    let runs = 0;
    let holding = 0;
    const one = (from: number, to: number): Promise<unknown> => pool.transaction(async (connection) => {
      runs++;
      await add(connection, table, from, 1);
      holding++;
      await until('both to hold one', () => holding, (seen) => seen >= 2);
      await add(connection, table, to, 1).catch((error: unknown) => onVictim(error, connection));
    }, { retry });
    const outcomes = await Promise.allSettled([one(1, 2), one(2, 1)]);
    return { runs, outcomes };
  };
  const rethrow = (error: unknown): never => { throw error; };

  it('run the victim of a deadlock again, if they may', async () => {
    await accounts(stage, 'victims');
    await using pool = createMysqlPool({ ...await stage.options('victims'), max: 4 });
    const first = await cross(pool, 'victims', false, rethrow);
    expect(first.runs).toBe(2);
    expect(first.outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: { errno: 1213, sqlState: '40001' } }]);
    expect(await amounts(stage, 'victims')).toEqual([101, 101]);
    const second = await cross(pool, 'victims', true, rethrow);
    expect(second.runs).toBe(3);
    expect(second.outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(await amounts(stage, 'victims')).toEqual([103, 103]);
  });

  it('do not claim to have committed what a deadlock undid, whatever their function did then', async () => {
    await accounts(stage, 'swallowed');
    await using pool = createMysqlPool({ ...await stage.options('swallowed'), max: 4 });
    const ways: ((error: unknown, connection: MysqlConnection) => unknown)[] = [
      () => undefined, (_error, connection) => connection.query('SELECT amount FROM swallowed'),
    ];
    for (const way of ways) {
      const { outcomes } = await cross(pool, 'swallowed', false, way);
      const [failed, ...others] = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
      expect(others).toEqual([]);
      expect(failed!.reason).toBeInstanceOf(TransactionFailedError);
      expect(failed!.reason).toMatchObject({ code: 'ERR_POOL_TRANSACTION_FAILED', cause: { errno: 1213 } });
    }
    // With a retry it is run again, for its cause is a deadlock.
    const { outcomes, runs } = await cross(pool, 'swallowed', true, () => undefined);
    expect([runs, ...outcomes.map(({ status }) => status)]).toEqual([3, 'fulfilled', 'fulfilled']);
    expect(await amounts(stage, 'swallowed')).toEqual([104, 104]);
  });

  it('do not claim to have committed what is undone by a statement that their function has not waited for', async () => {
    await accounts(stage, 'unawaited');
    await using pool = createMysqlPool({ ...await stage.options('unawaited'), max: 2 });
    let holding = 0;
    const unawaited: Promise<unknown>[] = [];
    const one = (from: number, to: number): Promise<unknown> => pool.transaction(async (connection) => {
      await add(connection, 'unawaited', from, 1);
      holding++;
      await until('both to hold one', () => holding, (seen) => seen === 2);
      unawaited.push(failureOf(add(connection, 'unawaited', to, 1)));
    });
    const outcomes = await Promise.allSettled([one(1, 2), one(2, 1)]);
    await Promise.all(unawaited);
    expect(outcomes.filter(({ status }) => status === 'rejected'))
      .toMatchObject([{ reason: { code: 'ERR_POOL_TRANSACTION_FAILED', cause: { errno: 1213 } } }]);
    expect(await amounts(stage, 'unawaited')).toEqual([101, 101]);
  });

  it('are run again after a lock wait timeout, and after nothing else', async () => {
    await accounts(stage, 'locked');
    await using pool = createMysqlPool({ ...await stage.options('locked'), max: 2 });
    const lease = await pool.acquire();
    await lease.resource.beginTransaction();
    await add(lease.resource, 'locked', 1, 1);
    let runs = 0;
    await pool.transaction(async (connection) => {
      await connection.query('SET innodb_lock_wait_timeout = 1');
      if (++runs === 2) await lease.resource.commit();
      await add(connection, 'locked', 1, 1);
    }, { retry: 1 });
    expect(runs).toBe(2);
    lease.release();
    const other = vi.fn((connection: MysqlConnection) => connection.query('SELECT nonsense'));
    await expect(pool.transaction(other, { retry: 5 })).rejects.toMatchObject({ errno: 1054 });
    expect(other).toHaveBeenCalledTimes(1);
    let wrapped = 0;
    await pool.transaction(() => {
      if (++wrapped === 1) throw new Error('Failed query', { cause: Object.assign(new Error('conflict'), { errno: 1020 }) });
    }, { retry: 1 });
    expect(wrapped).toBe(2);
    expect(await amounts(stage, 'locked')).toEqual([102, 100]);
  });
}

/** Callers that leave in the middle. */
function leavers(stage: MariadbStage): void {
  it('reject at once when their deadline passes, end what runs, and give a clean connection back', async () => {
    await using pool = createMysqlPool({ ...await stage.options('tx-deadline'), max: 1, cancelTimeoutMs: 60_000 });
    await pool.query('SELECT 1');
    await expect(pool.transaction((connection) => connection.query('SELECT SLEEP(60)'), { timeoutMs: 300 }))
      .rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    const stats = await until('the connection to come back', () => pool.stats(), (seen) => seen.idle === 1);
    expect(stats.totals.created).toBe(1);
    await until('the server to see it at rest', () => stage.watcher.threads('tx-deadline'), ([one]) => one?.COMMAND === 'Sleep');
  });

  it('reject with the reason of the signal, and never commit afterwards', async () => {
    await accounts(stage, 'aborted');
    await using pool = createMysqlPool({ ...await stage.options('tx-abort'), max: 1, cancelTimeoutMs: 60_000 });
    const controller = new AbortController();
    const reason = new Error('gone');
    let finish = (): void => undefined;
    const slow = new Promise<void>((resolve) => { finish = resolve; });
    const transaction = pool.transaction(async (connection) => {
      await connection.query('UPDATE aborted SET amount = 0');
      controller.abort(reason);
      await slow; // it does not notice, and returns as if nothing had happened
    }, { signal: controller.signal });
    await expect(transaction).rejects.toBe(reason);
    expect(pool.stats().borrowed).toBe(1);
    finish();
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect(await amounts(stage, 'aborted')).toEqual([100, 100]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('close the connection of a function that goes on for too long', async () => {
    await using pool = createMysqlPool({ ...await stage.options('tx-stubborn'), max: 1, cancelTimeoutMs: 200 });
    const controller = new AbortController();
    let finish = (): void => undefined;
    const ends = new Promise<void>((resolve) => { finish = resolve; });
    let tell: (outcome: unknown) => void = () => undefined;
    const last = new Promise((resolve) => { tell = resolve; });
    const stubborn = pool.transaction(async (connection) => {
      queueMicrotask(() => controller.abort());
      await ends;
      await connection.query('SELECT 1').then(() => tell('it ran'), tell);
    }, { signal: controller.signal });
    await expect(stubborn).rejects.toMatchObject({ name: 'AbortError' });
    await until('the connection to be gone', () => stage.watcher.count('tx-stubborn'), (count) => count === 0);
    finish();
    expect(await last).toBeInstanceOf(Error);
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
  });

  it('say that nobody knows when the connection is lost during COMMIT', async () => {
    await accounts(stage, 'unknown');
    await using proxy = await TcpProxy.start({ port: stage.server.port });
    await using pool = createMysqlPool({ ...await stage.through(proxy, 'tx-unknown'), max: 1 });
    const lost = await failureOf(pool.transaction(async (connection) => {
      await add(connection, 'unknown', 1, 1);
      proxy.deaf = true; // the COMMIT arrives, its answer does not
      const seen = (): Promise<number[]> => amounts(stage, 'unknown');
      void until('the commit to take effect', seen, ([first]) => first === 101).then(() => proxy.cut());
    }, { retry: 5 }));
    expect(lost).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', retryable: false });
    expect(lost?.message).toContain('Whether it took effect is not known');
    expect(await amounts(stage, 'unknown')).toEqual([101, 100]);
  });
}
