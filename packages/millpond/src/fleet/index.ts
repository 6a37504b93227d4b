/// <reference lib="esnext.disposable" preserve="true" />
// `millpond/fleet`: one budget of connections for all processes of a fleet, leased from an engine that the team already runs.

export { fleetBudget, type FleetBudget, type FleetBudgetOptions } from './budget.ts';
export type { FleetMessages } from './channels.ts';
export type { FleetMemberStats } from './seat.ts';
export { newFleet, step, viewOf, type Fleet, type Seat } from './allocator.ts';
export type {
  Coordinator, FleetTerms, FleetView, Grant, Heartbeat, MemberView, Overtaken, Refusal, Reply,
} from './protocol.ts';
export type { Demands } from './shares.ts';
export type { CoordinatorClock } from './coordinators/common.ts';
export {
  mysqlCoordinator, mysqlFleetSchema, type MysqlCoordinatorOptions, type MysqlFleetClient,
} from './coordinators/mysql.ts';
export {
  natsCoordinator, type NatsCoordinator, type NatsCoordinatorOptions, type NatsFleetBucket, type NatsFleetClient, type NatsFleetConnection,
} from './coordinators/nats.ts';
export {
  postgresCoordinator, postgresFleetSchema, type PostgresCoordinatorOptions, type PostgresFleetClient,
} from './coordinators/postgres.ts';
export {
  redisCoordinator, type RedisCoordinatorOptions, type RedisFleetClient,
} from './coordinators/redis.ts';
export { mysqlBudget, natsBudget, postgresBudget, redisBudget } from './budgets.ts';
export { describeFleet } from './describe.ts';
export { limitedBudget, type FoundLimitOptions } from './limits.ts';
