// A lease as the runtime makes it: one fresh object per acquire, never used again, which is what makes it proof against reuse.

import type { Lane } from '../engine/lanes.ts';
import type { Hold, Slot } from '../engine/slot.ts';
import { LeaseEndedError } from '../errors.ts';
import type { ResourceInfo } from '../factory.ts';
import type { Holder, Lease } from '../lease.ts';
import type { Driver } from './driver.ts';

/** What a report says of a holder; made only when there is something to say. */
export interface LeaseMeta {
  readonly label: string | undefined;
  /** Holds the captured stack; formatting it waits until somebody reads it. */
  readonly trace: { readonly stack?: string } | undefined;
}

export class LiveLease<T> implements Lease<T>, Hold<T> {
  prev: Hold<T> | undefined = undefined;
  next: Hold<T> | undefined = undefined;
  leaked = false;
  ended = false;
  readonly slot: Slot<T>;
  readonly lane: Lane;
  readonly since: number;
  readonly meta: LeaseMeta | undefined;
  private readonly driver: Driver<T>;

  constructor(driver: Driver<T>, slot: Slot<T>, lane: Lane, since: number, meta: LeaseMeta | undefined) {
    this.driver = driver;
    this.slot = slot;
    this.lane = lane;
    this.since = since;
    this.meta = meta;
  }

  get resource(): T {
    if (this.ended) throw this.#endedError('its resource may belong to somebody else now');
    return this.slot.resource as T;
  }

  get info(): ResourceInfo {
    return this.driver.infoOf(this.slot);
  }

  release(): boolean {
    if (this.ended) return this.driver.staleEnd(this);
    this.ended = true;
    this.driver.release(this);
    return true;
  }

  destroy(cause?: unknown): boolean {
    if (this.ended) return this.driver.staleEnd(this);
    this.ended = true;
    this.driver.discard(this, 'leaseDestroyed', cause);
    return true;
  }

  detach(): T {
    if (this.ended) {
      this.driver.staleEnd(this);
      throw this.#endedError('there is nothing to detach');
    }
    this.ended = true;
    return this.driver.detach(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release() ? this.driver.atRest(this.slot) : Promise.resolve();
  }

  #endedError(consequence: string): LeaseEndedError {
    const label = this.meta?.label === undefined ? '' : ` "${this.meta.label}"`;
    return new LeaseEndedError(`Lease${label} of pool "${this.driver.name}" has ended; ${consequence}`, {
      code: 'ERR_POOL_LEASE_ENDED', pool: this.driver.name,
    });
  }
}

export function labelled(meta: LeaseMeta | undefined): { readonly label?: string } {
  return meta?.label === undefined ? {} : { label: meta.label };
}

export function holderOf<T>(hold: Hold<T>, now: number): Holder {
  const { meta } = hold as LiveLease<T>;
  const stack = meta?.trace?.stack;
  return { id: hold.slot.id, ...labelled(meta), heldMs: now - hold.since, ...(stack === undefined ? {} : { stack }) };
}
