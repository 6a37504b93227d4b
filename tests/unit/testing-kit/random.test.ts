// Seeded chance.

import { seededRandom } from 'millpond/testing';
import { expect, test } from 'vitest';

const draw = (seed: number | string, count = 20): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random());
};

test('the same seed gives the same numbers, and other seeds give others', () => {
  expect(draw(1)).toEqual(draw(1));
  expect(draw('a seed')).toEqual(draw('a seed'));
  expect(new Set([1, 2, 3, '1', 'a', -1, 0, 0.5].map((seed) => draw(seed).join())).size).toBe(8);
});

test('the numbers of a seed stay what they are: seeds are kept as regressions', () => {
  const random = seededRandom(1);
  expect([random.int(0, 1_000_000), random.int(0, 1_000_000), random.int(0, 1_000_000)]).toEqual([337_242, 98_256, 314_235]);
});

test('they are uniform in [0, 1)', () => {
  const random = seededRandom('uniform');
  const buckets = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < 160_000; i++) {
    const x = random();
    expect(x >= 0 && x < 1).toBe(true);
    buckets[Math.floor(x * 16)]!++;
  }
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test('neighbouring seeds start far apart', () => {
  const firsts = Array.from({ length: 1000 }, (_, seed) => seededRandom(seed)());
  expect(new Set(firsts).size).toBe(1000);
  const mean = firsts.reduce((sum, x) => sum + x, 0) / 1000;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
});

test('int includes both ends, and pick and shuffle lose nothing', () => {
  const random = seededRandom(7);
  expect(new Set(Array.from({ length: 200 }, () => random.int(-1, 2)))).toEqual(new Set([-1, 0, 1, 2]));
  expect(new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b', 'c'])))).toEqual(new Set(['a', 'b', 'c']));
  const all = Array.from({ length: 50 }, (_, i) => i);
  const shuffled = random.shuffle(all);
  expect(shuffled).not.toEqual(all);
  expect([...shuffled].sort((a, b) => a - b)).toEqual(all);
  expect(() => random.pick([])).toThrow(RangeError);
  expect(() => random.int(2, 1)).toThrow(RangeError);
});

test('chance and exponential have the means they promise', () => {
  const random = seededRandom(9);
  let hits = 0;
  let sum = 0;
  for (let i = 0; i < 50_000; i++) {
    if (random.chance(0.3)) hits++;
    sum += random.exponential(20);
  }
  expect(Math.abs(hits / 50_000 - 0.3)).toBeLessThan(0.01);
  expect(Math.abs(sum / 50_000 - 20)).toBeLessThan(0.6);
});

test('a fork is independent of what is drawn elsewhere', () => {
  const one = seededRandom(3);
  const expected = one.fork('x')();
  const two = seededRandom(3);
  two();
  two();
  expect(two.fork('x')()).toBe(expected);
  expect(two.fork('y')()).not.toBe(expected);
});
