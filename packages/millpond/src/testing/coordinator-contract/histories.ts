// Random histories, step by step beside the reference: every answer and every view must be the same.

import assert from 'node:assert/strict';
import { newFleet, step, viewOf, type FleetTerms, type FleetView, type Heartbeat } from '../../fleet/index.ts';
import { seededRandom, type SeededRandom } from '../random.ts';
import { TAIL_MS, TERMS, type CoordinatorCase, type CoordinatorStage } from './case.ts';

const STEPS = 400;

export function historyCases(count: number): CoordinatorCase[] {
  const needs = ['timed'] as const;
  const histories = Array.from({ length: count }, (_, seed) => ({
    name: `history ${seed + 1} goes as the reference has it`, needs,
    run: (stage: CoordinatorStage) => play(stage, seededRandom(`coordinator ${seed + 1}`)),
  }));
  return [...histories, { name: 'a crowd that passes two permits around goes as the reference has it', needs, run: passAround }];
}

/** Of more than there are permits for, each gives back what it was granted with its next word. */
async function passAround(stage: CoordinatorStage): Promise<void> {
  const coordinator = await stage.open();
  const fleet = newFleet();
  for (let nth = 0; nth < STEPS / 2; nth++) {
    await stage.pass(nth === 6 ? TAIL_MS : 30);
    const request = stage.says(`m${nth % 6}`, { terms: { ...TERMS, limit: 4 }, base: 1 });
    const expected = step(fleet, request, stage.now, stage.identity);
    assert.deepEqual(await stage.within('a heartbeat', coordinator.heartbeat(request)), expected, `step ${nth}`);
  }
}

async function play(stage: CoordinatorStage, random: SeededRandom): Promise<void> {
  const coordinator = await stage.open();
  const fleet = newFleet();
  const limit = random.pick([4, 22, 120, 700]);
  const floor = random.pick(limit < 100 ? [0, 0, 1] : [0, 2, 5]);
  const members = floor > 0 ? Math.min(40, Math.floor((limit - 2) / floor)) : random.pick([6, 40, 1_000]);
  const terms: FleetTerms = { ...TERMS, limit, floor, members };
  const cast = random.pick([5, 15, 60]);
  const permits = new Map<string, number>();
  const idle = random.pick([0.3, 0.9]);
  let passed = 0;
  for (let nth = 1; nth <= STEPS; nth++) {
    passed = passed < 0 ? 1 - passed : timePassed(random);
    await stage.pass(passed);
    if (random.chance(0.005)) stage.identity = `identity-${nth}`;
    const request = heartbeat(stage, random, { cast, idle, permits, terms: random.chance(0.01) ? { ...terms, guard: 3 } : terms });
    const expected = step(fleet, request, stage.now, stage.identity);
    const said = `step ${nth} at ${stage.now}: ${JSON.stringify(request)}`;
    assert.deepEqual(await stage.within('a heartbeat', coordinator.heartbeat(request)), expected, said);
    if (expected.kind === 'granted') permits.set(request.member, expected.permit);
    if (nth % 25 === 0) assert.deepEqual(sorted(await coordinator.view()), sorted(viewOf(fleet, stage.now)), `view after ${said}`);
  }
}

/**
 * Mostly little, sometimes longer than everybody is remembered, sometimes back, and then past where it was: which of those goes first who
 * were heard of in the same millisecond is left to the engine.
 */
function timePassed(random: SeededRandom): number {
  if (random.chance(0.02)) return -random.int(1, 50);
  return random.chance(0.02) ? random.int(TAIL_MS / 2, TAIL_MS * 2) : random.int(1, 12);
}

interface Play {
  readonly cast: number;
  /** How often a member has no work. */
  readonly idle: number;
  /** What each was granted last. */
  readonly permits: ReadonlyMap<string, number>;
  readonly terms: FleetTerms;
}

function heartbeat(stage: CoordinatorStage, random: SeededRandom, { cast, idle, permits, terms }: Play): Heartbeat {
  const usable = terms.limit - terms.guard;
  const member = `m${random.int(1, cast)}`;
  const base = random.chance(idle) ? 0 : Math.ceil(random.exponential(usable / random.pick([5, 50])));
  // Mostly what it may; some are behind with closing, some know of no grant, some are at odds with everything.
  const permit = permits.get(member) ?? terms.floor;
  const [held, has] = random.chance(0.1)
    ? [Math.floor(random.exponential(2)), random.int(0, 5)]
    : [random.int(0, permit) + (random.chance(0.05) ? 2 : 0), random.chance(0.25) ? terms.floor : permit];
  const leaving = random.chance(0.05);
  const lends = random.chance(0.2) ? terms.floor : 0;
  return stage.says(member, {
    name: `${member} of ${cast}`, terms, base, demand: base + random.int(0, 5), weight: random.pick([1, 1, 1, 2, 7, 100]), leaving, lends,
    held: leaving && random.chance(0.5) ? 0 : held, has, shortMs: random.int(0, 900),
    lendsUntil: lends === 0 ? 0 : stage.now + random.int(0, 4 * TAIL_MS), identity: random.chance(0.9) ? stage.identity : 'another',
    ...(random.chance(0.03) ? { seq: random.int(1, 5) } : {}),
  });
}

function sorted(view: FleetView): FleetView {
  return { ...view, members: [...view.members].sort((a, b) => a.member < b.member ? -1 : 1) };
}
