// A world: the options of a pool, the nature of its resources, the habits of its callers, all drawn from one seed. Each feature is on in
// some worlds and off in most, and each action is left out of some: what is rare in the average world has to be common in a few, or the
// combinations that break things hardly ever meet.

import type { PoolOptions } from '../../index.ts';
import type { SeededRandom } from '../random.ts';
import type { ScriptedResource } from '../factory.ts';
import { ACTIONS, type ActionName } from './action-names.ts';
import { MOODS, type Mood } from './weather.ts';

export type WorldOptions = Omit<PoolOptions<ScriptedResource>, 'factory' | 'clock' | 'random' | 'budget'>;

export interface World {
  readonly options: WorldOptions;
  /** Which optional hooks the factory has. */
  readonly hooks: Readonly<Record<'validate' | 'reset' | 'isBroken' | 'onLost' | 'classify', boolean>>;
  /** What the budget grants first; undefined: there is no budget. */
  readonly budget: number | undefined;
  readonly mood: Mood;
  /** How long leases are held on average, in ms. */
  readonly holdMs: number;
  /** How often a listener or a hook calls the pool back. */
  readonly mischief: number;
  /** Whether listeners throw. */
  readonly throwing: boolean;
  /** Time is in whole milliseconds only. */
  readonly whole: boolean;
  readonly weights: Readonly<Record<ActionName, number>>;
}

export function drawWorld(random: SeededRandom): World {
  /** How much is going on in this world: the share of optional features that are on. */
  const spice = random.pick([0.1, 0.25, 0.5]);
  const some = (share = 1): boolean => random.chance(spice * share);
  const chance = (share: number): boolean => random.chance(share);
  const hooks = { validate: chance(0.6), reset: some(), isBroken: chance(0.5), onLost: chance(0.6), classify: chance(0.7) };
  const max = random.int(1, 6);
  return {
    options: {
      name: 'simulated',
      max,
      min: random.chance(0.5) ? 0 : random.int(0, max),
      maxCreating: random.pick([1, 2, 3, Infinity]),
      acquireTimeoutMs: random.pick([30, 100.5, 300, 1000, 5000]),
      ...drawTimeouts(random, some),
      ...drawAgeing(random, some),
      ...drawTroubles(random, some),
      ...drawSharing(random, some),
    },
    hooks,
    budget: some(0.5) ? random.int(0, max) : undefined,
    mood: random.chance(0.6) ? 'calm' : random.pick(MOODS),
    holdMs: random.pick([2, 20, 150]),
    mischief: some(0.6) ? random.pick([0.02, 0.15]) : 0,
    throwing: some(0.2),
    whole: random.chance(0.7),
    weights: drawWeights(random),
  };
}

type Some = (share?: number) => boolean;

function drawTimeouts(random: SeededRandom, some: Some): Partial<WorldOptions> {
  const limit = (): number => random.pick([Infinity, 20, 60, 200]);
  return {
    createTimeoutMs: limit(), validateTimeoutMs: limit(), resetTimeoutMs: limit(), destroyTimeoutMs: limit(),
    ...(some() ? { maxWaiting: random.pick([0, 1, 3, 8]) } : {}),
    ...(some(0.5) ? { shedding: random.chance(0.5) ? true : { targetMs: random.pick([5, 20]), intervalMs: random.pick([50, 200]) } } : {}),
  };
}

function drawAgeing(random: SeededRandom, some: Some): Partial<WorldOptions> {
  return {
    idleTimeoutMs: some() ? random.pick([50, 200, 1000]) : Infinity,
    ...(some() ? { maxLifetimeMs: random.pick([40, 100, 400, 2000]) } : { maxLifetimeMs: Infinity }),
    lifetimeJitter: random.pick([0, 0.25, 1]),
    ...(some(0.7) ? { maxUses: random.pick([1, 2, 5]) } : {}),
    validateAfterIdleMs: random.pick([0, 20, 100, Infinity]),
    ...(some() ? { keepaliveIntervalMs: random.pick([30, 120]) } : {}),
    flushOnStale: random.chance(0.6),
    idleOrder: random.pick(['lifo', 'lifo', 'fifo'] as const),
    ...(some(0.7) ? { leakThresholdMs: random.pick([40, 200]), reclaim: random.chance(0.5), captureStacks: random.pick([0, 0.3]) } : {}),
  };
}

function drawTroubles(random: SeededRandom, some: Some): Partial<WorldOptions> {
  const initialDelayMs = random.int(1, 40);
  const maxDelayMs = random.pick([initialDelayMs, 80, 300]);
  const retry = { initialDelayMs, maxDelayMs, factor: random.pick([1, 2, 3]), jitter: random.pick([0, 0.2, 1]) };
  return {
    createRetry: random.chance(0.4) ? false : retry,
    ...(some() ? { breaker: { failures: random.int(1, 4), probeIntervalMs: random.pick([20, 75, 200]) } } : {}),
    strictMax: random.chance(0.75),
  };
}

function drawSharing(random: SeededRandom, some: Some): Partial<WorldOptions> {
  const lane = (): { share: number; borrowLimit?: number; lendable?: boolean } => ({
    share: random.pick([1, 2, 8]),
    ...(random.chance(0.2) ? { borrowLimit: random.int(0, 2) } : {}),
    ...(random.chance(0.2) ? { lendable: false } : {}),
  });
  const lanes = { upper: lane(), ...(random.chance(0.4) ? { middle: lane() } : {}), lower: lane() };
  return {
    ...(some(0.7) ? { sharing: random.int(2, 3) } : {}),
    ...(some(0.7) ? { lanes, headroom: random.pick([0, 0.2, 0.5]) } : {}),
  };
}

function drawWeights(random: SeededRandom): Record<ActionName, number> {
  const weights = {} as Record<ActionName, number>;
  for (const [name, weight] of Object.entries(ACTIONS) as [ActionName, number][]) {
    weights[name] = random.chance(0.25) ? 0 : weight * random.pick([0.5, 1, 1, 3]);
  }
  // Without these nothing happens at all.
  weights.acquire = Math.max(weights.acquire, ACTIONS.acquire);
  weights.advance = Math.max(weights.advance, ACTIONS.advance);
  return weights;
}

/** The world in one line of text, without what is at its default anyway. */
export function describeWorld(world: World): string {
  return JSON.stringify(world, (_, value: unknown) => (value === Infinity ? 'Infinity' : value));
}
