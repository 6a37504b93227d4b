// The two contracts that others' code can be run through: what a pool may expect of a factory, and what a caller may expect of a pool.

export { defineCases, runCases, type ContractCase } from './contract.ts';
export { factoryContract, type FactoryContractSetup } from './factory-contract.ts';
export { poolContract, type PoolContractSetup } from './pool-contract.ts';
export { POOL_FEATURES, type ContractPool, type PoolFeature } from './pool-contract/case.ts';
