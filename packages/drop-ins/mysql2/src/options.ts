// What mysql2's pool options mean to the engine.

import { InvalidOptionError, type PoolOptions } from 'millpond';
import type { PoolConfig } from './driver.ts';

/** What is better than mysql2's pool: every option of millpond's `Pool` but the factory, and two more. Each wins over mysql2's. */
export interface MillpondOptions extends Omit<PoolOptions<unknown>, 'factory'> {
  /**
   * Hand out a stand-in per `getConnection` that ends with its release, so that an old borrower can neither use nor release what is
   * somebody else's by now. Default true with `millpond`.
   */
  readonly handles?: boolean;
  /** Milliseconds for which `end()` waits for what is in use. Default 10 000 with `millpond`; without it 0, as mysql2's. */
  readonly endDeadlineMs?: number;
}

/** How this pool behaves. */
export interface Settings {
  /** `millpond` is on. */
  readonly better: boolean;
  readonly handles: boolean;
  readonly endDeadlineMs: number;
  readonly engine: Omit<PoolOptions<unknown>, 'factory'>;
}

/** 0 is no limit to mysql2. */
export function mostConnections(connectionLimit: number): number {
  return connectionLimit === 0 ? Infinity : Math.max(1, Math.ceil(connectionLimit));
}

/** Throws {@link InvalidOptionError}. */
export function settingsOf(config: PoolConfig, millpond: boolean | MillpondOptions = false): Settings {
  const better = millpond !== false;
  const { handles = better, endDeadlineMs = better ? 10_000 : 0, ...chosen } = typeof millpond === 'object' ? millpond : {};
  const wrong = (name: string, expected: string): Error =>
    new InvalidOptionError(`millpond.${name}`, `millpond.${name} must be ${expected}`, 'mysql2');
  if (typeof handles !== 'boolean') throw wrong('handles', 'true or false');
  if (!(endDeadlineMs >= 0)) throw wrong('endDeadlineMs', 'at least 0');
  const { connectionLimit, maxIdle, idleTimeout } = config;
  const engine = {
    name: 'mysql2',
    max: mostConnections(connectionLimit),
    maxLifetimeMs: 0,
    // Each connect is for one caller, who is told when it fails.
    createRetry: false,
    // mysql2's own connectTimeout ends a connect.
    createTimeoutMs: 0,
    resetTimeoutMs: 0,
  } as const;
  const faithful = {
    maxCreating: Infinity,
    acquireTimeoutMs: Infinity,
    validateAfterIdleMs: Infinity,
    // mysql2 looks for idle connections only when fewer than all may be idle.
    idleTimeoutMs: maxIdle < connectionLimit ? idleTimeout : 0,
  } as const;
  return { better, handles, endDeadlineMs, engine: { ...engine, ...(better ? { idleTimeoutMs: idleTimeout } : faithful), ...chosen } };
}
