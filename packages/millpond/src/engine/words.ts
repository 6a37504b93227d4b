// The closed vocabularies of the engine. They live here because the rules decide with them; the public files re-export them.

/** Why the pool let a resource go: one closed set, shared by events, stats, metrics and logs. */
export type DestroyReason =
  | 'idleTimeout' | 'maxLifetime' | 'maxUses'
  | 'invalid' | 'stale' | 'broken' | 'resetFailed'
  | 'evicted' | 'leaseDestroyed' | 'reclaimed'
  | 'late' | 'overSize' | 'recalled' | 'poolClosed';

/** Every {@link DestroyReason}, in the order of the documentation: retirement, failure, request, no room. */
export const DESTROY_REASONS: readonly DestroyReason[] = [
  'idleTimeout', 'maxLifetime', 'maxUses',
  'invalid', 'stale', 'broken', 'resetFailed',
  'evicted', 'leaseDestroyed', 'reclaimed',
  'late', 'overSize', 'recalled', 'poolClosed',
];

/**
 * - `open`: lends.
 * - `paused`: by {@link Pool.pause}; nothing is lent or created.
 * - `unavailable`: the breaker is open; acquires fail at once while one probe at a time looks whether creating works again.
 * - `draining`: closing; leases are still out.
 * - `closed`: nothing is left.
 */
export type PoolState = 'open' | 'paused' | 'unavailable' | 'draining' | 'closed';
