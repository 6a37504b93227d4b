// A pool whose hooks end when fast-check's scheduler says so, and who uses it. It watches for what must never happen.

import type fc from 'fast-check';
import { Pool, type Lease } from 'millpond';
import { VirtualClock } from 'millpond/testing';
import { expect } from 'vitest';
import { checkEngine } from '../../packages/millpond/src/engine/invariants.ts';

export interface World {
  readonly max: number;
  readonly min: number;
  readonly maxCreating: number;
  readonly createRetry: boolean;
}

export type Action = 'acquire' | 'release' | 'destroy' | 'abort' | 'tick' | 'evict' | 'lose';

interface Thing {
  readonly id: number;
  owner: number | undefined;
}

export class Stage {
  readonly clock = new VirtualClock();
  readonly pool: Pool<Thing>;
  /** From here on no hook fails. */
  healed = false;
  asked = 0;
  settled = 0;
  private readonly scheduler: fc.Scheduler;
  private readonly pick: (below: number) => number;
  private readonly faults: string[] = [];
  private readonly losses = new Map<Thing, () => void>();
  private readonly live = new Set<Thing>();
  private readonly held: Lease<Thing>[] = [];
  private readonly aborts: AbortController[] = [];
  private made = 0;

  constructor(world: World, scheduler: fc.Scheduler, pick: (below: number) => number) {
    this.scheduler = scheduler;
    this.pick = pick;
    const { createRetry, ...sizes } = world;
    this.pool = new Pool<Thing>({
      ...sizes, createRetry: createRetry ? {} : false, validateAfterIdleMs: 5, acquireTimeoutMs: 200,
      idleTimeoutMs: 0, maxLifetimeMs: 0, createTimeoutMs: 0, validateTimeoutMs: 0, resetTimeoutMs: 0, destroyTimeoutMs: 0,
      clock: this.clock, random: () => 0.5,
      factory: {
        create: () => this.hook('create', () => this.make(world.max)),
        validate: () => this.hook('validate', () => true),
        reset: () => this.hook('reset', () => undefined),
        destroy: (thing) => this.unmake(thing),
        onLost: (thing, lost) => {
          this.losses.set(thing, lost);
          return () => this.losses.delete(thing);
        },
      },
    });
  }

  get busy(): boolean {
    return this.held.length > 0 || this.settled < this.asked || this.scheduler.count() > 0;
  }

  get liveCount(): number {
    return this.live.size;
  }

  async act(action: Action): Promise<void> {
    switch (action) {
      case 'acquire': this.acquire(); break;
      case 'release': case 'destroy': this.endOne(action); break;
      case 'abort': this.aborts[this.pick(this.aborts.length)]?.abort(); break;
      case 'tick': await this.clock.advance(this.pick(30)); break;
      case 'evict': this.pool.evict(); break;
      case 'lose': [...this.losses.values()][this.pick(this.losses.size)]?.(); break;
    }
    await this.check();
  }

  /** Lets up to `count` hooks end, in an order that the scheduler draws. */
  async endHooks(count: number): Promise<void> {
    for (let left = count; left > 0 && this.scheduler.count() > 0; left--) {
      await this.scheduler.waitNext(1);
      await this.check();
    }
  }

  endAllLeases(): void {
    while (this.held.length > 0) this.endOne('release');
  }

  async check(): Promise<void> {
    await this.clock.flush();
    this.faults.push(...checkEngine(Pool.engineOf(this.pool), this.clock.now()));
    expect(this.faults).toEqual([]);
  }

  private async hook<R>(name: string, result: () => R): Promise<R> {
    await this.scheduler.schedule(Promise.resolve(), name);
    if (!this.healed && this.pick(10) === 0) throw new Error(`${name} failed`);
    return result();
  }

  private make(max: number): Thing {
    const thing: Thing = { id: ++this.made, owner: undefined };
    this.live.add(thing);
    if (this.live.size > max) this.faults.push(`${this.live.size} live at max ${max}`);
    return thing;
  }

  private async unmake(thing: Thing): Promise<void> {
    if (thing.owner !== undefined) this.faults.push(`${thing.id} destroyed while ${thing.owner} has it`);
    if (!this.live.has(thing)) this.faults.push(`${thing.id} destroyed twice`);
    await this.scheduler.schedule(Promise.resolve(), 'destroy');
    this.live.delete(thing);
  }

  private acquire(): void {
    const owner = ++this.asked;
    const abort = new AbortController();
    this.aborts.push(abort);
    this.pool.acquire({ signal: abort.signal }).then(
      (lease) => {
        this.settled++;
        const { resource } = lease;
        if (resource.owner !== undefined) this.faults.push(`${resource.id} lent to ${owner} and ${resource.owner}`);
        resource.owner = owner;
        this.held.push(lease);
      },
      () => this.settled++,
    );
  }

  private endOne(how: 'release' | 'destroy'): void {
    const [lease] = this.held.splice(this.pick(this.held.length), 1);
    if (lease === undefined) return;
    lease.resource.owner = undefined;
    lease[how]();
  }
}
