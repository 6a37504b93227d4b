// Every pool of this process, so that whoever looks in from outside (a console, an exporter) finds them without being handed each. Kept
// weakly: a pool that was dropped without a close goes as it would have gone. By a symbol of the process, because two copies of this
// package may be loaded. A new one is announced on a channel, for those who must not miss what it does first.

import { channel } from 'node:diagnostics_channel';

const REGISTRY = Symbol.for('millpond.pools');

const registry = ((globalThis as { [REGISTRY]?: Set<WeakRef<object>> })[REGISTRY] ??= new Set());
const dropped = new FinalizationRegistry((ref: WeakRef<object>) => registry.delete(ref));

/** Its messages are the pools themselves, so it is for this package alone and not in the documentation. */
export const ARRIVAL = 'millpond:arrival';

const arrivals = channel(ARRIVAL);

export function enroll(pool: object): void {
  const ref = new WeakRef(pool);
  registry.add(ref);
  dropped.register(pool, ref);
  arrivals.publish(pool);
}

export function enrolled(): object[] {
  return [...registry].map((ref) => ref.deref()).filter((pool) => pool !== undefined);
}
