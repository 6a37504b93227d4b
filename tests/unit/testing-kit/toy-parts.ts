// The parts of the toy pool: its faults by name, a slot, a waiter, a lease.

import type { Clock, DestroyReason, Lease, PoolStats, ResourceInfo } from 'millpond';
import type { ScriptedResource } from 'millpond/testing';

export const FAULTS = [
  'second release frees the next lease',
  'resource readable after release',
  'closing does not count',
  'destroy timeout ignored',
  'failed create keeps its place',
  'last in, first served',
  'barging',
  'idle first in, first out',
  'abort stays in the queue',
  'abort wrapped',
  'aborted signal still validates',
  'times out early',
  'times out late',
  'serves the expired',
  'late create dropped',
  'storm after a failure',
  'ignores maxCreating',
  'creates without demand',
  'ignores maxWaiting',
  'maxWaiting counts creates',
  'orphans when creates fail',
  'backoff never grows',
  'retries permanent failures',
  'late resource pooled',
  'create timeout ignored',
  'hook throws escape',
  'min never refilled',
  'never validates',
  'validates the fresh',
  'backs off between stale ones',
  'validation has no deadline',
  'lost idle stays',
  'lost twice is destroyed twice',
  'age cuts leases',
  'idle goes below min',
  'idle takes the newest',
  'maxUses off by one',
  'use leaks on throw',
  'reset after serving',
  'reset failure ignored',
  'destroyed lease is not replaced',
  'broken is pooled',
  'evict forgets the borrowed',
  'evict keeps the create under way',
  'evicted return wakes nobody',
  'shrink kills leases',
  'growth waits for a release',
  'pause still lends',
  'pause reject keeps waiters',
  'close forgets waiters',
  'close does not wait for destroys',
  'close waits for ever',
  'late create after close pooled',
  'close leaves timers',
  'stats drift',
  'aborted acquires uncounted',
  'dead listeners stay',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Slot {
  readonly id: number;
  readonly generation: number;
  state: 'creating' | 'idle' | 'validating' | 'borrowed' | 'resetting' | 'destroying' | 'gone';
  resource: ScriptedResource;
  createdAt: number;
  idleSince: number;
  aliveAt: number;
  expiresAt: number;
  uses: number;
  broken: boolean;
  stop: AbortController;
  stopListening: () => void;
  lease: ToyLease | undefined;
}

export interface Waiter {
  readonly since: number;
  readonly deadline: number;
  readonly label: string | undefined;
  resolve(lease: ToyLease): void;
  reject(error: unknown): void;
  clean(): void;
}

export class ToyError extends Error {
  readonly code: string;
  constructor(code: string, cause?: unknown) {
    super(code, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** What a lease needs of its pool. */
interface LeaseOwner {
  has(fault: Fault): boolean;
  infoOf(slot: Slot): ResourceInfo;
  end(lease: ToyLease, reason: DestroyReason | undefined): boolean;
  detach(lease: ToyLease): void;
}

export class ToyLease implements Lease<ScriptedResource> {
  ended = false;
  readonly since: number;
  readonly label: string | undefined;
  readonly slot: Slot;
  readonly #pool: LeaseOwner;

  constructor(pool: LeaseOwner, slot: Slot, since: number, label: string | undefined) {
    this.#pool = pool;
    this.slot = slot;
    this.since = since;
    this.label = label;
  }

  get resource(): ScriptedResource {
    if (this.ended && !this.#pool.has('resource readable after release')) throw new ToyError('ERR_POOL_LEASE_ENDED');
    return this.slot.resource;
  }

  get info(): ResourceInfo {
    return this.#pool.infoOf(this.slot);
  }

  release(): boolean {
    return this.#pool.end(this, undefined);
  }

  destroy(): boolean {
    return this.#pool.end(this, 'leaseDestroyed');
  }

  detach(): ScriptedResource {
    const { resource } = this;
    this.#pool.detach(this);
    return resource;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

/** One timer a key; arming again replaces it. */
export class Timers {
  readonly #clock: Clock;
  readonly #armed = new Map<string | object, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: string | object): boolean {
    return this.#armed.has(key);
  }

  keys(): (string | object)[] {
    return [...this.#armed.keys()];
  }

  arm(key: string | object, atMs: number, callback: () => void): void {
    this.cancel(key);
    const cancel = this.#clock.schedule(atMs, () => {
      this.#armed.delete(key);
      callback();
    });
    this.#armed.set(key, cancel);
  }

  cancel(key: string | object): void {
    this.#armed.get(key)?.();
    this.#armed.delete(key);
  }
}

export const NOTHING_DESTROYED: Record<DestroyReason, number> = {
  idleTimeout: 0,
  maxLifetime: 0,
  maxUses: 0,
  invalid: 0,
  stale: 0,
  broken: 0,
  resetFailed: 0,
  evicted: 0,
  leaseDestroyed: 0,
  reclaimed: 0,
  late: 0,
  overSize: 0,
  recalled: 0,
  poolClosed: 0,
};

export function newCounts(): Record<Exclude<keyof PoolStats['totals'], 'destroyed'>, number> {
  return {
    acquires: 0,
    served: 0,
    timedOut: 0,
    aborted: 0,
    rejected: 0,
    staleReleases: 0,
    created: 0,
    createErrors: 0,
    destroyTimeouts: 0,
    detached: 0,
    waitMs: 0,
    useMs: 0,
  };
}
