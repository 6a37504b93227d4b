// The contract for factories accepts one that keeps it, and refuses it with any one of its faults.

import type { Factory } from 'millpond';
import { factoryContract, runCases, ScriptedFactory, type ContractCase } from 'millpond/testing';
import { expect, test } from 'vitest';
import { FACTORY_FAULTS, toyFactory, ToyServer, type Connection, type FactoryFault } from './toy-server.ts';

function contract(fault?: FactoryFault, without: readonly (keyof Factory<Connection>)[] = []): ContractCase[] {
  const server = new ToyServer();
  return factoryContract<Connection>({
    name: 'toy',
    factory: () => {
      const factory = toyFactory(server, fault);
      for (const hook of without) delete factory[hook];
      return factory;
    },
    use: (connection) => server.query(connection),
    countOpen: () => server.open.size,
    kill: (connection) => server.kill(connection),
    soil: (connection) => {
      connection.session = 'SET search_path';
    },
    isClean: (connection) => connection.session === '',
    refuse: () => {
      server.refusing = true;
    },
    restore: () => {
      server.refusing = false;
    },
    patienceMs: 150,
  });
}

async function failures(cases: readonly ContractCase[]): Promise<string[]> {
  return (await runCases(cases)).map(({ name, error }) => `${name}: ${String(error)}`);
}

test('a factory that keeps the contract passes', async () => {
  expect(await failures(contract())).toEqual([]);
});

test('optional hooks may be missing, and what the setup cannot do is left out', async () => {
  expect(await failures(contract(undefined, ['validate', 'reset', 'isBroken', 'onLost', 'classify']))).toEqual([]);
  const scripted = factoryContract({ name: 'scripted', factory: () => new ScriptedFactory() });
  expect(scripted.length).toBeLessThan(contract().length);
});

test.each(FACTORY_FAULTS)('the contract refuses a factory with this fault: %s', async (fault) => {
  expect(await failures(contract(fault))).not.toEqual([]);
});
