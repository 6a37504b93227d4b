// Whoever runs the pool, and the world around it: time, the mood of the resources, their deaths, and every order that can be given.

import type { ActionName } from './action-names.ts';
import type { Callers } from './callers.ts';
import { codeOf, type Stage } from './stage.ts';
import { MOODS, ScriptedFailure } from './weather.ts';

const UNAVAILABLE_ALONE = new ScriptedFailure();

/** A wake-up that is late by more tells the pool that the loop stalled, and by more than the second, that the process was frozen. */
const NOTICED_MS = 100;
const FROZEN_MS = 1_000;

export class Operators {
  closed: Promise<unknown> | undefined;
  closedAt: number = Number.NaN;
  closeDeadlineMs = 0;
  readonly #stage: Stage;
  /** Calls of `ready()` and of `quiesce()` that have not settled, with the time by which they must. */
  readonly #awaited = new Set<{ readonly untilMs: number }>();
  readonly #quiescing = new Set<{ readonly untilMs: number }>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  // ------------------------------------------------------------------------- time

  async advance(): Promise<void> {
    const { random, world } = this.#stage;
    const ms = random.chance(0.7) ? random.int(0, 25) : random.chance(0.8) ? random.int(25, 300) : random.int(300, 3000);
    await this.#pass(world.whole || random.chance(0.5) ? ms : ms * random());
  }

  /** To the very moment in which something comes due. */
  async advanceToNext(): Promise<void> {
    const { clock } = this.#stage;
    const ms = clock.nextAt - clock.now();
    if (ms >= 0 && ms < 10_000) await this.#pass(ms);
  }

  /** Long enough for everything that ages. */
  async rest(): Promise<void> {
    await this.#pass(this.#stage.random.int(500, 3_000));
  }

  async stall(): Promise<void> {
    const { clock, random, ledger, engine, world } = this.#stage;
    const ms = random.chance(0.5) ? random.int(1, 100) : random.int(100, 5000);
    this.#write('stalls', `for ${ms} ms`);
    // What is settled already is heard before the time passes.
    await clock.flush();
    ledger.stalledUntil = clock.now() + ms;
    const lateMs = ledger.stalledUntil - engine.wakeAt;
    if (lateMs > NOTICED_MS) ledger.distrustBefore = ledger.stalledUntil - world.options.idleTimeoutMs!;
    if (lateMs > FROZEN_MS) this.#suspectAll();
    await clock.stall(ms, () => this.answer());
  }

  /** What sits through a freeze has to answer; where nobody can be asked, what is idle has to go. */
  #suspectAll(): void {
    const { engine, world, resources } = this.#stage;
    const idle = new Set(engine.slots.idle.toArray().map((slot) => slot.resource));
    for (const resource of resources.inPool()) {
      if (world.hooks.validate || (world.options.flushOnStale === true && idle.has(resource))) resources.memoryOf(resource).suspect = true;
    }
  }

  async #pass(ms: number): Promise<void> {
    this.#write('passes', `${ms} ms`);
    await this.#stage.advance(ms);
  }

  // -------------------------------------------------------------------- resources

  weather(): void {
    const { resources, random } = this.#stage;
    resources.mood = random.chance(0.4) ? 'calm' : random.pick(MOODS);
    this.#write('weather', resources.mood);
  }

  answer(): void {
    const { resources, random } = this.#stage;
    const { pending } = resources;
    if (pending.length === 0) return;
    this.#write('answers');
    random.pick(pending).ok();
  }

  fail(): void {
    const { resources, random } = this.#stage;
    const { pending } = resources;
    if (pending.length === 0) return;
    this.#write('fails');
    random.pick(pending).fail(new ScriptedFailure());
  }

  /** A resource dies: it says so where it can, and shows it where it is asked. */
  lose(): void {
    const { resources, random, world } = this.#stage;
    const alive = resources.inPool();
    if (alive.length === 0 || !(world.hooks.onLost || world.hooks.isBroken)) return;
    const resource = random.pick(alive);
    this.#write('loses', resource.name);
    resources.scripted.lost(resource, UNAVAILABLE_ALONE);
  }

  breakSilently(): void {
    const { resources, random, world } = this.#stage;
    const alive = resources.inPool();
    if (alive.length === 0) return;
    const resource = random.pick(alive);
    this.#write('breaks', resource.name);
    if (world.hooks.isBroken && random.chance(0.5)) resources.scripted.broken.add(resource);
    else resources.dead.add(resource);
  }

  // ----------------------------------------------------------------------- orders

  resize(): void {
    const { pool, random, ledger } = this.#stage;
    const max = random.chance(0.7) ? random.int(1, 7) : undefined;
    const min = random.chance(0.4) ? random.int(0, 4) : undefined;
    const size = { ...(max === undefined ? {} : { max }), ...(min === undefined ? {} : { min }) };
    const before = pool.stats();
    this.#write('resizes', JSON.stringify(size));
    const right = (min ?? Math.min(before.min, max ?? Infinity)) <= (max ?? before.max);
    try {
      this.#stage.destroyRules.orders.resized = true;
      pool.resize(size);
      this.#stage.highestMax = Math.max(this.#stage.highestMax, pool.stats().max);
      if (!right) ledger.fault(`resize accepted ${JSON.stringify(size)}`);
    } catch (error) {
      if (right || codeOf(error) !== 'ERR_POOL_INVALID_OPTION') ledger.fault(`resize refused ${JSON.stringify(size)}: ${codeOf(error)}`);
    }
  }

  pause(): void {
    const reject = this.#stage.random.chance(0.3);
    this.#write('pauses', reject ? 'and rejects' : '');
    this.#stage.pool.pause({ reject });
  }

  resume(): void {
    this.#write('resumes');
    this.#stage.pool.resume();
  }

  evict(): void {
    const { pool, random } = this.#stage;
    const spreadMs = random.chance(0.5) ? random.pick([0, 10, 100, 1000]) : undefined;
    this.#stage.destroyRules.orders.evicted = true;
    this.#write('evicts', `over ${spreadMs ?? 0} ms`);
    if ((spreadMs ?? 0) > 0) this.#stage.spread = true;
    else this.#doom(() => true);
    pool.evict(spreadMs === undefined ? {} : { spreadMs });
  }

  evictSome(): void {
    const { pool, random, ledger } = this.#stage;
    if (random.chance(0.1)) {
      const thrown = new Error('scripted: the predicate fails');
      try {
        const count = pool.evict({ where: () => { throw thrown; } });
        if (count > 0) ledger.fault('evict swallowed what its predicate threw');
      } catch (error) {
        if (error !== thrown) ledger.fault(`evict: ${codeOf(error)}`);
      }
      return;
    }
    const spreadMs = random.chance(0.4) ? random.pick([10, 100]) : 0;
    const odd = random.int(0, 1);
    this.#stage.destroyRules.orders.evicted = true;
    this.#write('evictsSome', `over ${spreadMs} ms`);
    if (spreadMs > 0) this.#stage.spread = true;
    else this.#doom((id) => id % 2 === odd);
    pool.evict({ where: (resource) => resource.id % 2 === odd, spreadMs });
  }

  quiesce(): void {
    const { pool, random, clock, ledger } = this.#stage;
    const deadlineMs = random.pick([0, 10, 200, 1000]);
    this.#stage.destroyRules.orders.evicted = true;
    this.#write('quiesces', `within ${deadlineMs} ms`);
    this.#doom(() => true);
    const awaited = { untilMs: clock.now() + deadlineMs };
    this.#quiescing.add(awaited);
    void pool.quiesce({ deadlineMs }).then(({ left, holders }) => {
      this.#quiescing.delete(awaited);
      this.#write('quiet', `${left} left`);
      if (holders.length > 0 && left === 0) ledger.fault('a quiesce left nothing and names who holds it');
    });
  }

  /** What lives now and is chosen may never be lent again. */
  #doom(chosen: (id: number) => boolean): void {
    const { engine, resources } = this.#stage;
    for (const slot of engine.slots.aliveSlots()) {
      if (chosen(slot.resource!.id)) resources.memoryOf(slot.resource!).doomed = 'was evicted';
    }
  }

  ready(): void {
    const { pool, random, clock, world, ledger } = this.#stage;
    const timeoutMs = random.chance(0.5) ? random.pick([0, 20, 200]) : undefined;
    const awaited = { untilMs: clock.now() + Math.ceil(timeoutMs ?? world.options.acquireTimeoutMs!) };
    this.#awaited.add(awaited);
    this.#write('awaits');
    pool.ready(timeoutMs === undefined ? {} : { timeoutMs }).then(
      () => {
        this.#awaited.delete(awaited);
        this.#write('ready');
      },
      (error: unknown) => {
        this.#awaited.delete(awaited);
        this.#write('notReady', codeOf(error));
        if (!/ERR_POOL_(?:ACQUIRE_TIMEOUT|CREATE_FAILED|CLOSED)/.test(codeOf(error))) ledger.fault(`ready: ${codeOf(error)}`);
      },
    );
  }

  /** A call that should have settled by now is a fault. */
  checkAwaited(): void {
    const { clock, ledger } = this.#stage;
    for (const { untilMs } of [...this.#awaited, ...this.#quiescing]) {
      if (untilMs <= clock.now()) ledger.fault(`ready() or quiesce() is still waited for, ${clock.now() - untilMs} ms too long`);
    }
  }

  moveBudget(): void {
    const { budget, random } = this.#stage;
    if (budget === undefined) return;
    const limit = random.chance(0.1) ? random.pick([Infinity, 2.5, -1]) : random.int(0, 7);
    this.#write('grants', `${limit}`);
    // A rise is told at once. Of a fall the pool may hear a little later, and has to see it before.
    const rises = limit > budget.limit;
    budget.move(limit);
    if (rises || random.chance(0.5)) budget.tell();
  }

  close(): void {
    const { pool, random, clock, ledger } = this.#stage;
    const deadlineMs = random.pick([0, 10, 200, 3000]);
    this.#write('closes', `within ${deadlineMs} ms`);
    const until = clock.now() + deadlineMs;
    if (this.closed === undefined) {
      this.closedAt = until;
      this.#stage.destroyRules.orders.closing = true;
    }
    this.closedAt = Math.min(this.closedAt, until);
    const closing = pool.close({ deadlineMs });
    if (this.closed !== undefined && closing !== this.closed) ledger.fault('close() returned another promise');
    this.closed = closing;
    for (const awaited of this.#awaited) {
      this.#stage.later(0, () => {
        if (this.#awaited.has(awaited)) ledger.fault('ready() is waited for at a pool that closes');
      });
    }
  }

  #write(kind: string, details = ''): void {
    this.#stage.log.write(this.#stage.clock.now(), kind, details);
  }
}

/** Every action by its name. */
export function actionsOf(callers: Callers, operators: Operators): Record<ActionName, () => void | Promise<void>> {
  return {
    acquire: () => callers.acquire(),
    crowd: () => callers.crowd(),
    tryAcquire: () => callers.tryAcquire(),
    use: () => callers.use(),
    release: () => callers.release(),
    endTwice: () => callers.endTwice(),
    destroy: () => callers.destroy(),
    detach: () => callers.detach(),
    dispose: () => callers.dispose(),
    abort: () => callers.abort(),
    abortAll: () => callers.abortAll(),
    advance: () => operators.advance(),
    advanceToNext: () => operators.advanceToNext(),
    rest: () => operators.rest(),
    stall: () => operators.stall(),
    weather: () => operators.weather(),
    answer: () => operators.answer(),
    fail: () => operators.fail(),
    lose: () => operators.lose(),
    breakSilently: () => operators.breakSilently(),
    resize: () => operators.resize(),
    pause: () => operators.pause(),
    resume: () => operators.resume(),
    evict: () => operators.evict(),
    evictSome: () => operators.evictSome(),
    quiesce: () => operators.quiesce(),
    ready: () => operators.ready(),
    budget: () => operators.moveBudget(),
    close: () => operators.close(),
  };
}
