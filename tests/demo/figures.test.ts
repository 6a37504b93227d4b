// The arithmetic and the writing of figures.
import { describe, expect, it } from 'vitest';
import { axisDuration, count, duration, percent, plural, short, times } from '../../lab/src/drawing/format.ts';
import { percentile, percentiles } from '../../lab/src/percentiles.ts';
import { linear, logarithmic, niceTicks, roomFor } from '../../lab/src/drawing/scale.ts';

/** The spaces inside a figure do not break; a test is easier to read with those that do. */
const spaced = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('percentiles', () => {
  it('are values that were measured, by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentiles(hundred)).toEqual({ p50: 50, p95: 95, p99: 99, mean: 50.5 });
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.51)).toBe(3);
    expect(percentile([1, 2, 3, 4], 0)).toBe(1);
    expect(percentile([1, 2, 3, 4], 1)).toBe(4);
  });

  it('sort by size, not by spelling, and leave their input alone', () => {
    const values = [100, 9, 20];
    expect(percentiles(values).p50).toBe(20);
    expect(values).toEqual([100, 9, 20]);
  });

  it('of nothing are no number, and are written as a dash', () => {
    expect(percentiles([]).p99).toBeNaN();
    expect(duration(percentiles([]).p99)).toBe('–');
  });
});

describe('figures in words', () => {
  it.each([
    [0, '0'], [999.6, '1 000'], [12_345, '12 345'], [1_234_567, '1 234 567'], [-1500, '-1 500'], [-0.2, '0'],
  ])('counts %d as %s', (value, text) => {
    expect(spaced(count(value))).toBe(text);
  });

  it.each([
    [0.42, '0.42 ms'], [0.997, '1.0 ms'], [8.14, '8.1 ms'], [9.96, '10 ms'], [171.6, '172 ms'], [999.7, '1.00 s'], [1432, '1.43 s'],
    [9996, '10.0 s'], [61_000, '61.0 s'], [123_000, '123 s'],
  ])(
    'writes %d ms as %s', (ms, text) => {
      expect(spaced(duration(ms))).toBe(text);
    });

  it('keeps axis labels short', () => {
    expect([0, 500, 1500, 20_000, 2_500_000].map(short)).toEqual(['0', '500', '1.5k', '20k', '2.5M']);
    expect([0, 0.25, 50, 1000, 2500].map(axisDuration).map(spaced)).toEqual(['0', '0.25 ms', '50 ms', '1 s', '2.5 s']);
  });

  it('says one and many', () => {
    expect([0, 1, 2].map((n) => spaced(plural(n, 'error')))).toEqual(['0 errors', '1 error', '2 errors']);
    expect([2.34, 14.2].map(times).map(spaced)).toEqual(['2.3 times', '14 times']);
  });
});

describe('shares', () => {
  it('do not round a few into none or most into all', () => {
    expect([0, 0.0001, 0.052, 0.28, 0.9999, 1].map(percent).map(spaced)).toEqual(['0 %', '0.1 %', '5.2 %', '28 %', '99.9 %', '100 %']);
  });

  it('never end a line between a number and its unit', () => {
    const all = [count(1e6), duration(5), duration(5000), percent(0.5), plural(2, 'error'), times(3), axisDuration(5), axisDuration(5000)];
    for (const text of all) expect(text).not.toContain(' ');
  });
});

describe('scales', () => {
  it('run from 0 to 1, straight or by factors', () => {
    expect([10, 15, 20].map(linear(10, 20))).toEqual([0, 0.5, 1]);
    const by = logarithmic(1, 100);
    expect(by(1)).toBe(0);
    expect(by(10)).toBeCloseTo(0.5);
    expect(by(100)).toBe(1);
    expect(linear(3, 3)(3)).toBe(0);
  });

  it.each([
    [9, [0, 2.5, 5, 7.5, 10]], [2588, [0, 1000, 2000, 3000]], [0.07, [0, 0.02, 0.04, 0.06, 0.08]], [1000, [0, 250, 500, 750, 1000]],
    [0, [0, 1]], [NaN, [0, 1]],
  ])(
    'have round ticks that reach %d', (max, ticks) => {
      expect(niceTicks(max)).toEqual(ticks);
    });

  it('drop labels that would touch the one before', () => {
    expect(roomFor([{ at: 0, width: 2 }, { at: 2, width: 2 }, { at: 4, width: 2 }], 1)).toEqual([true, false, true]);
  });
});
