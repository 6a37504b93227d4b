// What the members of a fleet may expect of a coordinator, as cases that any can be run through. They talk to the real engine: give them
// one of their own. Where it can be told the time they need no patience, and random histories are compared with the reference step by step.
// In earnest a busy machine may let members be forgotten in the middle of a case: what fails then says nothing, and is begun anew.

import { actCases } from './coordinator-contract/acts.ts';
import { CoordinatorStage, type CoordinatorCase, type CoordinatorContractSetup } from './coordinator-contract/case.ts';
import { troubleCases } from './coordinator-contract/troubles.ts';
import { historyCases } from './coordinator-contract/histories.ts';
import type { ContractCase } from './contract.ts';

export type { CoordinatorContractSetup } from './coordinator-contract/case.ts';

/** A case for which the setup lacks something is left out. */
export function coordinatorContract(setup: CoordinatorContractSetup): ContractCase[] {
  const cases: CoordinatorCase[] = [...actCases, ...troubleCases, ...historyCases(setup.histories ?? 8)];
  return cases
    .filter((each) => (each.needs ?? []).every((part) => setup[part] !== undefined && setup[part] !== false))
    .map((each) => ({
      name: `${setup.name}: ${each.name}`,
      run: () => judge(each, setup),
    }));
}

const ATTEMPTS = 10;

async function judge(each: CoordinatorCase, setup: CoordinatorContractSetup): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const stage = new CoordinatorStage(setup);
    try {
      await each.run(stage);
      return;
    } catch (error) {
      if (!stage.hasLapsed()) throw error;
      if (attempt === ATTEMPTS) throw new Error(`too slow to tell: ${ATTEMPTS} times a member was forgotten meanwhile`, { cause: error });
    }
  }
}
