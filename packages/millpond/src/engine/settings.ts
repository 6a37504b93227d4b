// The options after validation, in the form in which the rules use them: plain numbers, Infinity for "off".

import type { LaneSettings } from './lanes.ts';
import type { RetrySettings } from './backoff.ts';
import type { SheddingSettings } from './shedding.ts';

export interface Settings {
  min: number;
  max: number;
  /** Off: no resource is created because of `min`; it only bounds what idleness retires. */
  readonly fill: boolean;
  readonly maxWaiting: number;
  readonly maxCreating: number;
  readonly createTimeoutMs: number;
  readonly validateTimeoutMs: number;
  readonly resetTimeoutMs: number;
  readonly destroyTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly lifetimeJitter: number;
  readonly maxUses: number;
  readonly validateAfterIdleMs: number;
  /** Also what is new or comes straight from somebody else. */
  readonly validateOnAcquire: boolean;
  readonly keepaliveIntervalMs: number;
  readonly flushOnStale: boolean;
  readonly strictMax: boolean;
  readonly lifo: boolean;
  readonly sharing: number;
  readonly retry: RetrySettings;
  /** Off: a failed create rejects the head waiter at once. A deficit of `min` is retried in either case. */
  readonly retryForWaiters: boolean;
  readonly breaker: { readonly failures: number; readonly probeIntervalMs: number } | undefined;
  readonly shedding: SheddingSettings | undefined;
  readonly lanes: readonly LaneSettings[];
  readonly headroom: number;
  readonly leakThresholdMs: number;
  readonly reclaim: boolean;
  /** Which hooks the factory has. */
  readonly canValidate: boolean;
  readonly canReset: boolean;
  readonly canBreak: boolean;
}
