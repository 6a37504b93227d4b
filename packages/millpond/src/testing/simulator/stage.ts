// A world with a pool in it: the clock, the resources, the pool, everything that watches it, and what is needed to act in it.

import { Pool, type PoolEvents } from '../../index.ts';
import type { Engine } from '../../engine/engine.ts';
import { checkEngine } from '../../engine/invariants.ts';
import type { VirtualClock } from '../clock.ts';
import { InvariantError, InvariantWatch } from '../invariants.ts';
import { seededRandom, type SeededRandom } from '../random.ts';
import type { ScriptedResource } from '../factory.ts';
import { QuickClock } from './quick-clock.ts';
import { MovingBudget } from './budget.ts';
import { CreateRules } from './create-rules.ts';
import { DestroyRules } from './destroy-rules.ts';
import { Ledger, type SimPool } from './ledger.ts';
import type { Log } from './log.ts';
import { Resources } from './resources.ts';
import { drawWorld, type World } from './world.ts';

const EVENTS = [
  'create', 'createError', 'acquire', 'acquireError', 'release', 'staleRelease', 'destroy', 'leak', 'unleak', 'state',
] as const;

/** How many firings of timers are looked at one by one. A long time has hundreds, much alike. */
const LOOKS = 12;

export class Stage {
  readonly world: World;
  readonly clock: VirtualClock;
  readonly log: Log;
  readonly resources: Resources;
  readonly budget: MovingBudget | undefined;
  readonly pool: SimPool;
  readonly engine: Engine<ScriptedResource>;
  readonly ledger: Ledger;
  readonly destroyRules: DestroyRules;
  /** Draws of whoever acts, apart from those of the resources. */
  readonly random: SeededRandom;
  /** What a listener or a hook does when it calls the pool back. */
  mischief: () => void = () => {};
  /** A shared resource was detached by one of its leases: the others hold something that the pool does not know any more. */
  orphaned = false;
  /** An eviction with a spread has happened: creates need no waiter. */
  spread = false;
  /** The highest `max` since the last look. */
  highestMax = 0;
  #counted = Infinity;
  readonly #watch: InvariantWatch<ScriptedResource>;
  readonly #timers = new Set<() => void>();
  #depth = 0;
  #settled = 0;
  /** The engine, once the pool is built; resources may come and go before. */
  #engine: Engine<ScriptedResource> | undefined;
  /** Faults found where there may be no ledger yet. */
  readonly #early: string[] = [];

  constructor(seed: number | string, log: Log) {
    const random = seededRandom(seed);
    this.random = random.fork('actions');
    this.world = drawWorld(random.fork('world'));
    this.log = log;
    // An odd beginning: nothing may depend on the clock having started at 0.
    this.clock = new QuickClock(this.world.whole ? 1000 : 1000.25);
    this.resources = new Resources(this.world, this.clock, random.fork('resources'));
    this.budget = this.world.budget === undefined ? undefined : new MovingBudget(this.world.budget);
    const rules = new CreateRules(this.world, this.clock);
    this.resources.onHook = (hook, resource) => {
      this.#note(`${hook}()`, resource === undefined ? '' : resource.name);
      if (hook === 'create') rules.createStarts();
    };
    this.destroyRules = new DestroyRules(this.world, this.clock, (resource) => this.resources.scripted.broken.has(resource));
    this.resources.onDestroy = (resource, memory, reason) => {
      const fault = this.destroyRules.fault(resource, memory, reason, this.#engine);
      if (fault !== undefined) this.#early.push(fault);
    };
    this.resources.afterHook = () => this.#misbehave();
    const { factory } = this.resources;
    const { budget, clock } = this;
    const seat = budget === undefined ? {} : { budget };
    this.pool = new Pool({ ...this.world.options, ...seat, factory, clock, random: random.fork('pool') });
    this.engine = Pool.engineOf(this.pool);
    this.#engine = this.engine;
    this.#watch = new InvariantWatch(this.pool, this.resources.scripted, this.#watchOptions());
    this.ledger = new Ledger(this.world, clock, log, this.resources, this.pool, this.engine);
    rules.begin(this.engine, this.ledger.fault);
    for (const name of EVENTS) this.pool.on(name, (event) => this.#happened(name, event));
  }

  /** Whether the code that runs was called by the pool. */
  get calledBack(): boolean {
    return this.#depth > 0;
  }

  /** Runs `fn` once after a time, as a caller's own timer would. */
  later(ms: number, fn: () => void): void {
    const timer = (): void => {
      this.#timers.delete(cancel);
      fn();
    };
    const cancel = this.clock.schedule(this.clock.now() + ms, timer);
    this.#timers.add(cancel);
  }

  /** Callers' own timers never fire: the callers are gone. */
  forgetTimers(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** Lets everything come to rest that is due now, then looks whether all is as it must be. */
  async settle(): Promise<void> {
    this.budget?.tell();
    await this.clock.advance(0);
    // From outside the same is seen as from inside, at twice the cost: every second time is enough.
    this.#settled++;
    if (this.#settled % 2 === 0) this.check();
    else this.#look();
  }

  /** Moves the clock, with a look after each of the first times at which something happens, and one at the end. */
  async advance(ms: number, looks: number = LOOKS): Promise<void> {
    const target = this.clock.now() + ms;
    await this.settle();
    for (let look = 0; look < looks && this.clock.nextAt <= target; look++) {
      await this.clock.advanceTo(Math.max(this.clock.now(), this.clock.nextAt));
      this.#look();
    }
    await this.clock.advanceTo(target);
    this.check();
  }

  /** Everything that must hold, from outside and from inside. */
  check(): void {
    try {
      this.#watch.check({ shrinkingFrom: this.#ceiling() });
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      for (const broken of error.broken) if (!this.#excused(broken)) this.ledger.fault(broken);
    }
    this.#checkHolders();
    this.#look();
  }

  /** What changes from moment to moment; the rest of what {@link check} looks at is noted as it happens. */
  #look(): void {
    this.resources.quiet = true;
    for (const fault of [...this.#early, ...checkEngine(this.engine, this.clock.now())]) this.ledger.fault(fault);
    this.#checkFlushed();
    this.resources.quiet = false;
    this.ledger.check();
    const { faults } = this.ledger;
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  /** Rule 6: so many failures in a row with nothing alive, and the pool fails fast. */
  #checkBreaker(): void {
    const { breaker } = this.world.options;
    if (breaker === undefined || breaker === false) return;
    const { backoff, slots, closing, probeAt } = this.engine;
    if (closing || probeAt !== undefined || slots.alive > 0 || backoff.failures < breaker.failures) return;
    this.ledger.fault(`I3: ${backoff.failures} failures in a row, nothing alive, and the breaker is closed`);
  }

  /** Rule 17: who holds what can be told. */
  #checkHolders(): void {
    const held = [...this.ledger.leases].filter((lease) => !lease.ended && !this.resources.memoryOf(lease.resource).detached);
    const holders = this.pool.holders();
    if (holders.length !== held.length) this.ledger.fault(`I4: ${held.length} leases are live, and ${holders.length} holders are named`);
    if (holders.some((holder, index) => index > 0 && holder.heldMs > holders[index - 1]!.heldMs))
      this.ledger.fault('I4: holders are out of order');
  }

  /** Rule 8: with one that failed its validation all go that were silent for as long. */
  #checkFlushed(): void {
    const { staleSince } = this.destroyRules;
    if (staleSince === -Infinity) return;
    for (const slot of this.engine.slots.idle.toArray()) {
      const { aliveAt } = this.resources.memoryOf(slot.resource!);
      const name = slot.resource!.name;
      if (aliveAt <= staleSince)
        this.ledger.fault(`I9: ${name} lies idle, silent since ${aliveAt}; one silent since ${staleSince} was dead`);
    }
    this.destroyRules.staleSince = -Infinity;
  }

  /** `max` was lowered: more than it may be there still, but no more than there were. */
  #ceiling(): number {
    const { size, destroying, max } = this.pool.stats();
    const counted = (this.world.options.strictMax ?? true) ? size : size - destroying;
    const ceiling = Math.max(this.highestMax, this.#counted);
    this.#counted = counted;
    this.highestMax = max;
    return ceiling;
  }

  #watchOptions(): ConstructorParameters<typeof InvariantWatch>[2] {
    const { options } = this.world;
    const limit = (): number => this.engine.limit;
    const backoff = (): boolean => this.engine.backoff.retryAt > this.clock.now();
    const spreading = (): boolean => this.spread;
    return {
      strictMax: options.strictMax ?? true,
      maxCreating: options.maxCreating ?? Infinity,
      sharing: options.sharing ?? 1,
      lanes: options.lanes !== undefined,
      get limit() {
        return limit();
      },
      get backoff() {
        return backoff();
      },
      get spreading() {
        return spreading();
      },
    };
  }

  /** What the watch cannot know, and the look from inside does. */
  #excused(broken: string): boolean {
    // What an abandoned create brings after the end of the pool is destroyed, and counted meanwhile.
    if (broken.startsWith('I12: closed, with') && this.engine.slots.size === this.engine.slots.destroying.size) return true;
    return this.orphaned && broken.startsWith('I4:');
  }

  #happened<K extends (typeof EVENTS)[number]>(name: K, event: PoolEvents<ScriptedResource>[K]): void {
    const { ledger } = this;
    this.#note(name, detailsOf(name, event));
    ledger.events.note(name, event);
    if (name === 'acquire') ledger.lent(event as PoolEvents<ScriptedResource>['acquire']);
    else if (name === 'acquireError') ledger.refused(event as PoolEvents<ScriptedResource>['acquireError']);
    else if (name === 'release') ledger.released(event as PoolEvents<ScriptedResource>['release']);
    else if (name === 'createError') this.#checkBreaker();
    this.#misbehave();
    if (this.world.throwing && this.random.chance(0.05)) throw new Error(`scripted: a listener of ${name} fails`);
  }

  #misbehave(): void {
    if (this.world.mischief === 0 || this.#depth >= 2 || !this.random.chance(this.world.mischief)) return;
    this.#depth++;
    try {
      this.mischief();
    } finally {
      this.#depth--;
    }
  }

  #note(kind: string, details: string): void {
    this.log.write(this.clock.now(), kind, details);
  }
}

function detailsOf<K extends keyof PoolEvents<ScriptedResource>>(name: K, event: PoolEvents<ScriptedResource>[K]): string {
  switch (name) {
    case 'acquire': return (event as PoolEvents<ScriptedResource>['acquire']).lease.resource.name;
    case 'acquireError': return codeOf((event as PoolEvents<ScriptedResource>['acquireError']).error);
    case 'destroy': {
      const { resource, reason } = event as PoolEvents<ScriptedResource>['destroy'];
      return `${resource.name} ${reason}`;
    }
    case 'state': {
      const { from, to } = event as PoolEvents<ScriptedResource>['state'];
      return `${from} ${to}`;
    }
    case 'create': case 'release': return (event as PoolEvents<ScriptedResource>['create']).resource.name;
    default: return '';
  }
}

export function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | undefined)?.code ?? (error instanceof Error ? error.message : error));
}
