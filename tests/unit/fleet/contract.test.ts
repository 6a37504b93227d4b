import { newFleet, step, viewOf, type Coordinator } from 'millpond/fleet';
import { coordinatorContract, runCases, type ContractCase, type CoordinatorContractSetup } from 'millpond/testing';
import { expect, test } from 'vitest';

const CASE = 'when there is not enough it is shared as members shrink, and never given twice';

/** In this process, on its own time. `before` each heartbeat something may happen. */
function local(before: (nth: number) => unknown): Coordinator {
  const fleet = newFleet();
  let nth = 0;
  return {
    async heartbeat(request) {
      await before(++nth);
      return step(fleet, request, Math.floor(performance.now()), 'one');
    },
    view: async () => viewOf(fleet, Math.floor(performance.now())),
  };
}

function only(name: string, coordinator: CoordinatorContractSetup['coordinator']): ContractCase[] {
  return coordinatorContract({ name: 'local', coordinator }).filter((each) => each.name === `local: ${name}`);
}

const stall = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 450));

test('a case in which a member was forgotten because the machine was busy is begun anew', async () => {
  let runs = 0;
  const cases = only(CASE, () => {
    const isFirst = ++runs === 1;
    return local((nth) => isFirst && nth === 3 ? stall() : undefined);
  });
  expect(await runCases(cases)).toEqual([]);
  expect(runs).toBe(2);
});

test('a case that fails though nobody was forgotten has failed', async () => {
  let runs = 0;
  const cases = only(CASE, () => {
    runs++;
    const { heartbeat, ...rest } = local(() => undefined);
    return { ...rest, heartbeat: (request) => heartbeat({ ...request, held: 0, has: 0 }) };
  });
  expect(await runCases(cases)).toHaveLength(1);
  expect(runs).toBe(1);
});
