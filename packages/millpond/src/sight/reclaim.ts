// Taking back what is not coming back, from outside.

import { liveHolds } from '../engine/slots.ts';
import type { Lease } from '../lease.ts';
import { Pool } from '../pool.ts';

/**
 * Ends the leases of the resource with this id ({@link Pool.holders} tells it), and the resource, as if each of its holders had called
 * {@link Lease.destroy}: they find their lease ended. Returns how many leases ended; 0 when nobody holds it (any more).
 */
export function reclaim<T>(pool: Pool<T>, id: number): number {
  const holds = liveHolds(Pool.engineOf(pool).slots).filter(({ slot }) => slot.id === id);
  // A hold is a lease to the runtime. Whoever is told of the end of one may have ended another.
  return (holds as unknown as Lease<T>[]).filter((lease) => lease.destroy(new Error('taken back from its holder by hand'))).length;
}
