// What a pool tells its listeners. The same events go to `node:diagnostics_channel` under `millpond:<event>` (telemetry/channels.ts).

import type { DestroyReason, PoolState } from './engine/words.ts';
import type { ResourceInfo } from './factory.ts';
import type { Lease } from './lease.ts';

export interface PoolEvents<T> {
  /** A resource became usable. */
  create: { readonly resource: T; readonly info: ResourceInfo; readonly durationMs: number };
  /** A create failed. `retryInMs`: when the pool will try again by itself; undefined when nothing asks for it. */
  createError: { readonly error: unknown; readonly attempt: number; readonly retryInMs: number | undefined };
  acquire: { readonly lease: Lease<T>; readonly waitMs: number };
  acquireError: { readonly error: unknown; readonly waitMs: number };
  /** A lease ended, however it did. */
  release: { readonly resource: T; readonly info: ResourceInfo; readonly useMs: number };
  /** Somebody ended a lease that had ended before; whoever holds the resource now is not touched. */
  staleRelease: { readonly label?: string };
  /** A resource is gone. `error`: what broke it, or what went wrong in destroying it. */
  destroy: { readonly resource: T; readonly info: ResourceInfo; readonly reason: DestroyReason; readonly error?: unknown };
  /** A lease is held for longer than `leakThresholdMs`. Once per lease. */
  leak: { readonly label?: string; readonly heldMs: number; readonly stack?: string };
  /** A lease that was reported as a leak has ended after all. */
  unleak: { readonly label?: string; readonly heldMs: number };
  state: { readonly from: PoolState; readonly to: PoolState };
}

export type PoolEventName = keyof PoolEvents<unknown>;

export const POOL_EVENTS: readonly PoolEventName[] = [
  'create', 'createError', 'acquire', 'acquireError', 'release', 'staleRelease', 'destroy', 'leak', 'unleak', 'state',
];
