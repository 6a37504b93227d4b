import { AggregateError, Pool, TimeoutError, type FactoryOptions } from '@millpond/sequelize-pool';
import { describe, expect, it } from 'vitest';

class Line {
  alive = true;
}

interface Books {
  readonly made: Line[];
  readonly unmade: Line[];
  most: number;
}

function poolOf(options: Partial<FactoryOptions<Line>> = {}): { pool: Pool<Line>; books: Books } {
  const books: Books = { made: [], unmade: [], most: 0 };
  const pool = new Pool<Line>({
    min: 0,
    max: 2,
    create: async () => {
      const line = new Line();
      books.made.push(line);
      books.most = Math.max(books.most, books.made.length - books.unmade.length);
      return line;
    },
    destroy: async (line) => {
      await Promise.resolve();
      books.unmade.push(line);
    },
    validate: (line) => line.alive,
    ...options,
  });
  return { pool, books };
}

describe('sequelize-pool on the engine', () => {
  it('lends what is there, makes what is missing, and lets the others wait in line', async () => {
    const { pool, books } = poolOf();
    const [one, two] = await Promise.all([pool.acquire(), pool.acquire()]);
    const order: string[] = [];
    const third = pool.acquire().then((line) => { order.push('third'); return line; });
    const fourth = pool.acquire().then((line) => { order.push('fourth'); return line; });
    expect([pool.size, pool.using, pool.available, pool.waiting, pool.maxSize, pool.minSize]).toEqual([2, 2, 0, 2, 2, 0]);
    pool.release(one);
    pool.release(two);
    expect([await third, await fourth]).toEqual([one, two]);
    expect(order).toEqual(['third', 'fourth']);
    expect(books.made).toHaveLength(2);
  });

  it('makes nothing before it is asked, not for min either, unless told to', async () => {
    const { books } = poolOf({ min: 2 });
    await new Promise(setImmediate);
    expect(books.made).toHaveLength(0);
    const eager = poolOf({ min: 2, millpond: { fill: true } });
    await new Promise(setImmediate);
    expect(eager.books.made).toHaveLength(2);
  });

  it('tells who waits too long with a TimeoutError that says more in its cause', async () => {
    const { pool } = poolOf({ max: 1, acquireTimeoutMillis: 20 });
    await pool.acquire();
    const error = await pool.acquire().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ message: 'Operation timeout', cause: { code: 'ERR_POOL_ACQUIRE_TIMEOUT' } });
    expect(pool.waiting).toBe(0);
  });

  it('passes on what create rejects with, to one caller each', async () => {
    const refusal = new Error('no more');
    const { pool } = poolOf({ create: () => Promise.reject(refusal) });
    await expect(pool.acquire()).rejects.toBe(refusal);
    await expect(Promise.allSettled([pool.acquire(), pool.acquire(), pool.acquire()])).resolves.toMatchObject(
      [1, 2, 3].map(() => ({ status: 'rejected', reason: refusal })),
    );
    expect(pool.size).toBe(0);
  });

  it('lends nothing that validate refuses', async () => {
    const { pool, books } = poolOf();
    const line = await pool.acquire();
    pool.release(line);
    line.alive = false;
    expect(await pool.acquire()).not.toBe(line);
    expect(books.unmade).toEqual([line]);
  });

  it('asks validate before a resource is lent again, and at no other time', async () => {
    const asked: Line[] = [];
    const { pool, books } = poolOf({ max: 1, validate: (line) => {
      asked.push(line);
      return line.alive;
    } });
    const line = await pool.acquire();
    line.alive = false;
    pool.release(line);
    expect([asked, pool.available]).toEqual([[], 1]);
    const second = await pool.acquire();
    expect([asked, books.unmade]).toEqual([[line], [line]]);
    const waiting = pool.acquire();
    second.alive = false;
    pool.release(second);
    expect(await waiting).not.toBe(second);
    expect(asked).toEqual([line, second]);
  });

  it('tells its log what it lends and makes', async () => {
    const said: string[] = [];
    const { pool } = poolOf({ log: (message, level) => said.push(`${level}: ${message}`) });
    pool.release(await pool.acquire());
    await pool.acquire();
    expect(said).toEqual([
      'info: dispense() clients=1 available=0', 'verbose: createResource() - creating obj - count=1 min=0 max=2',
      'info: dispense() clients=1 available=1', 'verbose: dispense() - reusing obj',
    ]);
  });

  it('takes 0 for not given', async () => {
    const { pool, books } = poolOf({ idleTimeoutMillis: 0, acquireTimeoutMillis: 0, reapIntervalMillis: 0, maxUses: 0 });
    const { idleTimeoutMillis, acquireTimeoutMillis, reapIntervalMillis, maxUsesPerResource } = pool;
    expect([idleTimeoutMillis, acquireTimeoutMillis, reapIntervalMillis, maxUsesPerResource]).toEqual([30_000, 30_000, 1_000, Infinity]);
    for (let i = 0; i < 3; i++) pool.release(await pool.acquire());
    expect([books.made.length, pool.available]).toEqual([1, 1]);
  });

  it('retires after maxUses, and what has been idle for too long', async () => {
    const used = poolOf({ maxUses: 2 });
    for (let i = 0; i < 4; i++) used.pool.release(await used.pool.acquire());
    expect(used.books.made).toHaveLength(2);
    const idle = poolOf({ idleTimeoutMillis: 5 });
    idle.pool.release(await idle.pool.acquire());
    await expect.poll(() => idle.books.unmade.length, { timeout: 30_000 }).toBe(1);
    expect(idle.pool.size).toBe(0);
  });

  it('counts what is being destroyed for max', async () => {
    let end = (): void => {};
    const { pool, books } = poolOf({ max: 1, destroy: (line) => new Promise<void>((resolve) => {
      end = () => {
        books.unmade.push(line);
        resolve();
      };
    }) });
    const line = await pool.acquire();
    const destroyed = pool.destroy(line);
    const next = pool.acquire();
    await new Promise(setImmediate);
    expect([pool.size, books.made.length]).toEqual([0, 1]);
    end();
    await destroyed;
    await next;
    expect([books.made.length, books.most]).toEqual([2, 1]);
  });

  it('reports a release of something that is not in use, and harms nobody', async () => {
    const said: string[] = [];
    const { pool } = poolOf({ max: 1, log: (message, level) => said.push(`${level}: ${message}`) });
    const line = await pool.acquire();
    pool.release(line);
    pool.release(line);
    pool.release(new Line());
    const complaint = 'error: release of a resource that is not in use';
    expect(said.filter((message) => message.startsWith('error'))).toEqual([complaint, complaint]);
    expect([pool.available, pool.using]).toEqual([1, 0]);
    await pool.destroy(new Line());
    expect(pool.available).toBe(1);
  });

  it('with handles, does not take a resource from its new borrower when the old one releases it again', async () => {
    const said: string[] = [];
    const { pool, books } = poolOf({ max: 1, log: (message) => said.push(message), millpond: { handles: true } });
    const old = await pool.acquire();
    pool.release(old);
    const mine = await pool.acquire();
    expect(mine).not.toBe(old);
    pool.release(old);
    expect([pool.using, said.at(-1)]).toEqual([1, 'release of a resource that is not in use']);
    await pool.destroyAllNow();
    expect(books.unmade).toEqual([]);
    await pool.destroy(mine);
    expect(books.unmade).toEqual(books.made);
    expect(pool.size).toBe(0);
  });

  it('rejects a destroy as the factory does, and several as one', async () => {
    const stuck = new Error('stuck');
    const { pool } = poolOf({ destroy: () => Promise.reject(stuck) });
    await expect(pool.destroy(await pool.acquire())).rejects.toBe(stuck);
    const lines = await Promise.all([pool.acquire(), pool.acquire()]);
    for (const line of lines) pool.release(line);
    await pool.drain();
    const error = await pool.destroyAllNow().catch((reason: unknown) => reason as AggregateError);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([stuck, stuck]);
  });

  it('drains: serves who waits, refuses who comes, waits for what is in use', async () => {
    const { pool, books } = poolOf({ max: 1 });
    const line = await pool.acquire();
    const waiting = pool.acquire();
    let drained = false;
    const draining = pool.drain().then(() => { drained = true; });
    await expect(pool.acquire()).rejects.toThrow('pool is draining and cannot accept work');
    pool.release(line);
    const served = await waiting;
    await new Promise(setImmediate);
    expect(drained).toBe(false);
    pool.release(served);
    await draining;
    await pool.destroyAllNow();
    expect([pool.size, books.made.length, books.unmade.length]).toEqual([0, 1, 1]);
  });

  it('drains until its deadline when something does not come back, if it has one', async () => {
    const { pool, books } = poolOf({ millpond: { drainDeadlineMs: 10 } });
    const line = await pool.acquire();
    await pool.drain();
    await expect.poll(() => books.unmade).toEqual([line]);
    pool.release(line);
    expect(pool.size).toBe(0);
  });

  it('refuses options that cannot be meant', () => {
    const wrong: Partial<FactoryOptions<Line>>[] = [{ min: -1 }, { max: 0 }, { min: 3 }, { max: 1.5 }, { maxUses: -1 }];
    for (const options of wrong) expect(() => poolOf(options)).toThrow(/min|max/);
    expect(() => new Pool({ min: 0, max: 1 } as FactoryOptions<Line>)).toThrow('create function is required');
  });
});
