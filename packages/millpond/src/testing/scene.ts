// The stage on which a scenario is played: a pool, its scripted factory, a virtual clock, and a watch that checks the invariants after
// every step. Requests are recorded, so that a test can say what has become of each at any time.

import type { AcquireOptions, Lease, Pool, PoolOptions } from '../index.ts';
import { VirtualClock } from './clock.ts';
import { ScriptedFactory, type ScriptedFactoryOptions, type ScriptedResource } from './factory.ts';
import { InvariantWatch, type InvariantOptions } from './invariants.ts';
import { seededRandom } from './random.ts';

/** The face that a pool needs to be put on a {@link Scene}. */
export type ScenePool<T> = Pick<Pool<T>, 'acquire' | 'tryAcquire' | 'use' | 'stats' | 'on' | 'close'>;

/** One acquire and what became of it. */
export class Request<T> {
  /** Settles as the acquire does. Nobody needs to handle its rejection. */
  readonly promise: Promise<Lease<T>>;
  readonly askedAt: number;
  state: 'waiting' | 'served' | 'failed' = 'waiting';
  /** When it was served or failed. */
  settledAt: number | undefined;
  /** Why it failed. */
  error: unknown;
  #lease: Lease<T> | undefined;

  /** @internal Made by {@link Scene.acquire}. */
  constructor(promise: Promise<Lease<T>>, clock: VirtualClock) {
    this.promise = promise;
    this.askedAt = clock.now();
    promise.then(
      (lease) => {
        this.state = 'served';
        clock.stir();
        this.#lease = lease;
        this.settledAt = clock.now();
      },
      (error: unknown) => {
        this.state = 'failed';
        clock.stir();
        this.error = error;
        this.settledAt = clock.now();
      },
    );
  }

  /** The lease; an error when it was not served (yet). */
  get lease(): Lease<T> {
    if (this.#lease !== undefined) return this.#lease;
    if (this.state === 'failed') throw new Error('this request failed', { cause: this.error });
    throw new Error('this request is still waiting');
  }

  get resource(): T {
    return this.lease.resource;
  }

  /** Milliseconds from the acquire to its end. */
  get waitedMs(): number | undefined {
    return this.settledAt === undefined ? undefined : this.settledAt - this.askedAt;
  }

  release(): boolean {
    return this.lease.release();
  }
}

export interface SceneSetup<T, P> {
  /** Makes the pool under test. */
  readonly pool: (options: PoolOptions<T>) => P;
  /** Options of the pool beside {@link PLAIN_OPTIONS}. */
  readonly options?: Partial<Omit<PoolOptions<T>, 'factory' | 'clock'>>;
  /** Options of the factory, or a factory. */
  readonly factory?: ScriptedFactoryOptions<T> | ScriptedFactory<T>;
  /** Called before the pool is built: scripts what `min` meets. */
  readonly prepare?: (factory: ScriptedFactory<T>) => void;
  /** For the checks: what the options do not tell. */
  readonly invariants?: InvariantOptions;
  readonly seed?: number | string;
}

type PlainOptions = Omit<PoolOptions<never>, 'factory' | 'clock' | 'random' | 'name' | 'budget'>;

/** A pool that does nothing by itself: two resources, a second to acquire, and everything switched off that acts on its own. */
export const PLAIN_OPTIONS: PlainOptions = {
  min: 0,
  max: 2,
  maxCreating: Infinity,
  maxWaiting: Infinity,
  acquireTimeoutMs: 1000,
  createTimeoutMs: Infinity,
  createRetry: false,
  breaker: false,
  validateAfterIdleMs: Infinity,
  keepaliveIntervalMs: Infinity,
  idleTimeoutMs: Infinity,
  maxLifetimeMs: Infinity,
  lifetimeJitter: 0,
  strictMax: true,
  idleOrder: 'lifo',
};

export class Scene<T = ScriptedResource, P extends ScenePool<T> = ScenePool<T>> {
  readonly clock: VirtualClock = new VirtualClock();
  readonly factory: ScriptedFactory<T>;
  readonly pool: P;
  readonly watch: InvariantWatch<T>;
  /** Everything ever asked for through {@link acquire}. */
  readonly requests: Request<T>[] = [];

  constructor(setup: SceneSetup<T, P>) {
    const given = setup.factory;
    this.factory = given instanceof ScriptedFactory ? given : new ScriptedFactory<T>({ clock: this.clock, ...given });
    setup.prepare?.(this.factory);
    const options: PoolOptions<T> = {
      ...PLAIN_OPTIONS,
      factory: this.factory,
      clock: this.clock,
      random: seededRandom(setup.seed ?? 1),
      ...setup.options,
    };
    this.pool = setup.pool(options);
    this.watch = new InvariantWatch(this.pool, this.factory, {
      strictMax: options.strictMax ?? true,
      maxCreating: options.maxCreating ?? Infinity,
      sharing: options.sharing ?? 1,
      lanes: options.lanes !== undefined,
      clock: this.clock,
      ...setup.invariants,
    });
  }

  /** Acquires and records it. Nothing has run yet when it returns: follow it with `await step()`. */
  acquire(options?: AcquireOptions): Request<T> {
    const request = new Request(this.pool.acquire(options), this.clock);
    this.requests.push(request);
    return request;
  }

  /** Acquires `count` leases that must be served without the passing of time. */
  async borrow(count: number, options?: AcquireOptions): Promise<Request<T>[]> {
    const requests = Array.from({ length: count }, () => this.acquire(options));
    await this.step();
    for (const request of requests) void request.lease;
    return requests;
  }

  /** Fills the pool with `count` idle resources, the first one created being the first one given back. */
  async fill(count: number): Promise<T[]> {
    const requests = await this.borrow(count);
    const resources = requests.map((request) => request.resource);
    for (const request of requests) request.release();
    await this.step();
    return resources;
  }

  /** Lets promises run, then checks the invariants. */
  async step(): Promise<void> {
    await this.clock.flush();
    this.check();
  }

  /** Moves the clock by `ms`, with a check after everything that comes due. */
  async adv(ms: number): Promise<void> {
    const target = this.clock.now() + ms;
    await this.step();
    while (this.clock.nextAt <= target) {
      await this.clock.advanceTo(Math.max(this.clock.now(), this.clock.nextAt));
      this.check();
    }
    await this.clock.advanceTo(target);
    this.check();
  }

  /** Moves the clock to `atMs` like {@link adv}. */
  async until(atMs: number): Promise<void> {
    await this.adv(atMs - this.clock.now());
  }

  check(): void {
    this.watch.check();
  }
}
