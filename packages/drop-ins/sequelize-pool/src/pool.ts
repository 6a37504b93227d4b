// sequelize-pool's Pool on millpond's engine. Who waits, who is next, what is created and what is destroyed is the engine's; here it is
// told in sequelize-pool's words.

import { Pool as EnginePool, type Lease, type PoolStats } from 'millpond';
import { handleOf } from 'millpond/handle';
import { AggregateError, draining, translated } from './errors.ts';
import { checkOptions, engineOptions, limitsOf, type FactoryOptions, type LogLevel } from './options.ts';

interface Ending {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What is known of a resource, for as long as it lives. A Map whose members come and go with every acquire is copied now and then, and once
 * an old copy has grown old, the collector of young objects keeps whatever stood in the later ones.
 */
interface Known<T> {
  /** The last one. */
  lease: Lease<T> | undefined;
  /** Who waits for its end. */
  ending: Ending | undefined;
}

export class Pool<T> {
  readonly idleTimeoutMillis: number;
  readonly acquireTimeoutMillis: number;
  readonly reapIntervalMillis: number;
  readonly maxUsesPerResource: number;
  readonly #options: FactoryOptions<T>;
  readonly #engine: EnginePool<T>;
  readonly #known = new Map<T, Known<T>>();
  readonly #handles: boolean;
  /** Where a handle has its lease. */
  readonly #key = Symbol('lease');
  #draining = false;
  /** Something may be lent again in this very call: the one time at which sequelize-pool asks `validate`. */
  #lending = false;
  /** As the engine counts them, for every release. */
  #waiting = 0;

  /** Throws an Error for options that are wrong. */
  constructor(options: FactoryOptions<T>) {
    checkOptions(options);
    this.#options = options;
    this.#handles = options.millpond?.handles === true;
    const limits = limitsOf(options);
    this.idleTimeoutMillis = limits.idleTimeoutMillis;
    this.acquireTimeoutMillis = limits.acquireTimeoutMillis;
    this.reapIntervalMillis = limits.reapIntervalMillis;
    this.maxUsesPerResource = limits.maxUsesPerResource;
    this.#engine = new EnginePool<T>({
      ...engineOptions(options, limits),
      factory: {
        create: () => this.#create(),
        destroy: (resource) => this.#end(resource),
        isBroken: (resource) => this.#lending && !options.validate(resource),
      },
    });
  }

  /** All that are there or on their way, without those that are being destroyed; these still count for `max`. */
  get size(): number {
    const { size, destroying } = this.#engine.stats();
    return size - destroying;
  }

  get name(): string | undefined {
    return this.#options.name;
  }

  get available(): number {
    return this.#engine.stats().idle;
  }

  get using(): number {
    return this.#engine.stats().borrowed;
  }

  get waiting(): number {
    return this.#engine.stats().waiting;
  }

  get maxSize(): number {
    return this.#engine.stats().max;
  }

  get minSize(): number {
    return this.#engine.stats().min;
  }

  /** The numbers of the engine behind it. */
  stats(): PoolStats {
    return this.#engine.stats();
  }

  /** Rejects with a {@link TimeoutError}, with the error of a create, or because the pool is draining. */
  acquire(): Promise<T> {
    if (this.#draining) return Promise.reject(draining());
    if (this.#options.log) this.#log(`dispense() clients=${this.waiting + 1} available=${this.available}`, 'info');
    const outer = this.#lending;
    this.#lending = true;
    try {
      const lease = this.#engine.tryAcquire();
      if (lease !== undefined) {
        if (this.#options.log) this.#log('dispense() - reusing obj', 'verbose');
        return Promise.resolve(this.#lend(lease));
      }
      return this.#wait();
    } finally {
      this.#lending = outer;
    }
  }

  #wait(): Promise<T> {
    this.#waiting++;
    return new Promise((resolve, reject) => {
      EnginePool.queue(this.#engine, (lease) => {
        this.#waiting--;
        resolve(this.#lend(lease));
      }, (error) => {
        this.#waiting--;
        reject(translated(error));
      });
    });
  }

  /** A resource that is not in use is left alone, and reported to the log. */
  release(resource: T): void {
    const lease = this.#leaseOf(resource);
    const outer = this.#lending;
    this.#lending = this.#waiting > 0;
    if (lease?.release() !== true) this.#log('release of a resource that is not in use', 'error');
    this.#lending = outer;
  }

  /** Ends a resource, in use or not; resolves when that is done, and rejects as the factory's `destroy` does. */
  async destroy(handed: T): Promise<void> {
    const lease = this.#leaseOf(handed);
    const resource = lease === undefined ? handed : lease.resource;
    const done = this.#ended(resource);
    const ends = lease === undefined ? this.#engine.evict({ where: (each) => each === resource }) > 0 : lease.destroy();
    if (!ends) this.#forget(resource)?.resolve(); // it was none of ours
    await done;
  }

  /** Refuses further acquires; resolves when nobody waits and nothing is in use any more. */
  drain(): Promise<void> {
    this.#log('draining', 'info');
    this.#draining = true;
    const engine = this.#engine;
    const deadlineMs = this.#options.millpond?.drainDeadlineMs ?? Infinity;
    return new Promise((resolve) => {
      const look = (): void => {
        const { waiting, borrowed, resetting, creating } = engine.stats();
        if (waiting + borrowed + resetting + creating > 0) return;
        for (const stop of listening) stop();
        clearTimeout(timer);
        resolve();
      };
      // An event comes in the middle of what it tells of; afterwards the numbers are those that count.
      const soon = (): void => void setImmediate(look);
      const events = ['create', 'createError', 'acquireError', 'release', 'destroy'] as const;
      const listening = events.map((name) => engine.on(name, soon));
      const timer = deadlineMs === Infinity ? undefined : setTimeout(() => {
        for (const { lease } of [...this.#known.values()]) if (lease?.ended === false) lease.destroy();
        soon();
      }, deadlineMs);
      look();
    });
  }

  /** Destroys what is not in use. Rejects with an {@link AggregateError} when some of it could not be destroyed. */
  async destroyAllNow(): Promise<void> {
    const endings: Promise<void>[] = [];
    this.#engine.evict({ where: (resource) => {
      if (this.#known.get(resource)?.lease?.ended === false) return false;
      endings.push(this.#ended(resource));
      return true;
    } });
    const outcomes = await Promise.allSettled(endings);
    const errors = outcomes.flatMap((outcome) => outcome.status === 'rejected' ? [outcome.reason as Error] : []);
    if (errors.length > 0) throw new AggregateError(errors);
  }

  #lend(lease: Lease<T>): T {
    const { resource } = lease;
    this.#know(resource).lease = lease;
    if (!this.#handles || !isObject(resource)) return resource;
    return handleOf(lease as Lease<T & object>, { [this.#key]: lease } as Partial<T & object>);
  }

  /** The lease of what somebody has, if it is in use. */
  #leaseOf(handed: T): Lease<T> | undefined {
    const isHandle = this.#handles && isObject(handed);
    const lease = isHandle ? Reflect.get(handed, this.#key) as Lease<T> | undefined : this.#known.get(handed)?.lease;
    return lease?.ended === false ? lease : undefined;
  }

  #know(resource: T): Known<T> {
    let known = this.#known.get(resource);
    if (known === undefined) this.#known.set(resource, known = { lease: undefined, ending: undefined });
    return known;
  }

  /** Returns who waited for this. */
  #forget(resource: T): Ending | undefined {
    const ending = this.#known.get(resource)?.ending;
    this.#known.delete(resource);
    return ending;
  }

  #ended(resource: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#know(resource).ending = { resolve, reject };
    });
  }

  async #create(): Promise<T> {
    const { log, min, max } = this.#options;
    if (log) this.#log(`createResource() - creating obj - count=${this.size} min=${min} max=${max}`, 'verbose');
    return this.#options.create();
  }

  async #end(resource: T): Promise<void> {
    const ending = this.#forget(resource);
    try {
      await this.#options.destroy(resource);
      ending?.resolve();
    } catch (error) {
      if (ending === undefined) this.#log(`a resource could not be destroyed: ${String(error)}`, 'error');
      ending?.reject(error);
      throw error;
    }
  }

  #log(message: string, level: LogLevel): void {
    const { log, name = '' } = this.#options;
    if (typeof log === 'function') log(message, level);
    else if (log === true) process.stdout.write(`${level.toUpperCase()} pool ${name} - ${message}\n`);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
