// The books of a world: who asked for what and what became of it, kept from promises and events alone, and compared with what the pool says
// of itself. Faults are collected, because most of them are found inside a listener, where throwing would only make a warning.

import type { Lease, Pool, PoolEvents } from '../../index.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Hold } from '../../engine/slot.ts';
import type { VirtualClock } from '../clock.ts';
import type { ScriptedResource } from '../factory.ts';
import { ROUNDING_MS } from './destroy-rules.ts';
import { EventBooks } from './event-books.ts';
import { refusalFault } from './refusal-rules.ts';
import type { Log } from './log.ts';
import type { Memory, Resources } from './resources.ts';
import type { World } from './world.ts';

export type SimLease = Lease<ScriptedResource>;
export type SimPool = Pool<ScriptedResource>;

/** One acquire and what became of it. */
export interface Ask {
  readonly id: number;
  readonly lane: string;
  readonly askedAt: number;
  /** Whole milliseconds, as the pool counts them; Infinity: none. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly controller: AbortController | undefined;
  /** Made by a listener or a hook, so in the middle of something: perhaps of an earlier acquire, which it may then be ahead of. */
  readonly calledBack: boolean;
  state: 'waiting' | 'served' | 'failed';
  settledAt: number;
  /** Its place in the order in which acquires were settled. */
  order: number;
}

export interface Settled {
  readonly order: number;
  readonly atMs: number;
  readonly waitMs: number;
}

export class Ledger {
  readonly faults: string[] = [];
  readonly asks: Ask[] = [];
  readonly events: EventBooks;
  /** Live leases, in the order in which they were given. */
  readonly leases: Set<SimLease> = new Set();
  /** Late timers are excused at this time: the clock was stalled until then. */
  stalledUntil: number = -Infinity;
  /** After a freeze that the pool noticed: what was last seen alive before this has to be validated. */
  distrustBefore: number = -Infinity;
  readonly #settledBy = new Map<unknown, Settled>();
  #tries: { readonly lane: string; readonly order: number; readonly asksBefore: number }[] = [];
  readonly #queues = new Map<string, Ask[]>();
  readonly #world: World;
  readonly #clock: VirtualClock;
  readonly #log: Log;
  readonly #resources: Resources;
  readonly #pool: SimPool;
  readonly #engine: Engine<ScriptedResource>;
  #order = 0;

  constructor(world: World, clock: VirtualClock, log: Log, resources: Resources, pool: SimPool, engine: Engine<ScriptedResource>) {
    this.#world = world;
    this.#clock = clock;
    this.#log = log;
    this.#resources = resources;
    this.#pool = pool;
    this.#engine = engine;
    this.events = new EventBooks(pool, this.fault);
  }

  readonly fault = (text: string): void => {
    this.faults.push(text);
    this.#log.write(this.#clock.now(), 'FAULT', text);
  };

  get waiting(): Ask[] {
    return this.asks.filter((ask) => ask.state === 'waiting');
  }

  // ------------------------------------------------------------------------- asks

  open(asked: Pick<Ask, 'lane' | 'timeoutMs' | 'signal' | 'controller' | 'calledBack'>): Ask {
    const { lane, signal } = asked;
    const now = this.#clock.now();
    const gone = signal?.aborted === true;
    const order = gone ? this.#order++ : Infinity;
    const id = this.asks.length + 1;
    const ask: Ask = { ...asked, id, askedAt: now, timeoutMs: Math.ceil(asked.timeoutMs), state: 'waiting', settledAt: now, order };
    this.asks.push(ask);
    const queue = this.#queues.get(lane);
    if (queue === undefined) this.#queues.set(lane, [ask]);
    else queue.push(ask);
    return ask;
  }

  served(ask: Ask, lease: SimLease): void {
    const given = this.#settledBy.get(lease);
    if (given === undefined) {
      this.fault(`I11: ask ${ask.id} was served without an event`);
      return;
    }
    this.#settle(ask, 'served', given);
    if (given.atMs > ask.askedAt + ask.timeoutMs) {
      this.fault(`I5: ask ${ask.id} of ${ask.askedAt} with ${ask.timeoutMs} ms was served at ${given.atMs}`);
    }
  }

  servedInVain(ask: Ask): void {
    // When that was is not known any more.
    this.#settle(ask, 'failed', { order: -1, atMs: this.#clock.now(), waitMs: 0 });
  }

  /** A `tryAcquire` that got something, called when so many acquires had been made: it may not have been before any that waits. */
  tried(lane: string, lease: SimLease, asksBefore: number): void {
    const given = this.#settledBy.get(lease);
    if (given === undefined) this.fault('I11: a tryAcquire was served without an event');
    else this.#tries.push({ lane, order: given.order, asksBefore });
  }

  failed(ask: Ask, error: unknown): void {
    const now = this.#clock.now();
    const order = ask.order < Infinity ? ask.order : this.#order++;
    const given = this.#settledBy.get(error) ?? { order, atMs: now, waitMs: now - ask.askedAt };
    this.#settle(ask, 'failed', given);
    if (error !== ask.signal?.reason && given.waitMs !== given.atMs - ask.askedAt) {
      this.fault(`I11: ask ${ask.id} waited ${given.atMs - ask.askedAt} ms, the event says ${given.waitMs}`);
    }
    const fault = refusalFault({ ask, error, world: this.#world, stalledUntil: this.stalledUntil });
    if (fault !== undefined) this.fault(`ask ${ask.id}: ${fault}`);
  }

  #settle(ask: Ask, state: 'served' | 'failed', given: Settled): void {
    if (ask.state !== 'waiting') this.fault(`I5: ask ${ask.id} was ${ask.state} and is ${state} now`);
    ask.state = state;
    ask.settledAt = given.atMs;
    ask.order = given.order;
  }

  // ----------------------------------------------------------------------- leases

  /** At the moment of a hand-over. */
  lent(event: PoolEvents<ScriptedResource>['acquire']): void {
    const now = this.#clock.now();
    const { lease } = event;
    const { resource, info } = lease;
    const memory = this.#resources.memoryOf(resource);
    this.#settledBy.set(lease, { order: this.#order++, atMs: now, waitMs: event.waitMs });
    this.leases.add(lease);
    memory.uses++;
    this.#checkFreshness(resource, memory, info, now);
    this.#checkShares(lease);
    memory.leases++;
  }

  refused(event: PoolEvents<ScriptedResource>['acquireError']): void {
    // An error that several share (the reason of a signal) counts from the first of them.
    if (this.#settledBy.has(event.error)) return;
    this.#settledBy.set(event.error, { order: this.#order++, atMs: this.#clock.now(), waitMs: event.waitMs });
  }

  released(event: PoolEvents<ScriptedResource>['release']): void {
    const now = this.#clock.now();
    const memory = this.#resources.memoryOf(event.resource);
    memory.leases--;
    memory.aliveAt = now;
    memory.restedAt = now;
    if (memory.leases < 0) this.fault(`I4: ${event.resource.name} was given back more often than lent`);
  }

  /** I9: what is lent is of the present, young enough, alive as far as can be known, and was not asked to go. */
  #checkFreshness(resource: ScriptedResource, memory: Memory, info: SimLease['info'], now: number): void {
    const { options, hooks } = this.#world;
    const name = resource.name;
    if (memory.doomed !== undefined) this.fault(`I9: ${name} was lent although it ${memory.doomed}`);
    if (memory.detached) this.fault(`I8: ${name} was lent after it was detached`);
    if (info.generation !== this.#engine.generation) {
      this.fault(`I9: ${name} of generation ${info.generation} was lent in ${this.#engine.generation}`);
    }
    if (info.uses !== memory.uses) this.fault(`I9: ${name} says that it was lent ${info.uses} times, and was ${memory.uses}`);
    if (info.ageMs !== now - memory.createdAt) {
      this.fault(`I9: ${name} says that it is ${info.ageMs} ms old, and is ${now - memory.createdAt}`);
    }
    if (memory.uses > (options.maxUses ?? Infinity)) this.fault(`I9: ${name} was lent for the ${memory.uses}th time`);
    if (now - memory.createdAt >= (options.maxLifetimeMs ?? Infinity) + ROUNDING_MS) {
      this.fault(`I9: ${name} was lent at the age of ${now - memory.createdAt} ms`);
    }
    if (memory.leases > 0) return;
    if (memory.suspect && now >= this.stalledUntil) this.fault(`I9: ${name} was lent unchecked after a freeze`);
    if (!hooks.validate) {
      memory.suspect = false; // from here on its borrower knows it
      return;
    }
    const trustMs = options.validateAfterIdleMs ?? Infinity;
    const frozen = now > this.stalledUntil && memory.aliveAt < this.distrustBefore;
    if (frozen || now - memory.aliveAt > trustMs + ROUNDING_MS) {
      this.fault(`I9: ${name} was lent unchecked after ${now - memory.aliveAt} ms`);
    }
  }

  /** I6: whoever is served above the share of its lane takes nothing from a lane below its own. */
  #checkShares(lease: SimLease): void {
    const { lanes, capacity } = this.#engine;
    if (!lanes.many) return;
    const { lane } = lease as unknown as Hold<ScriptedResource>;
    const total = lanes.all.reduce((sum, each) => sum + each.share, 0);
    const owed = (each: typeof lane): number => (capacity * each.share) / total;
    if (lane.held - 1 < owed(lane)) return;
    for (const other of lanes.all) {
      if (other !== lane && other.queue.size > 0 && other.held < owed(other)) {
        const mine = `${lane.name} got its ${lane.held}th lease (${owed(lane)} are its share)`;
        this.fault(`I6: ${mine} while ${other.name} waits with ${other.held} of ${owed(other)}`);
      }
    }
  }

  // ------------------------------------------------------------------- after a step

  check(): void {
    const now = this.#clock.now();
    if (this.#tries.length > 0) this.#checkTries();
    const waiting = this.#checkQueues(now);
    const stats = this.#pool.stats();
    if (stats.waiting !== waiting) this.fault(`I5: ${waiting} acquires are not settled, the pool says ${stats.waiting}`);
    for (const lease of this.leases) if (lease.ended) this.leases.delete(lease);
    this.events.check(stats, this.leases.size);
  }

  /** I6: no tryAcquire went past those who waited. */
  #checkTries(): void {
    for (const { lane, order, asksBefore } of this.#tries) {
      for (const ask of this.#queues.get(lane) ?? []) {
        if (ask.id <= asksBefore && ask.order > order) this.fault(`I6: ask ${ask.id} in ${lane} was overtaken by a tryAcquire`);
      }
    }
    this.#tries = [];
  }

  /** I5 and I6: nobody waits beyond its deadline, nobody was overtaken in its lane. Returns how many wait. */
  #checkQueues(now: number): number {
    let waiting = 0;
    for (const [lane, queue] of this.#queues) {
      let least = Infinity;
      for (let i = queue.length - 1; i >= 0; i--) {
        const ask = queue[i]!;
        if (ask.state === 'waiting') {
          waiting++;
          if (ask.askedAt + ask.timeoutMs <= now) this.fault(`I5: ask ${ask.id} of ${ask.askedAt} with ${ask.timeoutMs} ms still waits`);
        }
        if (ask.order > least) this.fault(`I6: ask ${ask.id} in ${lane} was overtaken`);
        if (ask.state === 'served' && !ask.calledBack) least = Math.min(least, ask.order);
      }
      this.#queues.set(lane, queue.filter((ask) => ask.state === 'waiting'));
    }
    return waiting;
  }
}
