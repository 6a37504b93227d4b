// Fleets drawn from seeds, with everything going wrong that can. FLEETS says how many, FLEET lives through one alone.

import { fleetFigures, FleetSimulationError, simulateFleet, type FleetTampering } from 'millpond/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Member } from '../../packages/millpond/src/fleet/member.ts';

const FLEETS = Number(process.env['FLEETS'] ?? 5_000);
const FLEET = process.env['FLEET'];
afterEach(() => vi.restoreAllMocks());

const turn = (): Promise<void> => new Promise((resolve) => {
  setImmediate(resolve);
});

async function firstFailure(seeds: Iterable<number>, tampering: FleetTampering = {}): Promise<unknown> {
  for (const seed of seeds) {
    try {
      simulateFleet({ seed, tampering });
    } catch (error) {
      return error;
    }
    if (seed % 25 === 0) await turn();
  }
  return undefined;
}

function* numbers(from: number, to: number): Iterable<number> {
  for (let seed = from; seed <= to; seed++) yield seed;
}

test(`a fleet keeps its limit, and becomes whole again, in every world (${FLEETS})`, async () => {
  const failure = await firstFailure(FLEET === undefined ? numbers(1, FLEETS) : [Number(FLEET)]);
  if (failure !== undefined) throw failure;
}, 600_000);

test('the same seed is the same run', () => {
  for (const seed of [3, 7, 'words']) expect(simulateFleet({ seed })).toEqual(simulateFleet({ seed }));
});

test('its worlds have everything in them that can happen to a fleet, and much is done in them', () => {
  const faults = new Set<string>();
  let [served, cut] = [0, 0];
  for (let seed = 1; seed <= 60; seed++) {
    const result = simulateFleet({ seed });
    for (const fault of result.faults.keys()) faults.add(fault);
    served += result.counts.served;
    cut += result.counts.cut;
  }
  expect([...faults].sort()).toEqual([
    'amnesia', 'burst', 'clockBack', 'crash', 'failover', 'freeze', 'grow', 'heal', 'outage', 'partition', 'reload', 'rollout', 'shrink',
    'stranger', 'vanish', 'weather',
  ]);
  expect(served).toBeGreaterThan(5_000);
  expect(cut).toBeGreaterThan(20);
});

const OPEN = /connections (?:are )?open|are reserved|are granted/;

const MUTANTS: readonly { readonly what: string; readonly tampering?: FleetTampering; readonly plant?: () => void }[] = [
  { what: 'usage is reported instead of entitlement', tampering: { request: (request) => ({ ...request, has: request.held }) } },
  { what: 'a late reply counts as that to a newer request', tampering: { creditedTo: (answered, asking) => asking ?? answered } },
  {
    what: 'there is no grace between the end of a lease and its next grant',
    tampering: { request: (request) => ({ ...request, terms: { ...request.terms, graceMs: -request.terms.graceMs } }) },
  },
  {
    what: 'learning makes connections legal whose grant has lapsed',
    tampering: { request: (request) => ({ ...request, has: Math.max(request.has, request.held) }) },
  },
  { what: 'a member that wakes does not look at its lease', tampering: { careless: true } },
  {
    what: 'a lender takes its floor back at once',
    plant: () => {
      interface Inside {
        readonly settings: Member['settings'];
        readonly lent: number;
        readonly boundUntil: number;
        readonly ports: { work(): { borrowed: number; waiting: number } };
      }
      vi.spyOn(Member.prototype as unknown as { own: (now: number) => number }, 'own').mockImplementation(function own(this: Inside, now) {
        const { borrowed, waiting } = this.ports.work();
        return this.settings.terms.floor - (now < this.boundUntil && borrowed + waiting === 0 ? this.lent : 0);
      });
    },
  },
];

describe('it is found, and told with what repeats it, when', () => {
  test.each(MUTANTS)('$what', async ({ tampering, plant }) => {
    plant?.();
    const failure = await firstFailure(numbers(1, 10_000), tampering);
    expect(failure).toBeInstanceOf(FleetSimulationError);
    const { message, seed } = failure as FleetSimulationError;
    expect(message).toMatch(OPEN);
    expect(message).toContain(`simulateFleet({ seed: ${seed} })`);
  }, 300_000);
});

describe('a fleet under a load that shifts', () => {
  const load = { seed: 'figures', members: 60, limit: 120, load: 0.8, seconds: 30 };

  test('serves nine tenths of what one queue would, where an equal split does not, and never has more connections open', () => {
    const best = fleetFigures(load, 'one queue');
    const leased = fleetFigures(load, 'leased');
    const equal = fleetFigures(load, 'equal');
    expect(leased.requests).toBe(best.requests);
    expect(leased.served).toBeGreaterThan(0.9 * best.served);
    expect(equal.served).toBeLessThan(leased.served);
    expect(leased.mostOpen).toBeLessThanOrEqual(120);
    expect(leased.refused).toBe(0);
  });

  test('is served by pools of ten connections each with refusals by the server', () => {
    expect(fleetFigures(load, 'ten').refused).toBeGreaterThan(0);
  });
});
