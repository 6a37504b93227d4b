// The engine's chapter: everybody in it is a pool, and what is none does not get through.
import { describe, expect, it } from 'vitest';
import { CONTENDERS, contendersOf, FLOOR } from '../../lab/src/bench/engine/contenders.ts';
import { prove } from '../../lab/src/bench/engine/proof.ts';
import { lender, type Source, type Subject, type Thing } from '../../lab/src/bench/engine/subject.ts';
import { Slice } from '../../lab/src/bench/engine/slices.ts';

describe('a contender', () => {
  const pools = CONTENDERS.filter(({ id }) => id !== FLOOR).map((contender) => [contender.id, contender] as const);

  it.each(pools)('%s is a pool', async (_id, contender) => {
    await prove(await contender.load());
  });

  it('says what it leaves out, unless it is ours and leaves out nothing', () => {
    expect(CONTENDERS.filter(({ lacks, ours }) => lacks === '' && !ours).map(({ id }) => id)).toEqual([]);
    expect(new Set(CONTENDERS.map(({ id }) => id)).size).toBe(CONTENDERS.length);
  });

  it('takes part where it was asked for', () => {
    expect(contendersOf('aborts', []).map(({ id }) => id)).toEqual(['millpond', 'tarn', 'effect']);
    expect(contendersOf('aborts', ['effect', 'pg-pool']).map(({ id }) => id)).toEqual(['effect']);
  });
});

describe('the proof', () => {
  /** A pool with an idle stack and a queue, and one thing wrong with it. */
  function flawed(flaw: 'twice' | 'many' | 'few' | 'none'): (setup: { readonly max: number }, source: Source) => Subject {
    return ({ max }, source) => {
      const most = flaw === 'many' ? max + 1 : flaw === 'few' ? max - 1 : max;
      const idle: Thing[] = [];
      const waiting: ((thing: Thing) => void)[] = [];
      let live = 0;
      return lender<Thing>({
        acquire: () => new Promise((resolve) => {
          const thing = idle.pop();
          if (thing !== undefined) resolve(thing);
          else if (live < most) { live += 1; resolve(source.make()); } else waiting.push(resolve);
        }),
        release: (thing) => {
          const next = waiting.shift();
          if (next !== undefined) next(thing);
          if (next === undefined || flaw === 'twice') idle.push(thing);
        },
        thingOf: (thing) => thing,
        close: () => Promise.resolve(),
      });
    };
  }

  it.each([
    ['twice', 'to two callers at once'], ['many', '11 resources, and 10 are allowed'], ['few', '9 lent at once at most'],
  ] as const)('finds a pool that lends %s', async (flaw, words) => {
    await expect(prove(flawed(flaw))).rejects.toThrow(words);
  });

  it('lets one through that has no flaw', async () => {
    await prove(flawed('none'));
  });
});

describe('a slice', () => {
  it('runs as often in each round as it found in its warm-up', async () => {
    const sizes: number[] = [];
    const slice = new Slice((times) => {
      sizes.push(times);
      return Promise.resolve();
    }, 64);
    await slice.warmUp({ sliceMs: 1, leastOperations: 1000, mostMs: 5 });
    sizes.length = 0;
    await slice.measure();
    await slice.measure();
    expect(new Set(sizes).size).toBe(1);
    expect(sizes[0]! % 64).toBe(0);
  });
});
