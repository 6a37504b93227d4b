// A budget on each engine, in one word.

import type { FleetBudget } from './budget.ts';
import { mysqlCoordinator, type MysqlCoordinatorOptions, type MysqlFleetClient } from './coordinators/mysql.ts';
import { natsCoordinator, type NatsCoordinatorOptions, type NatsFleetClient } from './coordinators/nats.ts';
import { postgresCoordinator, type PostgresCoordinatorOptions, type PostgresFleetClient } from './coordinators/postgres.ts';
import { redisCoordinator, type RedisCoordinatorOptions, type RedisFleetClient } from './coordinators/redis.ts';
import { limitedBudget, type FoundLimitOptions } from './limits.ts';

/** One budget for all pools of all processes that are given the same key, on {@link redisCoordinator}. */
export function redisBudget(
  client: RedisFleetClient, { key, prefix, ...options }: RedisCoordinatorOptions & FoundLimitOptions,
): FleetBudget {
  return limitedBudget(redisCoordinator(client, prefix === undefined ? { key } : { key, prefix }), options);
}

/** One budget for all pools of all processes that are given the same key, on {@link postgresCoordinator}. */
export function postgresBudget(
  client: PostgresFleetClient, { key, schema, ...options }: PostgresCoordinatorOptions & FoundLimitOptions,
): FleetBudget {
  return limitedBudget(postgresCoordinator(client, schema === undefined ? { key } : { key, schema }), options);
}

/** One budget for all pools of all processes that are given the same key, on {@link mysqlCoordinator}. */
export function mysqlBudget(client: MysqlFleetClient, { key, ...options }: MysqlCoordinatorOptions & FoundLimitOptions): FleetBudget {
  return limitedBudget(mysqlCoordinator(client, { key }), options);
}

/**
 * One budget for all pools of all processes that are given the same key, on {@link natsCoordinator}. To resign when the process ends, make
 * the coordinator yourself and give it to {@link limitedBudget}.
 */
export function natsBudget(client: NatsFleetClient, { key, ...options }: NatsCoordinatorOptions & FoundLimitOptions): FleetBudget {
  return limitedBudget(natsCoordinator(client, { key }), options);
}
