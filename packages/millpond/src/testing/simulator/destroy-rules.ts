// Every ending has a reason, and the reason has to be true. Looked at in the moment in which the factory is asked to destroy.

import type { DestroyReason } from '../../index.ts';
import type { Engine } from '../../engine/engine.ts';
import type { VirtualClock } from '../clock.ts';
import type { ScriptedResource } from '../factory.ts';
import type { Memory } from './resources.ts';
import type { World } from './world.ts';

/** A sum and a difference of times are not rounded alike. */
export const ROUNDING_MS = 1e-6;

type SimEngine = Engine<ScriptedResource>;

/** What may make reasons true; the operators set it. */
export interface Orders {
  evicted: boolean;
  resized: boolean;
  closing: boolean;
}

export class DestroyRules {
  readonly orders: Orders = { evicted: false, resized: false, closing: false };
  /** A validation failed: whatever had been silent for as long, or longer, must be gone when all is at rest. */
  staleSince: number = -Infinity;
  readonly #world: World;
  readonly #clock: VirtualClock;
  readonly #isBroken: (resource: ScriptedResource) => boolean;

  constructor(world: World, clock: VirtualClock, isBroken: (resource: ScriptedResource) => boolean) {
    this.#world = world;
    this.#clock = clock;
    this.#isBroken = isBroken;
  }

  /** What is wrong with destroying it for this reason, or undefined. */
  fault(resource: ScriptedResource, memory: Memory, reason: DestroyReason, engine: SimEngine | undefined): string | undefined {
    const now = this.#clock.now();
    const { options, hooks } = this.#world;
    const wrong = (why: string): string => `I8: ${resource.name} is destroyed for ${reason}, and ${why}`;
    if (memory.leases > 0 && !memory.detached) return wrong(`has ${memory.leases} leases`);
    if (memory.detached) return wrong('was detached');
    switch (reason) {
      case 'idleTimeout': return this.#idleFault(memory, now, engine, wrong);
      case 'maxLifetime': {
        const least = options.maxLifetimeMs! * (1 - options.lifetimeJitter!);
        const ageMs = now - memory.createdAt;
        return ageMs < least - ROUNDING_MS ? wrong(`is ${ageMs} ms old, of at least ${least}`) : undefined;
      }
      case 'maxUses': return memory.uses < (options.maxUses ?? Infinity) ? wrong(`was lent ${memory.uses} times`) : undefined;
      case 'broken': return this.#isBroken(resource) || memory.condemned ? undefined : wrong('is well');
      case 'evicted': return this.orders.evicted ? undefined : wrong('nobody asked for it');
      case 'overSize':
        return this.orders.resized || options.strictMax === false || hasStrays(options) ? undefined : wrong('max is what it was');
      case 'recalled': return this.#world.budget === undefined ? wrong('there is no budget') : undefined;
      case 'poolClosed': return this.orders.closing ? undefined : wrong('the pool is open');
      case 'reclaimed': return options.reclaim === true ? undefined : wrong('nothing is reclaimed');
      case 'resetFailed': return hooks.reset ? undefined : wrong('there is no reset');
      case 'invalid': return this.#noteInvalid(memory, wrong);
      case 'stale': return options.flushOnStale === true && (hooks.validate || memory.suspect) ? undefined : wrong('nothing is flushed');
      case 'late': case 'leaseDestroyed': return undefined;
    }
  }

  /** Rule 11: idleness retires only what is above `min`. */
  #idleFault(memory: Memory, now: number, engine: SimEngine | undefined, wrong: (why: string) => string): string | undefined {
    const idleMs = now - memory.restedAt;
    if (idleMs < this.#world.options.idleTimeoutMs! - ROUNDING_MS) return wrong(`was idle for ${idleMs} ms`);
    if (engine === undefined) return undefined;
    // Those that wait for their replacement, in an eviction with a spread, do not count: they are about to go.
    let least = Math.min(engine.settings.min, engine.limit);
    for (const slot of engine.slots.aliveSlots()) if (slot.evictAt !== undefined && slot.evictAt <= now) least++;
    return engine.slots.alive < least ? wrong(`leaves ${engine.slots.alive} of min ${least}`) : undefined;
  }

  #noteInvalid(memory: Memory, wrong: (why: string) => string): string | undefined {
    if (!this.#world.hooks.validate) return wrong('there is no validation');
    if (this.#world.options.flushOnStale === true && !memory.suspect) this.staleSince = Math.max(this.staleSince, memory.aliveAt);
    return undefined;
  }
}

/** Creates that were given up may bring more than `max`. */
function hasStrays(options: World['options']): boolean {
  return options.createTimeoutMs !== Infinity;
}
