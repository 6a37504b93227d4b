// The events of a pool, added up and compared with its totals: whoever draws a dashboard from the one must see what the other says.

import type { DestroyReason, PoolEvents, PoolState, PoolStats } from '../../index.ts';
import type { ScriptedResource } from '../factory.ts';
import type { SimPool } from './ledger.ts';

type Events = PoolEvents<ScriptedResource>;

export class EventBooks {
  /** What had happened before anybody could listen. */
  readonly #before: PoolStats['totals'];
  readonly #count: Record<keyof Events, number> = {
    create: 0, createError: 0, acquire: 0, acquireError: 0, release: 0, staleRelease: 0, destroy: 0, leak: 0, unleak: 0, state: 0,
  };
  readonly #destroyed = new Map<DestroyReason, number>();
  #waitMs = 0;
  #useMs = 0;
  #state: PoolState;
  readonly #fault: (text: string) => void;

  constructor(pool: SimPool, fault: (text: string) => void) {
    const { totals, state } = pool.stats();
    this.#before = totals;
    this.#state = state;
    this.#fault = fault;
  }

  note<K extends keyof Events>(name: K, event: Events[K]): void {
    this.#count[name]++;
    if (name === 'acquire' || name === 'acquireError') this.#waitMs += (event as Events['acquireError']).waitMs;
    else if (name === 'release') this.#useMs += (event as Events['release']).useMs;
    else if (name === 'destroy') {
      const { reason } = event as Events['destroy'];
      this.#destroyed.set(reason, (this.#destroyed.get(reason) ?? 0) + 1);
    } else if (name === 'state') this.#stateChanged(event as Events['state']);
  }

  /** `live`: how many leases have not ended. */
  check(stats: PoolStats, live: number): void {
    const { totals } = stats;
    const before = this.#before;
    const count = this.#count;
    const same = (what: string, events: number, total: number): void => {
      if (Math.abs(events - total) > 1e-6) this.#fault(`I11: ${what}: the events say ${events}, the totals ${total}`);
    };
    const refused = totals.timedOut + totals.aborted + totals.rejected - before.timedOut - before.aborted - before.rejected;
    same('served', count.acquire, totals.served - before.served);
    same('refused', count.acquireError, refused);
    same('create errors', count.createError, totals.createErrors - before.createErrors);
    same('ended twice', count.staleRelease, totals.staleReleases - before.staleReleases);
    same('leases', count.acquire - count.release, live);
    same('time waited', this.#waitMs, totals.waitMs - before.waitMs);
    same('time used', this.#useMs, totals.useMs - before.useMs);
    for (const [reason, total] of Object.entries(totals.destroyed) as [DestroyReason, number][]) {
      same(`destroyed (${reason})`, this.#destroyed.get(reason) ?? 0, total - before.destroyed[reason]);
    }
    if (count.unleak > count.leak || count.leak > count.acquire) {
      this.#fault(`I11: ${count.acquire} leases, ${count.leak} leaks, ${count.unleak} of them ended`);
    }
    if (this.#state !== stats.state) this.#fault(`I11: the last state told was ${this.#state}, it is ${stats.state}`);
  }

  #stateChanged({ from, to }: Events['state']): void {
    if (from !== this.#state || from === to) this.#fault(`I11: the state went from ${from} to ${to}, and had been ${this.#state}`);
    this.#state = to;
  }
}
