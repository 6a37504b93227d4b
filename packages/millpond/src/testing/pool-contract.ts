// What a caller may expect of a pool, as cases that any pool with this package's face can be run through. They see it from outside only:
// its methods, its stats, its events, and what it does with its factory.

import type { PoolOptions } from '../index.ts';
import type { ContractCase } from './contract.ts';
import type { ScriptedResource } from './factory.ts';
import { ageingCases } from './pool-contract/ageing.ts';
import { borrowingCases } from './pool-contract/borrowing.ts';
import type { ContractPool, PoolFeature } from './pool-contract/case.ts';
import { controlCases } from './pool-contract/control.ts';
import { creatingCases } from './pool-contract/creating.ts';
import { walkCases } from './pool-contract/walk.ts';
import { waitingCases } from './pool-contract/waiting.ts';
import { Scene } from './scene.ts';

export interface PoolContractSetup {
  readonly name: string;
  /** Makes a pool. It must use the clock and the random numbers that it is given. */
  readonly pool: (options: PoolOptions<ScriptedResource>) => ContractPool;
  /** What this pool does not have. */
  readonly without?: readonly PoolFeature[];
  /** How many random walks of 300 steps each. Default 20. */
  readonly walks?: number;
}

export function poolContract(setup: PoolContractSetup): ContractCase[] {
  const cases = [
    ...borrowingCases,
    ...waitingCases,
    ...creatingCases,
    ...ageingCases,
    ...controlCases,
    ...walkCases(setup.walks ?? 20),
  ];
  const without = setup.without ?? [];
  return cases
    .filter((each) => !each.needs?.some((feature) => without.includes(feature)))
    .map((each) => ({
      name: `${setup.name}: ${each.name}`,
      run: () => each.run((playing = {}) => new Scene({ ...playing, pool: setup.pool })),
    }));
}

