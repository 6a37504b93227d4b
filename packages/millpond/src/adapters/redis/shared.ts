// Commands of many callers over few connections, as many in flight on each as there are.
//
// As in the adapter of PostgreSQL there are two pools, one above the other. Below is the pool of connections, which knows nothing of this:
// each connection that is shared is a lease like any other. Above is a pool of *places*: its resources are those connections, each lent to
// as many commands at once as may be in flight on it (`sharing`). So what finds no place waits in line there, with its deadline, its
// signal, its lane and its place in the queue; nothing of that is written again here. Redis works on one command at a time, so more
// connections make nothing faster; they only keep one that is stuck (a large reply, a lossy path) from holding up everybody:
//
// To find a place costs little, but more than a command of Redis should: so the first half of the commands in flight on a connection has
// one place between them, and each beyond that has its own. Nobody waits in the first half, so nobody is passed by.
//
// - Another connection is taken only when those that are shared have no place left, or are stalled.
// - One that has answered nothing for `stallMs` takes no new commands, and goes back when it has answered.
// - One that has answered nothing for `silenceTimeoutMs` is dead.
// - When somebody waits for a connection of his own, one of the shared ones takes no more, empties and is his.
// - Each goes back after a second at the latest, so that age, evictions and whatever else waits for a release have their turn.

import { AsyncResource } from 'node:async_hooks';
import { AcquireTimeoutError, CreateError, Pool, type AcquireOptions, type CloseOptions, type CloseResult, type Lease, type PoolOptions,
  type PoolStats } from '../../index.ts';
import { effectOf, whyNotShared, type Effect } from './commands.ts';
import { NotSharedError } from './errors.ts';
import type { SharedSettings } from './options.ts';
import { sessionOf, type CarrierOfMany, type Session } from './session.ts';
import type { RedisClient } from './types.ts';

/** Of the options, or the view, that a command was made with: the {@link Scope} it belongs to. */
export const SCOPE: unique symbol = Symbol('millpond.redis.scope');

/** What the commands of one `run` have in common. */
export interface Scope {
  readonly options: Pick<AcquireOptions, 'signal' | 'lane' | 'label'>;
  /** On the clock of `performance.now()`. */
  readonly deadline: number | undefined;
  /** Its caller has left, with this. */
  left: { readonly reason: unknown } | undefined;
}

/** The pool of connections, as it is seen from here. */
export interface Ground {
  readonly name: string;
  acquireAlone(options: AcquireOptions): Promise<Lease<RedisClient>>;
  tryAcquireAlone(options: Pick<AcquireOptions, 'label'>): Lease<RedisClient> | undefined;
  stats(): PoolStats;
  evict(): number;
  /** Why the last create failed, if nothing has been created since. */
  lastCreateError(): unknown;
}

export interface SharedOptions extends SharedSettings {
  readonly leakThresholdMs: number | undefined;
  /** What the places have in common with the pool of connections. */
  readonly pool: Pick<PoolOptions<never>, 'acquireTimeoutMs' | 'maxWaiting' | 'shedding' | 'lanes' | 'headroom' | 'clock' | 'random'>;
}

/** Of the leases of connections that are shared. */
export const SHARED_LABEL = 'shared';

/** An unused connection goes back after this. */
const EMPTY_MS = 100;
/** Any goes back after this. */
const TURN_MS = 1_000;
/** They are looked at this often at least. */
const LONGEST_LOOK_MS = 250;
/** Connections that may turn out dead before one is made afresh, as Go's database/sql has it. */
const POOLED_ATTEMPTS = 2;

/** A connection that is shared. */
class Carrier implements CarrierOfMany {
  readonly lease: Lease<RedisClient>;
  readonly session: Session;
  /** Commands on it that are not answered. */
  taken = 0;
  /** The places that it has, the oldest first: one for the first half of its commands, and one for each beyond. From `gone` on. */
  private places: (Lease<Carrier> | undefined)[] = [];
  private gone = 0;
  /** How much had been answered and had arrived at the last look, and for how many looks that has not changed. */
  answered = 0;
  private seenAnswered = 0;
  private seenArrivals = 0;
  stalledLooks = 0;
  silentLooks = 0;
  leaving = false;
  private readonly free: number;
  private readonly shared: Shared;

  constructor(lease: Lease<RedisClient>, session: Session, free: number, shared: Shared) {
    this.lease = lease;
    this.session = session;
    this.free = free;
    this.shared = shared;
  }

  /** Can it take one more command without another place? */
  get hasRoom(): boolean {
    return this.taken <= this.free && this.places.length > this.gone && !this.leaving && !this.session.lost;
  }

  take(place?: Lease<Carrier>): void {
    if (this.taken++ === 0) this.stalledLooks = this.silentLooks = 0; // before, nothing was to be answered
    if (place !== undefined) this.places.push(place);
  }

  arrived(): void {
    const { pending } = this.session;
    if (pending < this.taken) this.answered += this.taken - pending;
    this.taken = pending;
    const needed = pending === 0 ? 0 : Math.max(1, pending - this.free);
    for (let over = this.places.length - this.gone - needed; over > 0; over--) {
      const place = this.places[this.gone];
      this.places[this.gone++] = undefined;
      place?.release();
    }
    if (this.gone === this.places.length) {
      this.places.length = 0;
      this.gone = 0;
    } else if (this.gone > 1_000 && this.gone * 2 > this.places.length) {
      this.places = this.places.slice(this.gone);
      this.gone = 0;
    }
  }

  sendElsewhere(command: object, send: (session: Session) => Promise<unknown>): Promise<unknown> | undefined {
    return this.shared.sendElsewhere(command, send);
  }

  look(): void {
    this.stalledLooks = this.answered === this.seenAnswered ? this.stalledLooks + 1 : 0;
    this.silentLooks = this.session.arrivals === this.seenArrivals ? this.silentLooks + 1 : 0;
    this.seenAnswered = this.answered;
    this.seenArrivals = this.session.arrivals;
  }
}

export class Shared {
  readonly places: Pool<Carrier>;
  private readonly ground: Ground;
  private readonly settings: SharedOptions;
  private readonly carriers = new Set<Carrier>();
  private readonly lookMs: number;
  private timer: NodeJS.Timeout | undefined = undefined;
  /** How many commands of a connection share one place. With lanes each has its own: it is held for its lane. */
  private readonly free: number;
  /** The last one that a place was found on: it takes more without asking, for a while. */
  private current: Carrier | undefined = undefined;
  /** How often a command was not written. */
  private readonly failures = new WeakMap<object, number>();
  /** Of commands that belong to one. */
  readonly scopes: WeakMap<object, Scope> = new WeakMap();
  /** Connections are for all; whoever is first to need one has no part in it. Least of all is it nested in a lease that he holds. */
  private readonly nobody = new AsyncResource('millpond.redis');

  constructor(ground: Ground, settings: SharedOptions) {
    this.ground = ground;
    this.settings = settings;
    this.lookMs = Math.min(LONGEST_LOOK_MS, Math.max(1, Math.min(settings.stallMs, settings.silenceTimeoutMs) / 2));
    this.free = settings.pool.lanes === undefined ? Math.floor(settings.depth / 2) : 0;
    this.places = new Pool<Carrier>({
      ...settings.pool,
      name: `${ground.name}/shared`,
      max: Math.min(settings.connections, ground.stats().max),
      sharing: Math.max(1, settings.depth - this.free),
      createTimeoutMs: 0, // finding a connection has its own deadline
      createRetry: false, // and its own retries
      idleTimeoutMs: EMPTY_MS,
      // Whoever is told of leaks is not to be told of these.
      maxLifetimeMs: Math.min(TURN_MS, (settings.leakThresholdMs ?? Infinity) / 2),
      factory: {
        create: ({ signal }) => this.nobody.runInAsyncScope(() => this.takeNow() ?? this.take(signal)),
        destroy: (carrier) => this.giveBack(carrier),
        isBroken: ({ session }) => session.lost,
        onLost: ({ session }, lost) => {
          session.lossListeners.add(lost);
          return () => session.lossListeners.delete(lost);
        },
        classify: (error) => error instanceof CreateError && !error.retryable ? 'permanent' : 'transient',
      },
    });
  }

  get name(): string {
    return this.ground.name;
  }

  get open(): boolean {
    return this.places.state !== 'draining' && this.places.state !== 'closed';
  }

  // ------------------------------------------------------------------------------------------------------------------------ commands

  /** Why this command cannot be sent on a connection that others use as well; undefined: it can. */
  refusedFor(name: unknown, args: readonly unknown[], from: number): NotSharedError | undefined {
    const effect = effectOf(name, args, from);
    return effect === undefined ? undefined : this.refusal(String(name).toUpperCase(), effect);
  }

  /** The same for commands that are sent together. What is between MULTI and EXEC neither waits nor lets others in. */
  refusedAmong(
    commands: readonly { readonly name: unknown; readonly args: readonly unknown[]; readonly from: number }[], transaction: boolean,
  ): NotSharedError | undefined {
    let open = transaction;
    for (const { name, args, from } of commands) {
      const effect = effectOf(name, args, from);
      if (effect === undefined || (effect === 'blocks' && open)) continue;
      if (effect === 'opens' && !open) open = true;
      else if (effect === 'closes' && open && !transaction) open = false;
      else return this.refusal(String(name).toUpperCase(), effect);
    }
    return open && !transaction ? this.refusal('MULTI', 'opens') : undefined;
  }

  refusal(command: string, effect: Effect): NotSharedError {
    return new NotSharedError(command, whyNotShared(effect), this.name);
  }

  /** The connection for a command that is sent now; undefined: it has to wait for one. */
  seat(scope: Scope | undefined): Session | undefined {
    const { current } = this;
    if (current !== undefined) {
      if (current.hasRoom && (scope === undefined || isPlain(scope))) {
        current.take();
        return current.session;
      }
      this.current = undefined;
    }
    for (;;) {
      const place = scope === undefined ? this.places.tryAcquire() : this.tryPlaceIn(scope);
      if (place === undefined) return undefined;
      const { session } = place.resource;
      if (!session.lost) {
        this.sit(place);
        return session;
      }
      place.destroy(session.cause);
    }
  }

  /** Waits for a connection, and sends. */
  async seated<R>(scope: Scope | undefined, send: (session: Session) => Promise<R>): Promise<R> {
    let session = this.seat(scope);
    while (session === undefined) {
      let place: Lease<Carrier>;
      try {
        place = await this.places.acquire(scope === undefined ? undefined : acquireOptions(scope));
      } catch (error) {
        throw this.inTheirWords(error);
      }
      if (place.ended) continue; // the pool took it back before it could be used, and says why
      if (scope?.left !== undefined) {
        place.release();
        throw scope.left.reason;
      }
      const { session: found } = place.resource;
      if (found.lost) {
        place.destroy(found.cause);
      } else {
        this.sit(place);
        session = found;
      }
    }
    return send(session);
  }

  private tryPlaceIn({ options, left }: Scope): Lease<Carrier> | undefined {
    // Whoever has left is told so by acquire.
    return left === undefined && options.signal?.aborted !== true ? this.places.tryAcquire(options) : undefined;
  }

  private sit(place: Lease<Carrier>): void {
    const carrier = place.resource;
    carrier.take(place);
    this.current = carrier;
    this.timer ??= this.lookLater();
  }

  /** A command whose connection has ended before it was written: it is sent on another. */
  sendElsewhere(command: object, send: (session: Session) => Promise<unknown>): Promise<unknown> | undefined {
    const failed = (this.failures.get(command) ?? 0) + 1;
    if (failed > POOLED_ATTEMPTS) return undefined;
    this.failures.set(command, failed);
    // Two in a row, and nobody had noticed: whatever befell them has befallen the others. What comes next is new.
    if (failed === POOLED_ATTEMPTS) this.ground.evict();
    // Not at once: what has ended is to leave the pool of places first.
    return Promise.resolve().then(() => this.seated(this.scopes.get(command), send));
  }

  // ----------------------------------------------------------------------------------------------------------- the pool's own orders

  /** Somebody waits for a connection of his own: one for each that waits. */
  makeWay(): void {
    if (this.carriers.size === 0) return;
    let { waiting } = this.ground.stats();
    if (waiting === 0) return;
    waiting -= this.places.stats().creating;
    const staying = [...this.carriers].filter((carrier) => !carrier.leaving);
    if (waiting > this.carriers.size - staying.length) this.land(least(staying));
  }

  /** Gives back one that carries nothing; false: there is none. */
  giveBackEmpty(): boolean {
    const empty = [...this.carriers].find((carrier) => carrier.taken === 0 && !carrier.leaving);
    if (empty === undefined) return false;
    this.land(empty);
    return true;
  }

  evict(): void {
    this.current = undefined;
    this.places.evict();
  }

  pause(options: { readonly reject?: boolean }): void {
    this.current = undefined;
    this.places.pause(options);
  }

  resize(max: number): void {
    this.places.resize({ max: Math.min(this.settings.connections, max) });
  }

  close(options: CloseOptions): Promise<CloseResult> {
    this.current = undefined;
    return this.places.close(options);
  }

  // ------------------------------------------------------------------------------------------------------------------------- details

  private takeNow(): Carrier | undefined {
    const lease = this.ground.tryAcquireAlone({ label: SHARED_LABEL });
    return lease === undefined ? undefined : this.carrierOf(lease);
  }

  private async take(signal: AbortSignal): Promise<Carrier> {
    for (;;) {
      try {
        const carrier = this.carrierOf(await this.ground.acquireAlone({ signal, label: SHARED_LABEL }));
        if (carrier !== undefined) return carrier;
      } catch (error) {
        // A connection is for all who wait. Each has a deadline of its own, and none is told of one that was never his.
        if (!(error instanceof AcquireTimeoutError) || this.places.stats().waiting === 0) throw error;
      }
    }
  }

  /** Undefined: it has died meanwhile; there are others. */
  private carrierOf(lease: Lease<RedisClient>): Carrier | undefined {
    const session = sessionOf(lease.resource);
    if (!session.usable) {
      lease.destroy(session.cause);
      return undefined;
    }
    const carrier = new Carrier(lease, session, this.free, this);
    session.carry(carrier);
    this.carriers.add(carrier);
    return carrier;
  }

  private giveBack(carrier: Carrier): void {
    this.carriers.delete(carrier);
    const { lease, session } = carrier;
    if (lease.ended) return; // the pool has closed, and taken it
    // With something in flight it is here because somebody would not wait for that any longer. One that is lost is known to be broken.
    if (session.lost || session.pending === 0) lease.release();
    else lease.destroy();
  }

  /** It takes no more, and goes back when it is empty. */
  private land(carrier: Carrier | undefined): void {
    if (carrier === undefined || carrier.leaving) return;
    carrier.leaving = true;
    this.places.evict({ where: (each) => each === carrier });
  }

  /** Is there another that takes commands, or may there be? */
  private mayReplace(carrier: Carrier): boolean {
    if (!this.open) return false;
    if ([...this.carriers].some((each) => each !== carrier && !each.leaving && each.stalledLooks < carrier.stalledLooks)) return true;
    const { size, idle, max } = this.ground.stats();
    return this.carriers.size < this.places.stats().max && (idle > 0 || size < max);
  }

  private lookLater(): NodeJS.Timeout {
    // What has arrived is read first: after a stall of this process its timers run before its sockets.
    return setTimeout(() => setImmediate(this.look), this.lookMs).unref();
  }

  private readonly look = (): void => {
    this.timer = undefined;
    this.current = undefined; // whether it may take more is for the pool of places to say, from time to time
    let busy = this.places.stats().waiting > 0;
    for (const carrier of [...this.carriers]) {
      carrier.arrived(); // some have left before they were sent
      if (carrier.taken === 0) continue;
      busy = true;
      carrier.look();
      // In looks and not by the clock: while this process stood still, it could not hear anything either.
      if ((carrier.silentLooks - 1) * this.lookMs >= this.settings.silenceTimeoutMs) {
        carrier.session.lose(new Error(`nothing was heard from the server for ${this.settings.silenceTimeoutMs} ms`));
      } else if ((carrier.stalledLooks - 1) * this.lookMs >= this.settings.stallMs && this.mayReplace(carrier)) {
        this.land(carrier);
      }
    }
    // Who waited before anything was shared has called when there was nothing to land.
    this.makeWay();
    if (busy) this.timer = this.lookLater();
  };

  /** In the words of the pool of connections: the one that the caller knows. */
  private inTheirWords(error: unknown): unknown {
    if (error instanceof CreateError && error.pool === this.places.name) return error.cause;
    if (!(error instanceof AcquireTimeoutError) || error.pool !== this.places.name) return error;
    const stats = this.ground.stats();
    const lastCreateError = this.ground.lastCreateError();
    const why = lastCreateError instanceof Error ? ` The last create failed: ${lastCreateError.message}.` : '';
    return new AcquireTimeoutError(
      `${error.message} Of its connections ${stats.borrowed} of ${stats.max} are borrowed, ${stats.creating} being created, `
        + `${stats.waiting} waited for.${why}`,
      { code: 'ERR_POOL_ACQUIRE_TIMEOUT', pool: this.name, retryable: true, stats, waitedMs: error.waitedMs,
        ...(lastCreateError === undefined ? {} : { cause: lastCreateError }) });
  }
}

/** Nothing that has to be known to find a place. */
function isPlain({ options, left }: Scope): boolean {
  return left === undefined && options.lane === undefined && options.signal?.aborted !== true;
}

function least(carriers: readonly Carrier[]): Carrier | undefined {
  return [...carriers].sort((a, b) => a.taken - b.taken)[0];
}

function acquireOptions({ options, deadline }: Scope): AcquireOptions {
  return deadline === undefined ? options : { ...options, timeoutMs: Math.max(0, deadline - performance.now()) };
}
