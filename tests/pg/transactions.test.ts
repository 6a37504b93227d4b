// transaction(): what is committed, what is rolled back, what is run again.

import { createPgPool, TransactionFailedError, type PgClient, type PgPool } from 'millpond/pg';
import { expect, it, vi } from 'vitest';
import { until } from '../support/postgres.ts';
import { onEachPostgres, type Stage } from '../support/suite.ts';

const first = async (client: { query: PgClient['query'] }, text: string): Promise<unknown> => {
  const { rows } = await client.query<Record<string, unknown>>(text);
  return Object.values(rows[0] ?? {})[0];
};

/** A table of accounts, under a name of its own. */
async function accounts(pool: PgPool, name: string): Promise<void> {
  await pool.query(`CREATE TABLE ${name} (id int PRIMARY KEY, amount int NOT NULL)`);
  await pool.query(`INSERT INTO ${name} VALUES (1, 100), (2, 100)`);
}

onEachPostgres('transactions', (stage) => {
  it('commits what the function did, and returns what it returned', async () => {
    await using pool = createPgPool(stage.options('commit'));
    await accounts(pool, 'committed');
    const amount = await pool.transaction(async (client) => {
      await client.query('UPDATE committed SET amount = 50 WHERE id = 1');
      return first(client, 'SELECT amount FROM committed WHERE id = 1');
    });
    expect(amount).toBe(50);
    expect(await pool.use((client) => first(client, 'SELECT amount FROM committed WHERE id = 1'))).toBe(50);
  });

  it('rolls back when the function throws, before the caller is told', async () => {
    await using pool = createPgPool({ ...stage.options('rollback'), reset: 'none', max: 1 });
    await accounts(pool, 'rolled_back');
    const mistake = new Error('mine');
    await expect(pool.transaction(async (client) => {
      await client.query('UPDATE rolled_back SET amount = 0');
      throw mistake;
    })).rejects.toBe(mistake);
    expect((await pool.query('SELECT sum(amount)::int AS sum FROM rolled_back')).rows).toEqual([{ sum: 200 }]);
    const [backend] = await stage.observer.backends('rollback');
    expect(backend?.state).toBe('idle');
    expect(pool.stats().totals.created).toBe(1);
  });

  it('does not call it a success when an error was swallowed and the server rolled back', async () => {
    await using pool = createPgPool(stage.options('swallow'));
    await accounts(pool, 'swallowed');
    const swallowing = pool.transaction(async (client) => {
      await client.query('UPDATE swallowed SET amount = 0');
      await client.query('SELECT 1/0').catch(() => undefined);
      return 'fine';
    });
    await expect(swallowing).rejects.toBeInstanceOf(TransactionFailedError);
    await expect(swallowing).rejects.toMatchObject({ code: 'ERR_POOL_TRANSACTION_FAILED', retryable: false });
    expect((await pool.query('SELECT sum(amount)::int AS sum FROM swallowed')).rows).toEqual([{ sum: 200 }]);
  });

  it('does not call it a success when COMMIT comes back as ROLLBACK', async () => {
    await using pool = createPgPool(stage.options('late-error'));
    const forgetful = pool.transaction((client) => {
      void client.query('SELECT 1/0').catch(() => undefined); // not awaited: it fails when the function has long returned
    });
    await expect(forgetful).rejects.toBeInstanceOf(TransactionFailedError);
  });

  it('begins as it is told', async () => {
    await using pool = createPgPool(stage.options('modes'));
    const modes = (client: PgClient): Promise<unknown> => first(client,
      `SELECT concat_ws(',', current_setting('transaction_isolation'), current_setting('transaction_read_only'),
        current_setting('transaction_deferrable'))`);
    expect(await pool.transaction(modes)).toBe('read committed,off,off');
    expect(await pool.transaction(modes, { isolation: 'repeatable read' })).toBe('repeatable read,off,off');
    expect(await pool.transaction(modes, { isolation: 'serializable', readOnly: true, deferrable: true })).toBe('serializable,on,on');
    expect(await pool.transaction(modes, { isolation: 'read uncommitted', readOnly: false, deferrable: false }))
      .toBe('read uncommitted,off,off');
    await expect(pool.transaction(modes, { isolation: 'dirty' as 'serializable' })).rejects.toThrow(/isolation is "dirty"/);
    await expect(pool.transaction(modes, { retry: -1 })).rejects.toThrow(/retry is -1/);
  });

  it('runs again after a serialization failure, as often as allowed and no more', async () => {
    await using pool = createPgPool(stage.options('serialize'));
    await accounts(pool, 'serialized');
    const run = async (retry: boolean | number): Promise<number> => {
      let runs = 0;
      await pool.transaction(async (client) => {
        runs++;
        await client.query('SELECT amount FROM serialized WHERE id = 1');
        // Somebody else is faster, each time.
        if (runs <= 2) await pool.query('UPDATE serialized SET amount = amount + 1 WHERE id = 1');
        await client.query('UPDATE serialized SET amount = amount + 10 WHERE id = 1');
      }, { isolation: 'repeatable read', retry });
      return runs;
    };
    expect(await run(true)).toBe(3);
    expect(await run(2)).toBe(3);
    await expect(run(1)).rejects.toMatchObject({ code: '40001' });
    await expect(run(false)).rejects.toMatchObject({ code: '40001' });
    expect((await pool.query('SELECT amount FROM serialized WHERE id = 1')).rows).toEqual([{ amount: 100 + 2 + 10 + 2 + 10 + 2 + 1 }]);
  });

  it('runs the victim of a deadlock again', async () => {
    await using pool = createPgPool(stage.options('deadlock'));
    await accounts(pool, 'deadlocked');
    let runs = 0;
    let holding = 0;
    const cross = (from: number, to: number): Promise<void> => pool.transaction(async (client) => {
      runs++;
      await client.query('SET LOCAL deadlock_timeout = 100');
      await client.query('UPDATE deadlocked SET amount = amount + 1 WHERE id = $1', [from]);
      holding++;
      await until('both to hold one', () => holding, (seen) => seen >= 2);
      await client.query('UPDATE deadlocked SET amount = amount + 1 WHERE id = $1', [to]);
    }, { retry: true });
    await Promise.all([cross(1, 2), cross(2, 1)]);
    expect(runs).toBe(3);
    expect((await pool.query('SELECT amount FROM deadlocked')).rows).toEqual([{ amount: 102 }, { amount: 102 }]);
  });

  it('runs nothing again for any other error', async () => {
    await using pool = createPgPool(stage.options('no-retry'));
    const fn = vi.fn(async (client: PgClient) => { await client.query('SELECT 1/0'); });
    await expect(pool.transaction(fn, { retry: 5 })).rejects.toMatchObject({ code: '22012' });
    const other = vi.fn(() => { throw new Error('40001 in words only'); });
    await expect(pool.transaction(other, { retry: 5 })).rejects.toThrow('40001');
    expect([fn.mock.calls.length, other.mock.calls.length]).toEqual([1, 1]);
  });

  it('finds the code of the server under the wrappings of others', async () => {
    await using pool = createPgPool(stage.options('wrapped'));
    let runs = 0;
    await pool.transaction(() => {
      if (++runs === 1) throw new Error('Failed query', { cause: Object.assign(new Error('conflict'), { code: '40001' }) });
    }, { retry: 1 });
    expect(runs).toBe(2);
  });

  it('lets go of the connection between two runs', async () => {
    await using pool = createPgPool({ ...stage.options('lets-go'), max: 1, nested: 'error' });
    let runs = 0;
    const conflicting = pool.transaction(() => {
      if (++runs === 1) throw Object.assign(new Error('conflict'), { code: '40001' });
    }, { retry: 1 });
    await conflicting;
    expect(pool.stats().totals.served).toBe(2);
  });

  it('tells a nested acquire from a retry', async () => {
    await using pool = createPgPool({ ...stage.options('nested'), max: 1, nested: 'error' });
    await expect(pool.transaction(() => pool.query('SELECT 1'))).rejects.toMatchObject({ code: 'ERR_POOL_NESTED_ACQUIRE' });
    const twice = pool.transaction(() => pool.transaction(() => 1), { retry: 3 });
    await expect(twice).rejects.toMatchObject({ code: 'ERR_POOL_NESTED_ACQUIRE' });
    expect(pool.stats()).toMatchObject({ borrowed: 0, waiting: 0 });
  });

  leavers(stage);
});

/** Callers that leave in the middle. */
function leavers(stage: Stage): void {
  it('rejects at once when its deadline passes, cancels what runs, and gives a clean connection back', async () => {
    await using pool = createPgPool({ ...stage.options('tx-deadline'), max: 1 });
    await expect(pool.transaction((client) => client.query('SELECT pg_sleep(30)'), { timeoutMs: 200 }))
      .rejects.toMatchObject({ code: 'ERR_POOL_QUERY_TIMEOUT' });
    const stats = await until('the connection to come back', () => pool.stats(), (seen) => seen.idle === 1);
    expect(stats.totals.created).toBe(1);
    expect((await stage.observer.backends('tx-deadline')).map((each) => each.state)).toEqual(['idle']);
  });

  it('rejects with the reason of the signal, and never commits afterwards', async () => {
    await using pool = createPgPool({ ...stage.options('tx-abort'), max: 1 });
    await accounts(pool, 'aborted');
    const controller = new AbortController();
    const reason = new Error('gone');
    let finish = (): void => undefined;
    const slow = new Promise<void>((resolve) => { finish = resolve; });
    const transaction = pool.transaction(async (client) => {
      await client.query('UPDATE aborted SET amount = 0');
      controller.abort(reason);
      await slow; // it does not notice, and returns as if nothing had happened
    }, { signal: controller.signal });
    await expect(transaction).rejects.toBe(reason);
    expect(pool.stats().borrowed).toBe(1);
    finish();
    await until('the connection to come back', () => pool.stats().idle, (idle) => idle === 1);
    expect((await pool.query('SELECT sum(amount)::int AS sum FROM aborted')).rows).toEqual([{ sum: 200 }]);
    expect(pool.stats().totals.created).toBe(1);
  });

  it('closes the connection of a function that goes on for too long', async () => {
    await using pool = createPgPool({ ...stage.options('tx-stubborn'), max: 1, cancelTimeoutMs: 200 });
    const controller = new AbortController();
    let finish = (): void => undefined;
    const ends = new Promise<void>((resolve) => { finish = resolve; });
    let tell: (outcome: unknown) => void = () => undefined;
    const last = new Promise((resolve) => { tell = resolve; });
    const stubborn = pool.transaction(async (client) => {
      queueMicrotask(() => controller.abort());
      await ends;
      await client.query('SELECT 1').then(() => tell('it ran'), tell);
    }, { signal: controller.signal });
    await expect(stubborn).rejects.toMatchObject({ name: 'AbortError' });
    await until('the connection to be gone', () => stage.observer.count('tx-stubborn'), (count) => count === 0);
    finish();
    expect(await last).toBeInstanceOf(Error);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
}
