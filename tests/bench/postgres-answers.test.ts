// The benchmark looks at every answer. A look that lets anything pass would not be noticed, so it is looked at here.
import { describe, expect, it } from 'vitest';
import { CONTENDERS, contenderOf } from '../../lab/src/bench/postgres/contenders/all.ts';
import { load, type LoadOptions } from '../../lab/src/bench/postgres/load.ts';
import { isDivisionByZero, isRight } from '../../lab/src/bench/postgres/workload.ts';

const OPTIONS: LoadOptions = {
  statement: 'byKey', callers: 3, warmUpMs: 4, warmUpAnswers: 3, measureMs: 4, failing: false, postmasterPid: undefined,
};

const rowOf = (key: number): unknown => ({ id: key, name: `Customer ${key}`, email: `customer-${key}@example.org`, balance: key * 7 });

/** An answer a turn of the event loop later, as every answer is. */
async function later<T>(answer: () => T): Promise<T> {
  await new Promise((resolve) => { setImmediate(resolve); });
  return answer();
}

describe('a row', () => {
  it('is right when each field is', () => {
    expect(isRight('byKey', 42, rowOf(42))).toBe(true);
    expect(isRight('pause', 42, rowOf(42))).toBe(true);
    expect(isRight('one', 42, { '?column?': 1 })).toBe(true);
    expect(isRight('quotient', 3, { quotient: 33 })).toBe(true);
  });

  it('is wrong when one field is, or when there is none', () => {
    expect(isRight('byKey', 42, rowOf(43))).toBe(false);
    for (const field of ['id', 'name', 'email', 'balance']) {
      expect(isRight('byKey', 42, { ...(rowOf(42) as object), [field]: 'x' })).toBe(false);
    }
    for (const nothing of [undefined, null, {}]) {
      expect(isRight('byKey', 42, nothing)).toBe(false);
      expect(isRight('one', 42, nothing)).toBe(false);
      expect(isRight('quotient', 3, nothing)).toBe(false);
    }
  });
});

describe('a load', () => {
  it('counts right answers', async () => {
    const result = await load((key) => later(() => rowOf(key)), OPTIONS);
    expect(result.answers).toBeGreaterThanOrEqual(30);
    expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
    expect(result.serverUs).toBeUndefined();
  });

  it('ends with the first wrong answer', async () => {
    let asked = 0;
    const ask = (key: number): Promise<unknown> => later(() => rowOf(++asked === 20 ? key + 1 : key));
    await expect(load(ask, OPTIONS)).rejects.toThrow(/a wrong answer to byKey/);
  });

  it('ends with the first error', async () => {
    let asked = 0;
    const ask = (key: number): Promise<unknown> => later(() => {
      if (++asked === 20) throw new Error('lost');
      return rowOf(key);
    });
    await expect(load(ask, OPTIONS)).rejects.toThrow('lost');
  });

  it('of failing statements takes nothing but that failure', async () => {
    const failing: LoadOptions = { ...OPTIONS, statement: 'quotient', failing: true };
    const byZero = Object.assign(new Error('division by zero'), { code: '22012' });
    expect(isDivisionByZero(byZero)).toBe(true);
    expect((await load(() => later(() => { throw byZero; }), failing)).answers).toBeGreaterThanOrEqual(30);
    await expect(load(() => later(() => { throw new Error('lost'); }), failing)).rejects.toThrow('lost');
    await expect(load(() => later(() => ({ quotient: 1 })), failing)).rejects.toThrow(/an answer where an error was due/);
  });
});

describe('the contenders', () => {
  it('have ids and names of their own', () => {
    expect(new Set(CONTENDERS.map(({ id }) => id)).size).toBe(CONTENDERS.length);
    expect(new Set(CONTENDERS.map(({ name }) => name)).size).toBe(CONTENDERS.length);
    expect(contenderOf('pg-pool').name).toBe('pg.Pool, max 10');
    expect(() => contenderOf('nobody')).toThrow(/no contender nobody/);
  });

  it('say what they lack, ours too', () => {
    expect(CONTENDERS.filter(({ lacks }) => lacks === '').map(({ id }) => id)).toEqual([]);
  });
});
