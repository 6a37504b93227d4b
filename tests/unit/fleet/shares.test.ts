import { seededRandom } from 'millpond/testing';
import { describe, expect, test } from 'vitest';
import { GOLDEN, noDemands, note, phaseOf, shareOf, TURN } from '../../../packages/millpond/src/fleet/shares.ts';

interface Each { readonly amount: number; readonly weight: number }

/** The same by looking at everybody: each step from level to level, as long as it fits in whole. */
function levelOf(all: readonly Each[], capacity: number): { level: number; left: number } {
  let level = 0;
  let left = capacity;
  for (;;) {
    const takes = all.reduce((sum, { amount, weight }) => sum + Math.max(0, Math.min(weight, amount - level * weight)), 0);
    if (takes > left || takes === 0) return { level, left };
    left -= takes;
    level++;
  }
}

function demandsOf(all: readonly Each[]): ReturnType<typeof noDemands> {
  const demands = noDemands();
  for (const { amount, weight } of all) note(demands, amount, weight, 1);
  return demands;
}

const claim = ({ amount, weight }: Each, phase: number): Parameters<typeof shareOf>[2] => (
  { amount, weight, phaseOfFirst: phase, phaseOfMore: phase });

test('shares are those of max-min fairness, and what is left over is neither lost nor given twice', () => {
  const random = seededRandom('shares');
  for (let round = 0; round < 3_000; round++) {
    const all = Array.from({ length: random.int(1, 12) }, () => ({ amount: random.int(0, 9), weight: random.pick([1, 1, 1, 2, 5]) }));
    const capacity = random.int(0, 40);
    const demands = demandsOf(all);
    const { level, left } = levelOf(all, capacity);
    const sum = all.reduce((total, { amount }) => total + amount, 0);
    // Over all phases, everybody gets its part of the rest on average.
    for (const each of all) {
      const full = Math.min(each.amount, level * each.weight);
      const lowest = shareOf(demands, capacity, claim(each, 0));
      const highest = shareOf(demands, capacity, claim(each, TURN - 1));
      expect(lowest).toBeGreaterThanOrEqual(full);
      expect(highest).toBeLessThanOrEqual(Math.min(each.amount, full + each.weight));
      if (sum <= capacity || left === 0) expect([lowest, highest]).toEqual([full, full]);
    }
  }
});

test('a demand that goes leaves nothing behind', () => {
  const demands = demandsOf([{ amount: 7, weight: 2 }, { amount: 3, weight: 1 }]);
  note(demands, 7, 2, -1);
  note(demands, 3, 1, -1);
  expect(demands.ends.every((each) => (each ?? 0) === 0)).toBe(true);
  expect([demands.sum, demands.weight]).toEqual([0, 0]);
});

describe('what is left over', () => {
  const all = Array.from({ length: 50 }, () => ({ amount: 1, weight: 1 }));
  const demands = demandsOf(all);

  test('goes to as many as there are permits, give or take the unevenness of phases', () => {
    for (let epoch = 0; epoch < 500; epoch++) {
      const given = all.reduce((sum, each, at) => sum + shareOf(demands, 10, claim(each, phaseOf(at, epoch))), 0);
      expect(Math.abs(given - 10)).toBeLessThanOrEqual(2);
    }
  });

  test('comes to each of them before twice its turn', () => {
    for (const capacity of [1, 3, 10, 25, 49]) {
      const share = capacity / 50;
      for (const at of all.keys()) {
        let lastAt = 0;
        for (let epoch = 0; epoch < 1_000; epoch++) {
          if (shareOf(demands, capacity, claim(all[at]!, phaseOf(at, epoch))) === 1) lastAt = epoch;
          expect(epoch - lastAt).toBeLessThanOrEqual(1.9 / share);
        }
      }
    }
  });

  test('is passed around slowly where everybody has something', () => {
    const two = demandsOf(Array.from({ length: 10 }, () => ({ amount: 5, weight: 1 })));
    const whose = { amount: 5, weight: 1, phaseOfFirst: 0, phaseOfMore: TURN - 1 };
    expect(shareOf(two, 15, whose)).toBe(2);
    expect(shareOf(two, 5, whose)).toBe(0);
  });
});

test('phases visit the whole turn', () => {
  const seen = new Set(Array.from({ length: TURN }, (_, at) => phaseOf(at, 0)));
  expect(seen.size).toBe(TURN);
  expect(phaseOf(1, 0)).toBe(GOLDEN);
});
