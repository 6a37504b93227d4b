// How much a shared resource can carry, where its peer has a limit of its own and may change it (HTTP/2). `sharing` is what the pool wants;
// a resource that says less stands among the full once it carries that much, and comes back when a lease ends or the limit rises.

import { dispatch } from './dispatch.ts';
import type { Engine } from './engine.ts';
import type { Slot } from './slot.ts';

/** The resource told how many leases it can carry. With less than one it would be of no use to anybody and still be there. */
export function carries<T>(engine: Engine<T>, slot: Slot<T>, leases: number, now: number): void {
  slot.capacity = leases >= 1 ? Math.floor(leases) : 1;
  if (slot.state !== 'lent' || engine.settings.sharing === 1) return;
  engine.slots.share(slot, slot.leases, now);
  if (engine.waiting > 0) dispatch(engine, now);
}
