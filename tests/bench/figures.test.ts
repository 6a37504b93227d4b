// The figures: medians, ratios round by round, verdicts, and the rounds they come from.
import { describe, expect, it } from 'vitest';
import { inRounds } from '../../lab/src/bench/harness/rounds.ts';
import type { Station } from '../../lab/src/bench/harness/station.ts';
import { exactly, figure, median, ratio, tail, target } from '../../lab/src/bench/harness/statistics.ts';

describe('a figure', () => {
  it('is the median with the lowest and the highest, in whatever order they came', () => {
    expect(figure([5, 1, 100])).toEqual({ median: 5, low: 1, high: 100 });
    expect(figure([4, 1, 3, 2])).toEqual({ median: 2.5, low: 1, high: 4 });
    expect(figure([7])).toEqual(exactly(7));
  });

  it('leaves out what is no number, and is none where nothing is left', () => {
    expect(figure([NaN, 3, Infinity])).toEqual(exactly(3));
    expect(figure([])).toBeUndefined();
    expect(figure([NaN])).toBeUndefined();
    expect(median([])).toBeNaN();
  });

  it('leaves what it was given as it was', () => {
    const values = [3, 1, 2];
    figure(values);
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('a ratio', () => {
  it('is taken round by round, so that a slow round of both cancels out', () => {
    expect(ratio([10, 1000, 10], [5, 500, 5])).toEqual(exactly(2));
    expect(ratio([10, 1000], [5])).toEqual(exactly(2));
    expect(ratio([1], [])).toBeUndefined();
  });
});

describe('a tail', () => {
  it('is exact, by nearest rank', () => {
    const { p50, p99, p999, max } = tail(Float64Array.from({ length: 1000 }, (_, index) => 1000 - index));
    expect([p50, p99, p999, max]).toEqual([500, 990, 999, 1000]);
  });
});

describe('a target', () => {
  it('holds at its limit, in its direction', () => {
    const verdict = (...args: Parameters<typeof target>): boolean | undefined => target(...args)[0]?.holds;
    expect(verdict('x', 'atMost', 2.5, 2.5)).toBe(true);
    expect(verdict('x', 'atMost', 2.51, 2.5)).toBe(false);
    expect(verdict('x', 'atLeast', 4, 4)).toBe(true);
    expect(verdict('x', 'atLeast', 3.9, 4)).toBe(false);
  });

  it('is left out when its contender did not run', () => {
    expect(target('x', 'atMost', undefined, 1)).toEqual([]);
    expect(target('x', 'atMost', NaN, 1)).toEqual([]);
  });
});

describe('rounds', () => {
  const plan = (log: string[], rest: Partial<Parameters<typeof inRounds<string, number>>[0]> = {}) => ({
    contenders: ['a', 'b'], rounds: 2, signal: new AbortController().signal,
    open: (contender: string) => {
      log.push(`open ${contender}`);
      return { close: () => Promise.resolve(log.push(`close ${contender}`)), kill: () => undefined } as unknown as Station;
    },
    warmUp: () => Promise.resolve(),
    measure: ({ contender }: { contender: string }, round: number) => {
      log.push(`${contender}${round}`);
      return Promise.resolve<number | undefined>(round);
    },
    progress: () => undefined,
    ...rest,
  });

  it('are taken in turns, in processes that live through all of them', async () => {
    const log: string[] = [];
    const taken = await inRounds<string, number>(plan(log));
    expect(log).toEqual(['open a', 'open b', 'a1', 'b1', 'a2', 'b2', 'close a', 'close b']);
    expect(taken.map(({ measured }) => measured)).toEqual([[1, 2], [1, 2]]);
  });

  it('go on without one that fails, and keep its reason', async () => {
    const log: string[] = [];
    const failure = new Error('it threw');
    const taken = await inRounds<string, number>(plan(log, {
      measure: ({ contender }, round) => {
        log.push(`${contender}${round}`);
        return contender === 'a' ? Promise.reject(failure) : Promise.resolve(round);
      },
    }));
    expect(log).toEqual(['open a', 'open b', 'a1', 'close a', 'b1', 'b2', 'close b']);
    expect(taken[0]).toMatchObject({ measured: [], failed: failure });
    expect(taken[1]).toMatchObject({ measured: [1, 2], failed: undefined });
  });

  it('begin no further one when their time is over, but always make one', async () => {
    const taken = await inRounds<string, number>(plan([], { rounds: 50, budgetMs: 0 }));
    expect(taken.map(({ measured }) => measured)).toEqual([[1], [1]]);
  });

  it('close everything when they are aborted', async () => {
    const log: string[] = [];
    const abort = new AbortController();
    const running = inRounds<string, number>(plan(log, {
      signal: abort.signal,
      measure: () => {
        abort.abort(new Error('enough'));
        return Promise.resolve(1);
      },
    }));
    await expect(running).rejects.toThrow('enough');
    expect(log).toEqual(['open a', 'open b', 'close a', 'close b']);
  });
});
