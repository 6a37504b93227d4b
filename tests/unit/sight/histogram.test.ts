import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Histogram } from '../../../packages/millpond/src/sight/histogram.ts';

const recorded = (times: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const time of times) histogram.record(time);
  return histogram;
};
/** From under a microsecond to more than the scale holds, every size as likely as any other. */
const times = fc.array(fc.double({ min: -4, max: 8, noNaN: true }).map((power) => 10 ** power), { minLength: 1, maxLength: 200 });

it('is empty before anything was recorded', () => {
  const { count, sumMs, maxMs } = new Histogram();
  expect({ count, sumMs, maxMs }).toEqual({ count: 0, sumMs: 0, maxMs: 0 });
  expect(new Histogram().percentile(99)).toBe(0);
  expect(new Histogram().buckets()).toEqual([]);
  expect(new Histogram().countsAtMost([1, 10])).toEqual([0, 0]);
});

it('counts and sums exactly, and knows the longest', () => {
  fc.assert(fc.property(times, (all) => {
    const histogram = recorded(all);
    expect(histogram.count).toBe(all.length);
    expect(histogram.sumMs).toBeCloseTo(all.reduce((sum, time) => sum + time, 0), 3);
    expect(histogram.maxMs).toBe(Math.max(...all));
    expect(histogram.buckets().reduce((sum, { count }) => sum + count, 0)).toBe(all.length);
  }));
});

it('tells every percentile at most 3.2 % or a microsecond too high, and never too low', () => {
  fc.assert(fc.property(times, fc.integer({ min: 0, max: 100 }), (all, percent) => {
    // Beyond the end of the scale only the longest is known.
    const within = all.map((time) => Math.min(time, 1e8));
    const exact = [...within].sort((a, b) => a - b)[Math.max(1, Math.ceil((all.length * percent) / 100)) - 1]!;
    const told = recorded(within).percentile(percent);
    expect(told).toBeGreaterThanOrEqual(exact * (1 - 1e-12));
    expect(told).toBeLessThanOrEqual(exact * 1.032 + 0.001);
  }));
});

it('counts below a bound what is below it, but for what shares a step with it', () => {
  fc.assert(fc.property(times, fc.double({ min: 0.001, max: 1e7, noNaN: true }), (all, bound) => {
    const [told] = recorded(all).countsAtMost([bound]);
    expect(told).toBeLessThanOrEqual(all.filter((time) => time <= bound).length);
    expect(told).toBeGreaterThanOrEqual(all.filter((time) => time * 1.032 + 0.001 <= bound).length);
  }));
});

it('counts more below a later bound, and everything below one that nothing reaches', () => {
  expect(recorded([0, 0.4, 3, 3, 70, 1e9]).countsAtMost([0.5, 5, 100, 1e10])).toEqual([2, 4, 5, 6]);
});

it('takes what is no time for 0', () => {
  const histogram = recorded([-1, NaN, Infinity]);
  expect({ count: histogram.count, sumMs: histogram.sumMs, most: histogram.percentile(100) }).toEqual({ count: 3, sumMs: 0, most: 0 });
});

it('keeps what is longer than the scale, in a bounded array', () => {
  const histogram = recorded([1e12, 5]);
  expect(histogram.count).toBe(2);
  expect(histogram.percentile(50)).toBeCloseTo(5, 0);
  expect(histogram.maxMs).toBe(1e12);
  expect(histogram.buckets()).toHaveLength(2);
});
