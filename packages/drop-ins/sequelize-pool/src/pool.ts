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

/** What is in use, by what its borrower has: the resource itself, or a handle for it. */
interface Loan<T> {
  readonly lease: Lease<T>;
  readonly resource: T;
}

export class Pool<T> {
  readonly idleTimeoutMillis: number;
  readonly acquireTimeoutMillis: number;
  readonly reapIntervalMillis: number;
  readonly maxUsesPerResource: number;
  readonly #options: FactoryOptions<T>;
  readonly #engine: EnginePool<T>;
  readonly #loans = new Map<T, Loan<T>>();
  /** Who waits for the end of which resource. */
  readonly #endings = new Map<T, Ending>();
  #draining = false;
  /** Something may be lent again in this very call: the one time at which sequelize-pool asks `validate`. */
  #lending = false;
  /** Acquires that wait, or have just been served. */
  #pending = 0;

  /** Throws an Error for options that are wrong. */
  constructor(options: FactoryOptions<T>) {
    checkOptions(options);
    this.#options = options;
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

  async #wait(): Promise<T> {
    this.#pending++;
    try {
      return this.#lend(await this.#engine.acquire());
    } catch (error) {
      throw translated(error);
    } finally {
      this.#pending--;
    }
  }

  /** A resource that is not in use is left alone, and reported to the log. */
  release(resource: T): void {
    const lease = this.#take(resource)?.lease;
    const outer = this.#lending;
    this.#lending = this.#pending > 0 && this.waiting > 0;
    if (lease?.release() !== true) this.#log('release of a resource that is not in use', 'error');
    this.#lending = outer;
  }

  /** Ends a resource, in use or not; resolves when that is done, and rejects as the factory's `destroy` does. */
  async destroy(handed: T): Promise<void> {
    const loan = this.#take(handed);
    const resource = loan?.resource ?? handed;
    const done = this.#ended(resource);
    const ends = loan === undefined ? this.#engine.evict({ where: (each) => each === resource }) > 0 : loan.lease.destroy();
    if (!ends) {
      this.#endings.get(resource)?.resolve(); // it was none of ours
      this.#endings.delete(resource);
    }
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
        for (const { lease } of this.#loans.values()) lease.destroy();
        this.#loans.clear();
        soon();
      }, deadlineMs);
      look();
    });
  }

  /** Destroys what is not in use. Rejects with an {@link AggregateError} when some of it could not be destroyed. */
  async destroyAllNow(): Promise<void> {
    const endings: Promise<void>[] = [];
    const lent = new Set([...this.#loans.values()].map(({ resource }) => resource));
    this.#engine.evict({ where: (resource) => {
      if (lent.has(resource)) return false;
      endings.push(this.#ended(resource));
      return true;
    } });
    const outcomes = await Promise.allSettled(endings);
    const errors = outcomes.flatMap((outcome) => outcome.status === 'rejected' ? [outcome.reason as Error] : []);
    if (errors.length > 0) throw new AggregateError(errors);
  }

  #lend(lease: Lease<T>): T {
    const { resource } = lease;
    const isHandled = this.#options.millpond?.handles === true && typeof resource === 'object' && resource !== null;
    const handed = isHandled ? handleOf(lease as Lease<T & object>) : resource;
    this.#loans.set(handed, { lease, resource });
    return handed;
  }

  #take(handed: T): Loan<T> | undefined {
    const loan = this.#loans.get(handed);
    this.#loans.delete(handed);
    return loan;
  }

  #ended(resource: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#endings.set(resource, { resolve, reject });
    });
  }

  async #create(): Promise<T> {
    const { log, min, max } = this.#options;
    if (log) this.#log(`createResource() - creating obj - count=${this.size} min=${min} max=${max}`, 'verbose');
    return this.#options.create();
  }

  async #end(resource: T): Promise<void> {
    const ending = this.#endings.get(resource);
    this.#endings.delete(resource);
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
