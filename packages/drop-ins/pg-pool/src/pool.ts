/// <reference lib="esnext.disposable" preserve="true" />
// pg-pool's class, with millpond's engine in it. Here is what callers touch: the forms of each call, the counts, the events, what is said
// and when. Who gets a client, when one is opened or closed, and what happens when that fails is the engine's; how one is opened and
// closed is in factory.ts.

import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { CreateError, Pool as Engine, type AcquireOptions, type Lease } from 'millpond';
import { handleOf } from 'millpond/handle';
import { isBusy, loadClientClass, type DriverClient } from './driver.ts';
import { endedError, endedTwiceError, functionAsQueryError, releasedTwiceError, translated } from './errors.ts';
import { factoryOf, isOfFirst, type Host } from './factory.ts';
import type { Member } from './member.ts';
import { resolveConfig, settingsOf, sizes, type Settings } from './options.ts';
import { execute, type Settle } from './query.ts';
import { drained } from './session.ts';
import type {
  AnyRow, ClientClass, ClientLike, ConnectCallback, ConnectOptions, Done, PoolClient, PoolConfig, QueryArrayConfig, QueryArrayResult,
  QueryCallback, QueryConfig, QueryResult, QueryResultRow, ResolvedConfig, Submittable, ValuesOf, Values,
} from './types.ts';
import { Waiter, Waiters, type Borrowed } from './waiters.ts';

type Listener = (...args: never[]) => void;

const NativePromise = Promise;
/** Idle timeouts below this are looked after by whoever counts, too. */
const EXACT_BELOW_MS = 1_000;
const NOTHING: Done = () => {};
const FOR_EVER: AcquireOptions = { timeoutMs: Infinity };

/**
 * A pool of clients of node-postgres, as `pg-pool` has it. Throws {@link InvalidOptionError} for options that nothing can be made of.
 * `Client`: the class of the clients, unless the options name one; default: that of the package `pg`.
 */
export class Pool<C = ClientLike> extends EventEmitter {
  readonly options: ResolvedConfig<C>;
  readonly Client: ClientClass<C>;
  readonly Promise: PromiseConstructorLike;
  log: (...words: unknown[]) => void;
  /** `end()` was called. */
  ending = false;
  /** And everything is closed. */
  ended = false;
  readonly #settings: Settings;
  readonly #engine: Engine<Member>;
  readonly #members = new Set<Member>();
  readonly #waiters = new Waiters();
  /** How many connects have begun. */
  readonly #begun: { count: number } = { count: 0 };
  /** Given back with a statement still running. */
  readonly #draining = new Set<Lease<Member>>();
  /** The async context of whoever is asking the engine at this moment. */
  #asker: AsyncResource | undefined = undefined;
  /** Its idle timeout is of the size of a timer's error. */
  readonly #isExact: boolean;
  /** The size that the engine was told. */
  #size: { readonly max: unknown; readonly min: unknown };

  constructor(options?: PoolConfig<C> | null, Client?: ClientClass<C>) {
    super();
    this.options = resolveConfig(options);
    this.log = this.options.log ?? ((): void => {});
    this.Client = this.options.Client ?? Client ?? loadClientClass();
    this.Promise = this.options.Promise ?? NativePromise;
    this.#settings = settingsOf(this.options as ResolvedConfig<never>);
    this.#isExact = (this.#settings.engine.idleTimeoutMs ?? Infinity) < EXACT_BELOW_MS;
    this.#size = { max: this.options.max, min: this.options.min };
    this.#engine = new Engine<Member>({ ...this.#settings.engine, factory: factoryOf(this.#host()) });
  }

  /** millpond's own pool inside of this one: its stats, events, holders, `evict()`, `pause()`. */
  get millpond(): Omit<Engine<unknown>, 'acquire' | 'tryAcquire' | 'use' | 'close'> {
    return this.#engine;
  }

  /** Connections that are open or being opened. */
  get totalCount(): number {
    this.#retireOverdue();
    return this.#members.size;
  }

  get idleCount(): number {
    this.#retireOverdue();
    return this.#engine.stats().idle;
  }

  /** Callers that wait, those not counted for whom a connection is being opened. */
  get waitingCount(): number {
    const { waiting, creating } = this.#engine.stats();
    return Math.max(0, waiting - creating);
  }

  /** Clients past their lifetime that are still lent. */
  get expiredCount(): number {
    const { maxLifetimeMs = Infinity } = this.#settings.engine;
    return [...this.#members].filter(({ isLent, lease }) => isLent && lease!.info.ageMs >= maxLifetimeMs).length;
  }

  /** What pg-pool keeps in these, for those who look inside. */
  get _clients(): PoolClient<C>[] {
    return [...this.#members].map(({ client }) => client as unknown as PoolClient<C>);
  }

  get _idle(): { readonly client: PoolClient<C> }[] {
    const idle = [...this.#members].filter(({ connected, isLent }) => connected && !isLent);
    return idle.map(({ client }) => ({ client: client as unknown as PoolClient<C> }));
  }

  get _pendingQueue(): object[] {
    const all = this.#waiters.toArray();
    return all.slice(all.length - this.waitingCount);
  }

  /**
   * Lends a client. It must be given back by `client.release()`, or by the callback's third argument. Rejects with the error of the connect
   * that failed, or when nobody gave a client back within `connectionTimeoutMillis`.
   */
  connect(options?: ConnectOptions): Promise<PoolClient<C>>;
  connect(callback: ConnectCallback<C>): void;
  connect(asked?: ConnectOptions | ConnectCallback<C>): Promise<PoolClient<C>> | void {
    const callback = typeof asked === 'function' ? asked as Borrowed : undefined;
    if (this.ending) return this.#refuse(endedError(), callback);
    if (callback !== undefined) {
      this.#borrow((error, client, done) => process.nextTick(callback, error, client, done), true);
      return undefined;
    }
    const options = typeof asked === 'object' ? asked : undefined;
    const lease = options === undefined ? this.#engine.tryAcquire() : undefined;
    if (lease?.resource.unverified === false && this.Promise === NativePromise) {
      return NativePromise.resolve(this.#lend(lease, true) as unknown as PoolClient<C>);
    }
    return this.#promised((settle) => lease === undefined ? this.#wait(settle, true, options) : this.#hand(lease, settle, true));
  }

  /**
   * Runs one statement on whichever client is free. An error of the statement closes that client, as in pg-pool, unless `millpond` is on.
   * Without a callback it returns a promise, also for cursors and streams, whose client comes back when they have ended.
   */
  query<S extends Submittable>(queryStream: S): S;
  query<R extends Values = Values, I = Values>(config: QueryArrayConfig<I>, values?: ValuesOf<I>): Promise<QueryArrayResult<R>>;
  query<R extends QueryResultRow = AnyRow, I = Values>(config: QueryConfig<I>): Promise<QueryResult<R>>;
  query<R extends QueryResultRow = AnyRow, I = Values>(
    textOrConfig: string | QueryConfig<I>, values?: ValuesOf<I>): Promise<QueryResult<R>>;
  query<R extends Values = Values, I = Values>(config: QueryArrayConfig<I>, callback: QueryCallback<QueryArrayResult<R>>): void;
  query<R extends QueryResultRow = AnyRow, I = Values>(
    textOrConfig: string | QueryConfig<I>, callback: QueryCallback<QueryResult<R>>): void;
  query<R extends QueryResultRow = AnyRow, I = Values>(text: string, values: ValuesOf<I>, callback: QueryCallback<QueryResult<R>>): void;
  query(text: unknown, values?: unknown, callback?: unknown): unknown {
    if (typeof text === 'function') {
      setImmediate(text as Settle, functionAsQueryError());
      return undefined;
    }
    const [given, called] = typeof values === 'function' ? [undefined, values] : [values, callback];
    if (typeof called !== 'function') return this.#promised((settle) => this.#run(text, given, settle));
    // In the context of who asked, and not of the socket that brings the answer.
    const asker = new AsyncResource('pg-pool');
    const call = (error: unknown, result?: unknown): void => {
      asker.runInAsyncScope(called as (...outcome: unknown[]) => void, undefined, ...error ? [error] : [undefined, result]);
    };
    let returned = false;
    this.#run(text, given, (error, result) => {
      if (returned) call(error, result);
      else process.nextTick(call, error, result); // nobody expects to be called back before the call has returned
    });
    returned = true;
    return undefined;
  }

  /**
   * Ends the pool: those who wait are told at once, idle clients are closed, and it resolves when those that are lent have come back (with
   * `millpond`: or when `endDeadlineMs` has passed) and everything is closed.
   */
  end(): Promise<void>;
  end(callback: (error?: Error) => void): void;
  end(callback?: (error?: Error) => void): Promise<void> | void {
    this.log('ending');
    if (this.ending) return this.#refuse(endedTwiceError(), callback);
    this.ending = true;
    const ended = this.#finish();
    if (callback === undefined) return this.#promised((settle) => void ended.then(() => settle(undefined)));
    void ended.then(() => process.nextTick(callback));
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.ending) await this.end();
  }

  override on(event: 'error' | 'release', listener: (error: Error, client: PoolClient<C>) => void): this;
  override on(event: 'connect' | 'acquire' | 'remove', listener: (client: PoolClient<C>) => void): this;
  override on(event: string | symbol, listener: Listener): this;
  override on(event: string | symbol, listener: Listener): this {
    return super.on(event, listener as (...args: unknown[]) => void);
  }

  /** An 'error' that nobody listens to is a warning of the process, and does not end it. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'error' || this.listenerCount('error') > 0) return super.emit(event, ...args);
    super.emit(EventEmitter.errorMonitor, ...args);
    const [error] = args;
    const what = error instanceof Error ? error.message : String(error);
    process.emitWarning(`An idle client of a pool failed, and nobody listens to the pool's 'error': ${what}`, {
      code: 'MILLPOND_POOL_ERROR',
    });
    return false;
  }

  // ---------------------------------------------------------------------- details

  #host(): Host {
    return {
      options: this.options as ResolvedConfig<never>,
      settings: this.#settings,
      members: this.#members,
      begun: this.#begun,
      newClient: () => new this.Client(this.options) as unknown as DriverClient,
      log: (...words) => this.log(...words),
      tell: (event: string, ...args: unknown[]) => this.#tell(event, args),
      forAsker: (run) => this.#asker === undefined ? run() : this.#asker.runInAsyncScope(run),
    };
  }

  /** A listener that throws must not leave a client in nobody's hands. What it threw is thrown, by itself. */
  #tell(event: string, args: readonly unknown[]): void {
    if (this.emit === ownEmit && event !== 'error' && this.listenerCount(event) === 0) return;
    try {
      this.emit(event, ...args);
    } catch (error) {
      process.nextTick(() => { throw error; });
    }
  }

  /** `away`: to somebody outside of the pool, who gets a handle if there are any. */
  #borrow(settle: Borrowed, away: boolean): void {
    const lease = this.#engine.tryAcquire();
    if (lease === undefined) this.#wait(settle, away);
    else this.#hand(lease, settle, away);
  }

  #wait(settle: Borrowed, away: boolean, options?: ConnectOptions): void {
    // `pool.options.max` may be changed while the pool runs, and counts from the next time that somebody waits.
    const { max, min } = this.options;
    if (max !== this.#size.max || min !== this.#size.min) {
      this.#engine.resize(sizes(this.options));
      this.#size = { max, min };
    }
    const waiter = new Waiter(settle, away, this.#begun.count);
    this.#waiters.add(waiter);
    this.#ask(waiter, options);
  }

  #ask(waiter: Waiter, options: ConnectOptions | undefined): void {
    const { scope } = waiter;
    const served = (lease: Lease<Member>): void => scope.runInAsyncScope(this.#served, this, waiter, lease);
    // Not in the middle of what the engine does: whoever is told may throw.
    const refused = (refusal: unknown): void => scope.runInAsyncScope(
      process.nextTick, process, () => this.#refused(waiter, options, refusal),
    );
    const outer = this.#asker;
    this.#asker = scope;
    if (options === undefined) Engine.queue(this.#engine, served, refused, this.#terms()?.timeoutMs);
    else this.#engine.acquire(options).then(served, refused);
    this.#asker = outer;
  }

  #served(waiter: Waiter, lease: Lease<Member>): void {
    if (this.#waiters.delete(waiter)) this.#hand(lease, waiter.settle, waiter.away);
    else lease.release();
  }

  #refused(waiter: Waiter, options: ConnectOptions | undefined, refusal: unknown): void {
    const error = translated(refusal);
    // A connect that fails is the failure of whoever it was opened for. That one may have gone since, and the engine, which has no such
    // bond, told somebody who came later: for them a connect of their own is due.
    if (refusal instanceof CreateError && !this.ending && !this.#settings.better && isOfFirst(error, waiter.begun)) {
      const waitMs = options?.timeoutMs ?? this.#settings.engine.acquireTimeoutMs ?? Infinity;
      this.#ask(waiter, { ...options, timeoutMs: Math.max(1, waitMs - refusal.waitedMs) });
      return;
    }
    if (this.#waiters.delete(waiter)) waiter.settle(error, undefined, NOTHING);
  }

  /**
   * Whoever has a connect of their own hears of it and of nothing else, as in pg-pool: it has the same deadline, and which of two timers
   * comes first would be chance.
   */
  #terms(): AcquireOptions | undefined {
    if (this.#settings.better || this.#settings.connectTimeoutMs === undefined || this.#members.size >= this.options.max) return undefined;
    const { state, size, max } = this.#engine.stats();
    return state === 'open' && size < max ? FOR_EVER : undefined;
  }

  /** Hands a client over; before its first borrower gets it, `verify` looks at it. */
  #hand(lease: Lease<Member>, settle: Borrowed, away: boolean): void {
    const { resource: member } = lease;
    const client = this.#lend(lease, away);
    const done = client.release as Done;
    const { verify } = this.options;
    if (!member.unverified || verify === undefined) {
      settle(undefined, client, done);
      return;
    }
    member.unverified = false;
    let answered = false;
    const verified = (error?: unknown): void => {
      if (answered) return;
      answered = true;
      if (error) {
        done(error);
        settle(error, undefined, NOTHING);
      } else {
        settle(undefined, client, done);
      }
    };
    try {
      verify(client, verified);
    } catch (error) {
      verified(error);
    }
  }

  /** What the borrower gets: the client itself, or a handle for it. */
  #lend(lease: Lease<Member>, away: boolean): DriverClient {
    const { resource: member } = lease;
    const { client } = member;
    member.lease = lease;
    if (this.options.allowExitOnIdle) client.ref?.();
    let isReleased = false;
    const release: Done = (error: unknown) => {
      if (isReleased || lease.ended) {
        this.#releasedTwice(lease);
        return;
      }
      isReleased = true;
      this.#release(member, lease, error);
    };
    client.release = release;
    this.#tell('acquire', [client]);
    return away && this.#settings.handles ? handleFor(lease, release) : client;
  }

  #release(member: Member, lease: Lease<Member>, error: unknown): void {
    const { client } = member;
    client._poolUseCount = (client._poolUseCount ?? 0) + 1;
    this.#tell('release', [error, client]);
    if (error) lease.destroy(error);
    else if (!client._queryable) lease.destroy();
    else if (!this.#settings.better && isBusy(client)) this.#drain(lease, client);
    else {
      if (this.options.allowExitOnIdle) client.unref?.();
      lease.release();
      if (this.#isExact) noteIdle(member);
    }
  }

  /**
   * One timer serves the whole pool, and what is due within a turn of the event loop it sees at the end of it. With idle timeouts of that
   * size (tests have them) whoever counts would see clients whose time is over.
   */
  #retireOverdue(): void {
    const { idleTimeoutMs = Infinity, min = 0 } = this.#settings.engine;
    if (!this.#isExact) return;
    const dueBefore = performance.now() - idleTimeoutMs;
    const idle = [...this.#members].filter((each) => each.connected && !each.isLent && each.idleSince <= dueBefore);
    if (idle.length === 0) return;
    idle.sort((a, b) => a.idleSince - b.idleSince);
    const overdue = new Set(idle.slice(0, Math.max(0, this.#members.size - min)));
    this.#engine.evict({ where: (member, { idleMs }) => overdue.has(member) && idleMs >= idleTimeoutMs });
  }

  /** Whoever got it now would wait behind a statement that is not theirs. It counts as lent until that has ended. */
  #drain(lease: Lease<Member>, client: DriverClient): void {
    if (this.ending) {
      lease.destroy();
      return;
    }
    this.#draining.add(lease);
    drained(client).then(() => lease.release(), (error: unknown) => lease.destroy(error)).finally(() => this.#draining.delete(lease));
  }

  /** The engine counts it and tells its listeners; pg-pool throws. */
  #releasedTwice(lease: Lease<Member>): void {
    if (lease.ended) lease.release();
    if (!this.#settings.better) throw releasedTwiceError();
    this.log('released twice');
  }

  #run(text: unknown, values: unknown, settle: Settle): void {
    const { keepAfterErrors } = this.#settings;
    const borrowed: Borrowed = (error, client, done) => {
      if (client === undefined) {
        settle(error);
        return;
      }
      this.log('dispatching query');
      execute(client, { text, values, keepAfterErrors }, done!, settle);
    };
    // By way of connect(), where somebody has put one of their own in its place: tracing above all.
    if (this.connect !== ownConnect) this.connect(borrowed as unknown as ConnectCallback<C>);
    else if (this.ending) settle(endedError());
    else this.#borrow(borrowed, false);
  }

  async #finish(): Promise<void> {
    // Whoever has a connect under way gets its client, as in pg-pool. Those who wait for somebody else's learn that none will come.
    for (const lease of this.#draining) lease.destroy();
    const { creating } = this.#engine.stats();
    const waiters = this.#waiters.toArray();
    for (const waiter of waiters.slice(creating)) {
      this.#waiters.delete(waiter);
      waiter.settle(endedError(), undefined, NOTHING);
    }
    const connecting = waiters.slice(0, creating);
    await NativePromise.all(connecting.map((waiter) => new NativePromise<void>((resolve) => { waiter.onLeft = resolve; })));
    await this.#engine.close({ deadlineMs: this.#settings.endDeadlineMs });
    this.ended = true;
  }

  #refuse<R>(error: Error, callback: ((error: Error) => void) | undefined): Promise<R> | void {
    return callback === undefined ? this.#promised((settle) => settle(error)) : callback(error);
  }

  /** A promise of the kind that the pool was asked for. */
  #promised<R>(run: (settle: (error: unknown, value?: unknown) => void) => void): Promise<R> {
    const promise = new this.Promise<R>((resolve, reject) => {
      run((error, value) => {
        if (error) reject(error);
        else resolve(value as R);
      });
    });
    return promise.then(undefined, rethrow) as Promise<R>;
  }
}

const ownConnect: unknown = Pool.prototype.connect;
const ownEmit: unknown = Pool.prototype.emit;

/** A timer that was set at the release could not fire before the loop has come round: until then nobody may find that its time is over. */
function noteIdle(member: Member): void {
  const since = performance.now();
  const { lease } = member;
  member.idleSince = Infinity;
  setImmediate(() => {
    if (member.lease === lease) member.idleSince = since;
  });
}

/** The client for one lease: a second `release()` of it can do no harm to whoever has the client then. */
function handleFor(lease: Lease<Member>, release: Done): DriverClient {
  return handleOf(new ClientLease(lease), { release, [Symbol.dispose]: release });
}

/** A class, as an object with a getter written out would cost more than all the rest of a lease. */
class ClientLease {
  private readonly lease: Lease<Member>;

  constructor(lease: Lease<Member>) {
    this.lease = lease;
  }

  get resource(): DriverClient {
    return this.lease.resource.client;
  }
}

/** An error that came from the network has a stack which leads there; this one leads to who awaits it. */
function rethrow(error: unknown): never {
  if (error instanceof Error) Error.captureStackTrace(error);
  throw error;
}

/** The names under which @types/pg-pool has them. */
export declare namespace Pool {
  type Config<C = ClientLike> = PoolConfig<C>;
  type ClientLikeCtr<C = ClientLike> = ClientClass<C>;
}
