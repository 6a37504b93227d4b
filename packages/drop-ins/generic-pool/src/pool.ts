// generic-pool's Pool on millpond's engine. Who waits, what is created and what is destroyed is the engine's; here it is told in
// generic-pool's words.

import { EventEmitter } from 'node:events';
import { Pool as EnginePool, type PoolStats, type ResourceInfo } from 'millpond';
import { translated } from './errors.ts';
import { pooledResource, type Evictor } from './evictor.ts';
import { checkFactory, GenericFactory } from './factory.ts';
import { Line } from './line.ts';
import { Loans } from './loans.ts';
import { Timer } from './timer.ts';
import { configOf, settingsOf, type Config, type Factory, type Options, type Settings } from './options.ts';

const FOREIGN = 'Resource not currently part of this pool';

export class Pool<T> extends EventEmitter {
  /** Not null while eviction runs are planned. */
  _scheduledEviction: object | null = null;
  readonly #config: Config;
  readonly #settings: Settings;
  readonly #Promise: PromiseConstructor;
  /** What a release that went well resolves like. */
  readonly #done: Promise<void>;
  readonly #factory: GenericFactory<T>;
  readonly #engine: EnginePool<T>;
  readonly #timer: Timer;
  /** Undefined where all have the same priority. */
  readonly #line: Line<T> | undefined;
  readonly #evictor: Evictor;
  readonly #loans: Loans<T>;
  readonly #begun: Promise<void>;
  #begin!: () => void;
  #started = false;
  #draining = false;
  #cancelEviction: () => void = () => undefined;
  #lastTested = 0;

  /** `createPool` fills in the first three. The queues are not needed here: the engine has its own. */
  constructor(NamedEvictor: new () => Evictor, _deque: unknown, _queue: unknown, factory: Factory<T>, options: Options | null = {}) {
    super();
    checkFactory(factory);
    this.#config = configOf(options ?? {});
    this.#settings = settingsOf(this.#config, options?.millpond);
    this.#Promise = this.#config.Promise as PromiseConstructor;
    this.#done = this.#Promise.resolve();
    this.#loans = new Loans(this.#settings.handles);
    this.#factory = new GenericFactory(factory, this.#config, {
      destroys: (resource) => this.#loans.forget(resource),
      destroyFailed: (error) => void this.emit('factoryDestroyError', error),
    });
    this.#engine = new EnginePool<T>({ ...this.#settings.engine, factory: this.#factory });
    this.#engine.on('createError', ({ error }) => void this.emit('factoryCreateError', error));
    this.#evictor = new NamedEvictor();
    this.#begun = new Promise((resolve) => { this.#begin = resolve; });
    const { acquireTimeoutMs: timeoutMs = 5_000 } = this.#settings.engine;
    this.#timer = new Timer(this.#settings.engine.clock);
    const { priorityRange } = this.#config;
    this.#line = priorityRange > 1 ? new Line(this.#engine, this.#loans.lend, { priorityRange, timeoutMs }, this.#timer) : undefined;
    if (this.#config.autostart) this.start();
  }

  /** Begins to fill to `min` and to look for what has been idle for too long. */
  start(): void {
    if (this.#draining || this.#started) return;
    this.#started = true;
    this.#planEviction();
    this.#engine.resize({ min: Math.max(this.#settings.engine.min ?? 0, this.#config.min) });
    this.#begin();
  }

  /** Resolves with a resource. `priority`: 0, the default, is served first. */
  acquire(priority?: number): Promise<T> {
    if (!this.#started) this.start();
    if (this.#draining) return this.#Promise.reject(new Error('pool is draining and cannot accept work'));
    const { maxWaitingClients } = this.#config;
    if (maxWaitingClients !== undefined && this.#isFull(maxWaitingClients)) {
      return this.#Promise.reject(new Error('max waitingClients count exceeded'));
    }
    const lease = this.#engine.tryAcquire();
    if (lease !== undefined) return this.#Promise.resolve(this.#loans.lend(lease));
    const promise = this.#line?.acquire(priority) ?? this.#wait();
    return this.#Promise === Promise ? promise : this.#Promise.resolve(promise);
  }

  #wait(): Promise<T> {
    return new Promise((resolve, reject) => {
      EnginePool.queue(this.#engine, (lease) => resolve(this.#loans.lend(lease)), (error) => reject(translated(error)));
    });
  }

  #isFull(maxWaitingClients: number): boolean {
    const { idle, waiting } = this.#engine.stats();
    return this.spareResourceCapacity < 1 && idle < 1 && waiting >= maxWaitingClients;
  }

  /** Acquires, runs `fn` and releases; what `fn` throws or rejects with destroys the resource and is passed on. */
  use<R>(fn: (resource: T) => PromiseLike<R> | R, priority?: number): Promise<R> {
    return this.acquire(priority).then(async (resource) => {
      // Whatever `fn` does with the resource, this ends the lease that was made here, and no other.
      const lease = this.#loans.of(resource);
      try {
        return await fn(resource);
      } catch (error) {
        if (lease?.ended === false) lease.destroy();
        throw error;
      } finally {
        if (lease?.ended === false) lease.release();
      }
    });
  }

  isBorrowedResource(resource: T): boolean {
    return this.#loans.of(resource) !== undefined;
  }

  /** Gives a resource back. Rejects when it is not borrowed. */
  release(resource: T): Promise<void> {
    return this.#giveBack(resource, 'release');
  }

  /** Ends a borrowed resource. Rejects when it is not borrowed. */
  destroy(resource: T): Promise<void> {
    return this.#giveBack(resource, 'destroy');
  }

  #giveBack(resource: T, how: 'release' | 'destroy'): Promise<void> {
    const lease = this.#loans.last(resource);
    if (lease?.[how]() !== true) return this.#Promise.reject(new Error(FOREIGN));
    return this.#done;
  }

  /**
   * Takes no more work, and resolves when all who wait have been served and everything has come back. What is idle stays until
   * {@link clear}.
   */
  drain(): Promise<void> {
    this.#draining = true;
    this.#engine.resize({ min: 0 });
    return this.#Promise.resolve(this.#quiet()).then(() => this.#descheduleEviction());
  }

  #quiet(): Promise<void> {
    return new Promise((resolve) => {
      const { endDeadlineMs } = this.#settings;
      const cancel = endDeadlineMs === Infinity ? () => undefined
        : this.#timer.after(endDeadlineMs, () => void this.#engine.close({ deadlineMs: 0 }).then(look), true);
      const look = (): void => {
        const { waiting, borrowed } = this.#engine.stats();
        if (waiting + borrowed > 0) return;
        for (const unsubscribe of subscriptions) unsubscribe();
        cancel();
        resolve();
      };
      // The engine tells of an end before it has drawn the consequences.
      const lookSoon = (): void => queueMicrotask(look);
      const subscriptions = (['release', 'acquireError'] as const).map((name) => this.#engine.on(name, lookSoon));
      look();
    });
  }

  /**
   * Destroys what is idle, and resolves when that is done; creates that run are waited for first. Unless the pool drains, `min` is then
   * filled again.
   */
  clear(): Promise<void> {
    return this.#Promise.resolve(this.#clear());
  }

  async #clear(): Promise<void> {
    await this.#factory.settled();
    this.#engine.evict({ where: (resource) => !this.#loans.isLent(resource) });
    await this.#factory.destroyed();
  }

  /** Resolves when `min` resources are there. */
  ready(): Promise<void> {
    return this.#Promise.resolve(this.#begun.then(() => this.#engine.ready({ timeoutMs: Infinity })));
  }

  // ------------------------------------------------------------------- eviction

  #planEviction(): void {
    const { evictionRunIntervalMillis: everyMs } = this.#config;
    if (everyMs <= 0) return;
    this._scheduledEviction = {};
    this.#cancelEviction = this.#timer.after(everyMs, () => {
      this.#evict();
      this.#planEviction();
    }, false);
  }

  #descheduleEviction(): void {
    this.#cancelEviction();
    this._scheduledEviction = null;
  }

  /** Asks the evictor about the next few idle resources, each in its turn. */
  #evict(): void {
    const idle: { readonly resource: T; readonly info: ResourceInfo }[] = [];
    this.#engine.evict({
      where: (resource, info) => {
        if (!this.#loans.isLent(resource)) idle.push({ resource, info });
        return false;
      },
    });
    idle.sort((a, b) => a.info.id - b.info.id);
    const from = idle.findIndex(({ info }) => info.id > this.#lastTested);
    const inTurn = from < 0 ? idle : [...idle.slice(from), ...idle.slice(0, from)];
    let available = idle.length;
    const evicted = new Set<T>();
    for (const { resource, info } of inTurn.slice(0, this.#config.numTestsPerEvictionRun)) {
      this.#lastTested = info.id;
      if (!this.#evictor.evict(this.#config, pooledResource(resource, info), available)) continue;
      available--;
      evicted.add(resource);
    }
    if (evicted.size > 0) this.#engine.evict({ where: (resource) => evicted.has(resource) });
  }

  // -------------------------------------------------------------------- numbers

  /** The numbers of the engine behind it. */
  stats(): PoolStats {
    return this.#engine.stats();
  }

  /** How many more resources there is room for. What is being destroyed still takes some. */
  get spareResourceCapacity(): number {
    return this.max - this.#engine.stats().size;
  }

  /** Resources that there are or that are being created; without those being destroyed. */
  get size(): number {
    const { size, destroying } = this.#engine.stats();
    return size - destroying;
  }

  get available(): number {
    return this.#engine.stats().idle;
  }

  get borrowed(): number {
    return this.#engine.stats().borrowed;
  }

  /** Acquires that wait. */
  get pending(): number {
    return this.#line?.length ?? this.#engine.stats().waiting;
  }

  get max(): number {
    return this.#engine.stats().max;
  }

  get min(): number {
    return this.#config.min;
  }
}
