// tarn's Pool on millpond's engine. Who waits, who is next, what is created and what is destroyed is the engine's; here it is told in
// tarn's words.

import { Pool as EnginePool, type Lease, type PoolStats } from 'millpond';
import { lastFailure, TimeoutError, translated } from './errors.ts';
import { Events } from './events.ts';
import { TarnFactory } from './factory.ts';
import { Loans } from './loans.ts';
import { reflect, type PromiseInspection } from './inspection.ts';
import { checkOptions, limitsOf, settingsOf, type PoolOptions } from './options.ts';
import { List } from './list.ts';
import { PendingOperation, Waiting } from './pending.ts';

export type { MillpondOptions, PoolOptions } from './options.ts';

export class Pool<T> {
  /** Not null from the first acquire until the pool is empty: then tarn looks for what has been idle for too long. */
  interval: object | null = null;
  destroyed = false;
  // The options, as those who watch a pool read them.
  readonly min: number;
  readonly max: number;
  readonly acquireTimeoutMillis: number;
  readonly createTimeoutMillis: number;
  readonly destroyTimeoutMillis: number;
  readonly idleTimeoutMillis: number;
  readonly reapIntervalMillis: number;
  readonly createRetryIntervalMillis: number;
  readonly propagateCreateError: boolean;
  readonly emitter: Events['emitter'];
  readonly #events: Events;
  readonly #factory: TarnFactory<T>;
  readonly #engine: EnginePool<T>;
  readonly #loans: Loans<T>;
  /** Acquires not served yet, oldest first. */
  readonly #waiting = new List<Waiting<T>>();
  readonly #idleTimeoutMs: number;
  readonly #endDeadlineMs: number;

  /** Throws an Error for options that are wrong. */
  constructor(options: PoolOptions<T>) {
    checkOptions(options ?? {});
    this.#events = new Events(options.log);
    this.emitter = this.#events.emitter;
    this.#factory = new TarnFactory(options, this.#events, (resource) => {
      this.#loans.forget(resource);
      queueMicrotask(() => this.#stopIfEmpty());
    });
    const limits = limitsOf(options);
    this.min = limits.min;
    this.max = limits.max;
    this.acquireTimeoutMillis = limits.acquireTimeoutMillis;
    this.createTimeoutMillis = limits.createTimeoutMillis;
    this.destroyTimeoutMillis = limits.destroyTimeoutMillis;
    this.idleTimeoutMillis = limits.idleTimeoutMillis;
    this.reapIntervalMillis = limits.reapIntervalMillis;
    this.createRetryIntervalMillis = limits.createRetryIntervalMillis;
    this.propagateCreateError = limits.propagateCreateError;
    const { engine, handles, endDeadlineMs } = settingsOf(options, limits);
    this.#engine = new EnginePool<T>({ ...engine, factory: this.#factory });
    this.#idleTimeoutMs = engine.idleTimeoutMs;
    this.#endDeadlineMs = endDeadlineMs;
    this.#loans = new Loans(handles);
  }

  /** Handed out, or being validated for an acquire. */
  numUsed(): number {
    const { borrowed, resetting } = this.#engine.stats();
    return borrowed + resetting + this.numPendingValidations();
  }

  numFree(): number {
    const { idle, validating } = this.#engine.stats();
    return idle + validating - this.numPendingValidations();
  }

  /** Without those whose resource is being validated. */
  numPendingAcquires(): number {
    return this.#engine.stats().waiting - this.numPendingValidations();
  }

  /** A validation outlives the acquire that it was for when that is served by something else: then it is for nobody. */
  numPendingValidations(): number {
    const { waiting, validating } = this.#engine.stats();
    return Math.min(waiting, validating);
  }

  numPendingCreates(): number {
    return this.#engine.stats().creating;
  }

  isEmpty(): boolean {
    const { borrowed, validating, resetting, idle, waiting, creating } = this.#engine.stats();
    return borrowed + validating + resetting + idle + waiting + creating === 0;
  }

  /** The numbers of the engine behind it. */
  stats(): PoolStats {
    return this.#engine.stats();
  }

  /** Asks for a resource: `promise` resolves with it, or rejects with a {@link TimeoutError} or the error of a create. */
  acquire(): PendingOperation<T> {
    const id = this.#events.nextId();
    this.#events.emit('acquireRequest', id);
    const lease = this.destroyed ? undefined : this.#engine.tryAcquire();
    if (lease === undefined) return this.#wait(id);
    const pending = new PendingOperation<T>(undefined);
    pending.promise = Promise.resolve(this.#serve(pending, id, lease));
    return pending;
  }

  #wait(id: number): PendingOperation<T> {
    const waiting = new Waiting<T>(this.#onWithdraw);
    const { pending } = waiting;
    this.#waiting.push(waiting);
    // A pool that is destroyed still serves those who waited before.
    const acquired = this.destroyed ? Promise.reject(new Error('aborted')) : this.#queue(waiting);
    pending.promise = acquired.then((lease) => {
      this.#waiting.remove(waiting);
      // Aborted after the engine had served it, and before this could hear of it.
      if (waiting.withdrawn) {
        lease.release();
        throw this.#failed(pending, id, waiting.reason);
      }
      return this.#serve(pending, id, lease);
    }, (error: unknown) => {
      this.#waiting.remove(waiting);
      pending.possibleTimeoutCause = lastFailure(error);
      throw this.#failed(pending, id, translated(error, this.timeoutError));
    });
    return pending;
  }

  #queue(waiting: Waiting<T>): Promise<Lease<T>> {
    return new Promise((resolve, reject) => {
      waiting.leave = EnginePool.queue(this.#engine, resolve, reject);
    });
  }

  /** Whoever stops waiting may leave a validation behind that is for nobody. */
  readonly #onWithdraw = (): void => {
    const { validating, waiting } = this.#engine.stats();
    if (validating > waiting) this.#factory.giveUpValidations(validating - waiting);
  };

  /** What a time-out rejects with. */
  protected get timeoutError(): typeof TimeoutError {
    return TimeoutError;
  }

  #failed(pending: PendingOperation<T>, id: number, error: unknown): unknown {
    pending.failed();
    this.#onWithdraw();
    this.#events.emit('acquireFail', id, error);
    return error;
  }

  #serve(pending: PendingOperation<T>, id: number, lease: Lease<T>): T {
    const { resource } = lease;
    const handed = this.#loans.lend(lease);
    if (this.interval === null) this.#startReaping();
    this.#events.emit('acquireSuccess', id, resource);
    return pending.served(handed);
  }

  /** Gives a resource back. False: it is not in use. */
  release(resource: T): boolean {
    const lease = this.#loans.take(resource);
    this.#events.emit('release', lease === undefined || lease.ended ? resource : lease.resource);
    return lease !== undefined && lease.release();
  }

  /** Destroys what has been idle for too long. It goes by itself when its time has come; this is for those who call it. */
  check(): void {
    const { min, idle, borrowed, validating, resetting } = this.#engine.stats();
    let surplus = idle + borrowed + validating + resetting - min;
    this.#engine.evict({ where: (_, { idleMs }) => idleMs > 0 && idleMs >= this.#idleTimeoutMs && surplus-- > 0 });
    this.#stopIfEmpty();
  }

  /**
   * Ends the pool: acquires that wait are aborted, but for those whose resource is being validated; what is in use is waited for; then
   * everything is destroyed. Never rejects.
   */
  async destroy(): Promise<PromiseInspection<void>> {
    const id = this.#events.nextId();
    this.#events.emit('poolDestroyRequest', id);
    this._stopReaping();
    this.destroyed = true;
    const outcome = await reflect(this.#close());
    this.#events.emit('poolDestroySuccess', id);
    this.emitter.removeAllListeners();
    return outcome;
  }

  async #close(): Promise<void> {
    const waiting = this.#waiting.toArray().map(({ pending }) => pending);
    const { validating } = this.#engine.stats();
    // From the last: a resource that becomes free by this goes to one of those who stay.
    for (const pending of waiting.splice(validating).reverse()) pending.abort();
    await Promise.allSettled(waiting.map((pending) => pending.promise));
    await this.#engine.close({ deadlineMs: this.#endDeadlineMs });
  }

  on(event: string, listener: (...values: never[]) => void): void {
    this.emitter.on(event, listener as (...values: unknown[]) => void);
  }

  removeListener(event: string, listener: (...values: never[]) => void): void {
    this.emitter.removeListener(event, listener as (...values: unknown[]) => void);
  }

  removeAllListeners(event?: string): void {
    this.emitter.removeAllListeners(event);
  }

  #startReaping(): void {
    this.interval = {};
    this.#events.emit('startReaping');
  }

  #stopIfEmpty(): void {
    if (this.interval !== null && this.isEmpty()) this._stopReaping();
  }

  /** tarn's users stop its timer with this. There is none. */
  _stopReaping(): void {
    if (this.interval !== null) this.#events.emit('stopReaping');
    this.interval = null;
  }
}
