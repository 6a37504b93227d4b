/// <reference lib="esnext.disposable" preserve="true" />
// millpond: a pool for connections and other resources that are dear to make. This is the whole public face of the engine.

export { Pool, quiesce, type CloseOptions, type CloseResult, type QuiesceOptions, type QuiesceResult } from './pool.ts';
export { KeyedPool, type KeyedPoolOptions, type KeyedPoolStats } from './keyed.ts';
export { localBudget, type Budget, type BudgetedPool, type BudgetReport, type BudgetSeat } from './budget.ts';
export { withLane } from './runtime/context.ts';
export type { Factory, ResourceInfo } from './factory.ts';
export type { Holder, Lease } from './lease.ts';
export type { AcquireOptions, PoolOptions } from './options.ts';
export type { PoolEvents } from './events.ts';
export type { PoolStats } from './stats.ts';
export type { Clock, Random } from './clock.ts';
export type { DestroyReason, PoolState } from './engine/words.ts';
export {
  AcquireError, AcquireTimeoutError, CreateError, InvalidOptionError, LeaseEndedError, NestedAcquireError, OverloadedError,
  PoolClosedError, PoolError, PoolPausedError, PoolUnavailableError, QueueFullError, type AcquireErrorInit, type PoolErrorInit,
} from './errors.ts';
