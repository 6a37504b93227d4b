// Which idle resources an eviction run destroys.

import type { ResourceInfo } from 'millpond';

export interface EvictionConfig {
  readonly softIdleTimeoutMillis: number;
  readonly idleTimeoutMillis: number;
  readonly min: number;
}

/** An idle resource as an evictor sees it. Times are milliseconds since 1970. */
export interface PooledResource<T> {
  readonly obj: T;
  readonly state: 'IDLE';
  readonly creationTime: number;
  readonly lastIdleTime: number;
  readonly lastReturnTime: number | null;
  readonly lastBorrowTime: number | null;
  /** How long it has been idle: what an adjusted clock does not change. */
  readonly idleMs?: number;
}

export interface Evictor {
  evict(config: EvictionConfig, resource: PooledResource<unknown>, availableCount: number): boolean;
}

/** Idle for longer than `idleTimeoutMillis`; or than `softIdleTimeoutMillis` while more than `min` are idle. */
export class DefaultEvictor implements Evictor {
  evict(config: EvictionConfig, resource: PooledResource<unknown>, availableCount: number): boolean {
    const { softIdleTimeoutMillis: soft, idleTimeoutMillis, min } = config;
    const idleMs = resource.idleMs ?? wallNow() - resource.lastIdleTime;
    return (soft > 0 && soft < idleMs && min < availableCount) || idleTimeoutMillis < idleMs;
  }
}

export function pooledResource<T>(obj: T, { ageMs, idleMs, uses }: ResourceInfo): PooledResource<T> {
  const now = wallNow();
  const lastIdleTime = now - idleMs;
  // When it was lent last is not recorded; evictors that look at it get the time of its return.
  const used = uses > 0 ? lastIdleTime : null;
  return { obj, state: 'IDLE', creationTime: now - ageMs, lastIdleTime, lastReturnTime: used, lastBorrowTime: used, idleMs };
}

function wallNow(): number {
  return performance.timeOrigin + performance.now();
}
