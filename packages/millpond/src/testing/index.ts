/// <reference lib="esnext.disposable" preserve="true" />
// `millpond/testing`: what this package is tested with, for testing what is built on it. Only the simulators know the pool itself, or the
// member of a fleet: a scene or a contract is given the pool it is to look at.

export { VirtualClock } from './clock.ts';
export { seededRandom, type SeededRandom } from './random.ts';
export {
  ScriptedFactory,
  type CheckContext,
  type CreateContext,
  type DestroyContext,
  type HookName,
  type ScriptedFactoryOptions,
  type ScriptedResource,
} from './factory.ts';
export { HookScript, type Behaviour, type HookCall } from './script.ts';
export {
  checkInvariants,
  InvariantError,
  InvariantWatch,
  probeCapacity,
  type InvariantOptions,
  type LendingPool,
  type ObservedPool,
  type WatchedPool,
} from './invariants.ts';
export { PLAIN_OPTIONS, Request, Scene, type ScenePool, type SceneSetup } from './scene.ts';
export { simulate, SimulationError, type SimulationOptions, type SimulationResult } from './simulator.ts';
export {
  simulateFleet, FleetSimulationError, type FleetSimulationOptions, type FleetSimulationResult, type FleetTampering,
} from './fleet/simulate.ts';
export type { FleetWorld } from './fleet/world.ts';
export { fleetFigures, type Division, type FleetFigures, type FleetLoad } from './fleet/figures.ts';
export * from './conformance.ts';
