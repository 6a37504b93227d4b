// The contract for pools accepts another pool that keeps it, and refuses the same pool with any one of its faults.

import { poolContract, runCases, type ContractCase } from 'millpond/testing';
import { expect, test } from 'vitest';
import { FAULTS, type Fault } from './toy-parts.ts';
import { ToyPool } from './toy-pool.ts';

const without = ['breaker', 'sharing', 'keepalive', 'leaks'] as const;

function contract(fault?: Fault): ContractCase[] {
  return poolContract({ name: 'toy', pool: (options) => new ToyPool(options, fault), without, walks: 4 });
}

test('a pool that keeps the contract passes, whoever wrote it', async () => {
  const failures = await runCases(contract());
  expect(failures.map(({ name, error }) => `${name}: ${String(error)}`)).toEqual([]);
});

test.each(FAULTS)('the contract refuses a pool with this fault: %s', async (fault) => {
  let failed = 0;
  for (const each of contract(fault)) {
    await each.run().catch(() => failed++);
    if (failed > 0) return;
  }
  expect.unreachable('every case passed');
});
