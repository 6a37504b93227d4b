// Runs worlds of the simulator and gathers what went wrong. The environment says which: SEEDS (how many, default 20 000), FROM (the first,
// default 1), STEPS (how long each lives), SEED (this one alone, with its whole log).

import { simulate, SimulationError } from 'millpond/testing';

export const SEEDS = Number(process.env['SEEDS'] ?? 20_000);
const FROM = Number(process.env['FROM'] ?? 1);
const STEPS = process.env['STEPS'] === undefined ? {} : { steps: Number(process.env['STEPS']) };
const SEED = process.env['SEED'];
/** A defect shows in many worlds; a few of them tell enough. */
const ENOUGH = 3;
/** Between them the event loop gets its turn: who runs the tests waits for signs of life. */
const WORLDS_A_TURN = 25;

/**
 * Worlds that once found something (17564, 9909: a lease of a detached resource ended and its lane was not looked at; 18848: of two that
 * had been idle for as long, the one that had its turn to be evicted kept the other; 15154: a wake-up that was asked for in the past
 * passed for one that came late). They are lived through again each time.
 */
const KEPT: readonly number[] = [9_909, 15_154, 15_163, 17_564, 18_848];

export type Seed = number | string;

/** The seeds of one part of the run: every `of`-th from the `part`-th on. */
export function seedsOf(part: number, of: number): Seed[] {
  if (SEED !== undefined) return part === 1 ? [Number.isNaN(Number(SEED)) ? SEED : Number(SEED)] : [];
  const seeds: number[] = part === 1 ? [...KEPT] : [];
  for (let seed = FROM + part - 1; seed < FROM + SEEDS; seed += of) seeds.push(seed);
  return seeds;
}

/** Lives through the worlds of these seeds; throws the first failures, whole. */
export async function survive(seeds: readonly Seed[]): Promise<void> {
  const failures: string[] = [];
  const onLine = SEED === undefined ? {} : { onLine: (line: string) => void process.stdout.write(`${line}\n`) };
  for (const [index, seed] of seeds.entries()) {
    try {
      await simulate({ seed, ...STEPS, ...onLine });
    } catch (error) {
      failures.push(error instanceof SimulationError ? error.message : String(error));
    }
    if (failures.length >= ENOUGH) break;
    if (index % WORLDS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  if (failures.length > 0) throw new Error(failures.join('\n\n'));
}
