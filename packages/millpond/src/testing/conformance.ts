// The contracts that others' code can be run through: what a pool may expect of a factory, what a caller may expect of a pool, and what the
// members of a fleet may expect of a coordinator.

export { defineCases, runCases, type ContractCase } from './contract.ts';
export { coordinatorContract, type CoordinatorContractSetup } from './coordinator-contract.ts';
export { factoryContract, type FactoryContractSetup } from './factory-contract.ts';
export { poolContract, type PoolContractSetup } from './pool-contract.ts';
export { POOL_FEATURES, type ContractPool, type PoolFeature } from './pool-contract/case.ts';
