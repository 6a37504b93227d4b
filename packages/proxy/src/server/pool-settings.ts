// What the configuration says of one pool, as the pool needs it.

import type { DatabaseConfig, PoolMode } from '../config/config.ts';
import type { Values } from '../config/settings.ts';
import { serverTls } from './tls.ts';

/** What a reload may change. */
export interface PoolSettings {
  readonly database: DatabaseConfig;
  /** At the server. */
  readonly dbname: string;
  readonly mode: PoolMode;
  readonly values: Values;
  readonly size: number;
  /** Connections that are kept while somebody uses the pool. */
  readonly minSize: number;
  /** Further connections when somebody has waited for long. */
  readonly reserve: number;
}

/** 0 in a configuration is no limit. */
export const orNever = (ms: number): number => (ms === 0 ? Infinity : ms);

export function retryMs(values: Values): number {
  return Math.max(1, values.server_login_retry);
}

/** What the engine may be told while a pool runs, in its words. */
interface Times {
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly validateAfterIdleMs: number;
}

export function times({ values, database }: PoolSettings): Times {
  const maxLifetimeMs = orNever(database.serverLifetimeMs ?? values.server_lifetime);
  return { idleTimeoutMs: orNever(values.server_idle_timeout), maxLifetimeMs, validateAfterIdleMs: values.server_check_delay };
}

/** Where connections lead and as whom: what must be the same for one to go on being used. */
export function destination({ database, dbname, values }: PoolSettings): string {
  const { hosts, port, user, password, connectQuery, parameters } = database;
  return JSON.stringify([hosts, port, dbname, user, password, connectQuery, [...parameters], serverTls(database, values)]);
}
