// The resources of a world: a scripted factory whose every call draws its behaviour from the present mood, and a memory of each resource
// that owes nothing to the pool's, against which hand-overs are judged.

import type { DestroyReason, Factory } from '../../index.ts';
import { ScriptedFactory, type CheckContext, type CreateContext, type ScriptedResource } from '../factory.ts';
import type { Behaviour, HookCall } from '../script.ts';
import { behaviourOf, ScriptedFailure, type Hook, type Mood } from './weather.ts';
import type { SeededRandom } from '../random.ts';
import type { VirtualClock } from '../clock.ts';
import type { World } from './world.ts';

/** What is known of a resource without asking the pool. */
export interface Memory {
  /** When it came. */
  readonly createdAt: number;
  /** When it was last known to be alive: created, given back, or validated. */
  aliveAt: number;
  restedAt: number;
  /** It was there during a freeze, and has not answered since; where nobody can be asked: it was idle then, and has not been lent since. */
  suspect: boolean;
  uses: number;
  leases: number;
  /** A lease of it was destroyed while others went on. */
  condemned: boolean;
  /** It said that it died, or was evicted while it was lent: it may not be lent again. */
  doomed: string | undefined;
  detached: boolean;
}

export type AnyCall = HookCall<ScriptedResource, unknown, unknown>;

export class Resources {
  readonly scripted: ScriptedFactory;
  /** What the pool is given. */
  readonly factory: Factory<ScriptedResource>;
  mood: Mood;
  /** Called at the start of every hook. */
  onHook: (hook: string, resource: ScriptedResource | undefined) => void = () => {};
  /** Called when something is to be destroyed. */
  onDestroy: (resource: ScriptedResource, memory: Memory, reason: DestroyReason) => void = () => {};
  /** Called before a hook returns to the pool. */
  afterHook: () => void = () => {};
  /** True from the end on: nothing breaks by chance any more. */
  peaceful = false;
  /** True while the simulator itself looks: then nothing may come of it. */
  quiet = false;
  /** These fail their next validation, whatever the mood. */
  readonly dead: Set<ScriptedResource> = new Set();
  readonly #memories = new Map<ScriptedResource, Memory>();
  readonly #random: SeededRandom;
  readonly #clock: VirtualClock;

  constructor(world: World, clock: VirtualClock, random: SeededRandom) {
    this.#random = random;
    this.#clock = clock;
    this.mood = world.mood;
    this.scripted = new ScriptedFactory({
      clock,
      validate: true,
      reset: true,
      classify: (error) => {
        if (!this.peaceful && random.chance(0.02)) throw new Error('scripted: the classifier fails');
        return error instanceof ScriptedFailure && error.permanent ? 'permanent' : 'transient';
      },
    });
    this.factory = this.#build(world);
  }

  memoryOf(resource: ScriptedResource): Memory {
    const memory = this.#memories.get(resource);
    if (memory === undefined) throw new Error(`nothing is known of ${resource.name}`);
    return memory;
  }

  get known(): Iterable<[ScriptedResource, Memory]> {
    return this.#memories;
  }

  /** Resources that have come, are not being destroyed and were not detached. */
  inPool(): ScriptedResource[] {
    return this.scripted.alive().filter((resource) => this.#memories.get(resource)?.detached === false);
  }

  /** Calls of hooks that have not come to an end; those that need somebody to answer them, and those that do so by themselves. */
  get pending(): AnyCall[] {
    const { create, validate, reset, destroy } = this.scripted.script;
    return [...create.pending, ...validate.pending, ...reset.pending, ...destroy.pending] as AnyCall[];
  }

  #build(world: World): Factory<ScriptedResource> {
    const { scripted } = this;
    const { hooks } = world;
    return {
      create: (context) => this.#create(context),
      destroy: (resource, context) => {
        this.onDestroy(resource, this.memoryOf(resource), context.reason);
        return this.#run('destroy', resource, () => scripted.destroy(resource, context));
      },
      ...(hooks.validate ? { validate: (resource, context) => this.#validate(resource, context) } : {}),
      ...(hooks.reset ? {
        reset: (resource, context) => {
          const result = this.#run('reset', resource, () => scripted.reset!(resource, context));
          return this.#provingLife(resource, context, result);
        },
      } : {}),
      ...(hooks.isBroken ? { isBroken: (resource) => this.#isBroken(resource) } : {}),
      ...(hooks.onLost ? { onLost: (resource, listener) => this.#onLost(resource, listener) } : {}),
      ...(hooks.classify ? { classify: scripted.classify! } : {}),
    };
  }

  #run<R>(hook: Hook, resource: ScriptedResource | undefined, call: () => R): R {
    this.onHook(hook, resource);
    const dead = hook === 'validate' && this.dead.has(resource!);
    this.scripted.script[hook].does((dead ? silence(this.#random) : behaviourOf(hook, this.mood, this.#random)) as never);
    try {
      return call();
    } finally {
      this.afterHook();
    }
  }

  #create(context: CreateContext): Promise<ScriptedResource> | ScriptedResource {
    const result = this.#run('create', undefined, () => this.scripted.create(context));
    // Noted before the pool hears of it, so that it is known when it is lent.
    if (result instanceof Promise) result.then((resource) => this.#remember(resource), () => undefined);
    else this.#remember(result);
    return result;
  }

  #remember(resource: ScriptedResource): void {
    const now = this.#clock.now();
    const fresh = { suspect: false, uses: 0, leases: 0, condemned: false, doomed: undefined, detached: false };
    this.#memories.set(resource, { createdAt: now, aliveAt: now, restedAt: now, ...fresh });
  }

  #validate(resource: ScriptedResource, context: CheckContext): Promise<boolean> | boolean {
    const result = this.#run('validate', resource, () => this.scripted.validate!(resource, context));
    return this.#provingLife(resource, context, result);
  }

  /** A resource that answers in time is alive. */
  #provingLife<R extends boolean | void>(resource: ScriptedResource, context: CheckContext, result: Promise<R> | R): Promise<R> | R {
    const noted = (answer: R): void => {
      if (answer === false || context.signal.aborted) return;
      const memory = this.memoryOf(resource);
      memory.aliveAt = this.#clock.now();
      // A reset that had nothing to do has asked nobody.
      if (answer === true || result instanceof Promise) memory.suspect = false;
    };
    if (result instanceof Promise) result.then(noted, () => undefined);
    else noted(result);
    return result;
  }

  #isBroken(resource: ScriptedResource): boolean {
    if (this.quiet) return this.scripted.broken.has(resource);
    if (this.scripted.isBroken!(resource)) return true;
    if (!this.peaceful && this.#random.chance(0.005)) {
      this.scripted.broken.add(resource);
      if (this.#random.chance(0.5)) throw new Error('scripted: isBroken fails');
      return true;
    }
    return false;
  }

  #onLost(resource: ScriptedResource, listener: (cause?: unknown) => void): () => void {
    if (!this.peaceful && this.#random.chance(0.01)) {
      this.scripted.broken.add(resource);
      throw new Error('scripted: onLost fails');
    }
    const unsubscribe = this.scripted.onLost!(resource, listener);
    // Dead on arrival, and it says so while it is being listened to.
    if (!this.peaceful && this.#random.chance(0.02)) this.scripted.lost(resource, new ScriptedFailure());
    const fails = this.#random.chance(0.02);
    return () => {
      unsubscribe();
      if (fails) throw new Error('scripted: unsubscribing fails');
    };
  }
}

/** What a dead resource does when it is asked whether it is alive. */
function silence(random: SeededRandom): Behaviour<ScriptedResource, CheckContext, boolean> {
  return random.pick([() => false, 'manual', { rejects: new ScriptedFailure() }] as const);
}
