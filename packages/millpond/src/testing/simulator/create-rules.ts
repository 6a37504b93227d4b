// When a create may be started. Looked at in the moment in which the factory is called, from inside: no more of them than somebody needs,
// than `max`, the budget and `maxCreating` allow, and none while the pool is paused, closing, or waiting out a failure.

import type { Engine } from '../../engine/engine.ts';
import type { VirtualClock } from '../clock.ts';
import type { ScriptedResource } from '../factory.ts';
import type { World } from './world.ts';

export class CreateRules {
  #engine: Engine<ScriptedResource> | undefined;
  #fault: (text: string) => void = () => {};
  #probedAt = -Infinity;
  readonly #world: World;
  readonly #clock: VirtualClock;

  constructor(world: World, clock: VirtualClock) {
    this.#world = world;
    this.#clock = clock;
  }

  /** Creates that were started before, in the constructor of the pool, are not looked at. */
  begin(engine: Engine<ScriptedResource>, fault: (text: string) => void): void {
    this.#engine = engine;
    this.#fault = fault;
  }

  createStarts(): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    const { slots, settings } = engine;
    if (engine.closing) this.#fault('I12: a create was started at a pool that closes');
    if (engine.paused !== false) this.#fault('I7: a create was started while the pool is paused');
    const counted = settings.strictMax ? slots.size : slots.size - slots.destroying.size;
    if (counted > engine.limit) this.#fault(`I1: a create was started as the ${counted}th of ${engine.limit}`);
    if (slots.pending > settings.maxCreating) this.#fault(`I7: a create was started beside ${slots.pending - 1}`);
    if (engine.probeAt !== undefined) this.#checkProbe();
    else this.#checkDemand(engine);
  }

  #checkProbe(): void {
    const now = this.#clock.now();
    const { breaker } = this.#world.options;
    if (breaker === undefined || breaker === false) this.#fault('I7: a probe without a breaker');
    else if (now < this.#probedAt + breaker.probeIntervalMs) this.#fault(`I7: a probe at ${now}, the last one was at ${this.#probedAt}`);
    this.#probedAt = now;
  }

  /** I7, the new create included. */
  #checkDemand(engine: Engine<ScriptedResource>): void {
    const { slots, settings, backoff } = engine;
    const now = this.#clock.now();
    let overdue = 0;
    for (const slot of slots.aliveSlots()) if ((slot.evictAt ?? Infinity) <= now) overdue++;
    const alive = slots.idle.size + slots.borrowed + slots.validating.size + slots.resetting.size;
    const forWaiters = Math.ceil(engine.waiting / settings.sharing);
    const forMin = Math.min(settings.min, engine.limit) - alive + overdue;
    if (slots.creating.size > Math.max(forWaiters, forMin)) {
      const demand = `${engine.waiting} waiters and ${alive} of min ${settings.min} (${overdue} to be replaced)`;
      this.#fault(`I7: the ${slots.creating.size}th create, for ${demand}`);
    }
    if (now >= backoff.retryAt) return;
    const told = engine.waiting > 0 && (backoff.permanent ? alive === 0 || !settings.retryForWaiters : !settings.retryForWaiters);
    if (!told) this.#fault(`I7: a create was started at ${now}, and the next try is due at ${backoff.retryAt}`);
  }
}
