// What must hold of any pool at any time it is at rest, checked from outside: from its stats, from what its factory saw, and from the
// leases it gave. The names I1 to I12 are those of the engine's contract.
//
// `checkInvariants` looks at one moment and needs nothing but a pool. `InvariantWatch` follows a pool from its first step and so sees
// more: who holds what, whether hooks run on lent resources, whether creates are started without demand.

import type { Clock, Lease, PoolEvents, PoolStats } from '../index.ts';
import type { HookName, ScriptedFactory } from './factory.ts';

/** The part of a pool that the checks look at. */
export interface ObservedPool {
  stats(): PoolStats;
}

/** The part of a pool that {@link InvariantWatch} follows. */
export interface WatchedPool<T> extends ObservedPool {
  on<K extends 'acquire'>(name: K, listener: (event: PoolEvents<T>[K]) => void): () => void;
}

/** What stats do not tell about a pool. Give the options that it was built with. */
export interface InvariantOptions {
  /** Default true. */
  readonly strictMax?: boolean;
  /** Default Infinity. */
  readonly maxCreating?: number;
  /** Default 1. */
  readonly sharing?: number;
  /** It has lanes: idle resources may be kept back for a higher one, so I2 and I3 say less. */
  readonly lanes?: boolean;
  /** What a budget grants now, where that is less than `max`. */
  readonly limit?: number;
  /** Creates may be put off now, because the last one failed. Default: when the pool has had create errors. */
  readonly backoff?: boolean;
  /** An eviction with `spreadMs` is under way: replacements are created that nobody waits for (I7). */
  readonly spreading?: boolean;
  /** `max` was lowered: the size may stand above it, up to here. */
  readonly shrinkingFrom?: number;
  /** The clock of the pool: after close none of its timers may be left, so it must have no other user. */
  readonly clock?: Clock & { readonly pending: number };
}

/** Every invariant that is broken, by name. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  readonly broken: readonly string[];
  readonly stats: PoolStats;

  constructor(broken: readonly string[], stats: PoolStats) {
    super(`${broken.join('\n')}\nstats: ${JSON.stringify(stats)}`);
    this.broken = broken;
    this.stats = stats;
  }
}

/**
 * Throws an {@link InvariantError} unless the pool, at rest, is consistent with itself and with what its factory saw. At rest means that
 * promises had time to run: after `await clock.flush()` or `clock.advance()`.
 */
export function checkInvariants<T>(pool: ObservedPool, factory?: ScriptedFactory<T>, options: InvariantOptions = {}): void {
  const stats = pool.stats();
  const broken = faultsOf(stats, factory, options);
  if (broken.length > 0) throw new InvariantError(broken, stats);
}

function faultsOf<T>(stats: PoolStats, factory: ScriptedFactory<T> | undefined, options: InvariantOptions): string[] {
  return [
    ...sizeFaults(stats, options, factory),
    ...workFaults(stats, options),
    ...conservationFaults(stats, factory),
    ...closeFaults(stats, options),
    ...(factory === undefined ? [] : witnessFaults(factory)),
  ];
}

/** I1: the states partition the slots, and there are never more than may be. */
function sizeFaults<T>(stats: PoolStats, options: InvariantOptions, factory: ScriptedFactory<T> | undefined): string[] {
  const faults: string[] = [];
  const { idle, borrowed, creating, validating, resetting, destroying, size, max } = stats;
  const states = { idle, borrowed, creating, validating, resetting, destroying, waiting: stats.waiting };
  for (const [name, count] of Object.entries(states)) {
    if (!Number.isInteger(count) || count < 0) faults.push(`I1: ${name} = ${count}`);
  }
  const sum = idle + borrowed + creating + validating + resetting + destroying;
  if (sum !== size) faults.push(`I1: the states add up to ${sum}, the size is ${size}`);
  const { certain, doubtful } = factory?.footprint() ?? { certain: size, doubtful: 0 };
  const present = factory === undefined ? size : certain - stats.totals.detached;
  const allowed = Math.max(max, options.shrinkingFrom ?? 0);
  const counted = (options.strictMax ?? true) ? size : size - destroying;
  if (counted - doubtful > allowed) faults.push(`I1: ${counted} resources counted, max is ${max}`);
  if ((options.strictMax ?? true) && present > allowed) faults.push(`I1: the factory sees ${present} resources and creates, max is ${max}`);
  if (present > size) faults.push(`I1: the factory sees ${present} resources and creates, the pool only ${size}`);
  if (size > present + doubtful) faults.push(`I1: the pool counts ${size}, the factory sees ${present} (and ${doubtful} given up)`);
  if (creating > (options.maxCreating ?? Infinity)) faults.push(`I7: ${creating} creates at once`);
  return faults;
}

/** I2 and I3: nothing lies idle and no room stays empty while somebody waits. */
function workFaults(stats: PoolStats, options: InvariantOptions): string[] {
  if (stats.state !== 'open') return [];
  const faults: string[] = [];
  const { waiting, validating, creating, idle, size } = stats;
  if (!options.lanes && waiting > validating && idle > 0)
    faults.push(`I2: ${waiting} wait (${validating} for a validation) beside ${idle} idle`);
  const backoff = options.backoff ?? stats.totals.createErrors > 0;
  const limit = Math.min(stats.max, options.limit ?? Infinity);
  const counted = (options.strictMax ?? true) ? size : size - stats.destroying;
  const hungry = waiting > (creating + validating) * (options.sharing ?? 1);
  if (hungry && !backoff && !options.lanes && counted < limit && creating < (options.maxCreating ?? Infinity)) {
    faults.push(`I3: ${waiting} wait for ${creating} creates and ${validating} validations, with ${size} of ${limit} resources`);
  }
  return faults;
}

/** I11: nothing asked for, made or unmade gets lost in the books. */
function conservationFaults<T>(stats: PoolStats, factory: ScriptedFactory<T> | undefined): string[] {
  const faults: string[] = [];
  const { totals, waiting } = stats;
  const settled = totals.served + totals.timedOut + totals.aborted + totals.rejected;
  if (totals.acquires !== settled + waiting) faults.push(`I11: ${totals.acquires} acquires, ${settled} settled, ${waiting} waiting`);
  const destroyed = Object.values(totals.destroyed).reduce((sum, count) => sum + count, 0);
  const present = totals.created - destroyed - totals.detached;
  const alive = stats.idle + stats.borrowed + stats.validating + stats.resetting;
  const doubtful = factory?.footprint().doubtful ?? 0;
  if (present < alive || present > alive + stats.destroying + doubtful) {
    faults.push(
      `I11: ${totals.created} created, ${destroyed} destroyed, ${totals.detached} detached, ` +
        `so ${present} present, but ${alive} alive and ${stats.destroying} destroying`,
    );
  }
  return faults;
}

/** I12: a closed pool is empty. */
function closeFaults(stats: PoolStats, options: InvariantOptions): string[] {
  const faults: string[] = [];
  if (stats.state !== 'closed' && stats.state !== 'draining') return faults;
  if (stats.waiting > 0) faults.push(`I12: ${stats.waiting} wait at a pool that is ${stats.state}`);
  if (stats.state === 'draining') return faults;
  if (stats.size > 0) faults.push(`I12: closed, with ${stats.size} resources`);
  const timers = options.clock?.pending ?? 0;
  if (timers > 0) faults.push(`I12: closed, with ${timers} timers`);
  return faults;
}

/** I8, and what else the factory noticed. */
function witnessFaults<T>(factory: ScriptedFactory<T>): string[] {
  const faults = factory.violations.map((violation) => `I8: ${violation}`);
  for (const resource of factory.stillListenedTo()) faults.push(`I8: ${String(resource)} is gone and still listened to`);
  return faults;
}

/** Follows one pool. Build it right after the pool, before anything is acquired. */
export class InvariantWatch<T> {
  readonly #pool: WatchedPool<T>;
  readonly #factory: ScriptedFactory<T>;
  readonly #options: InvariantOptions;
  readonly #leases = new Map<T, Set<Lease<T>>>();
  readonly #faults: string[] = [];
  /** In which generation a create was started, by its number. */
  readonly #generationOf = new Map<number, number>();
  readonly #unsubscribe: (() => void)[];
  #ceiling: number;

  constructor(pool: WatchedPool<T>, factory: ScriptedFactory<T>, options: InvariantOptions = {}) {
    this.#pool = pool;
    this.#factory = factory;
    this.#options = options;
    this.#ceiling = pool.stats().max;
    const generation = pool.stats().generation;
    for (const call of factory.pending) this.#generationOf.set(call.index, generation);
    this.#unsubscribe = [
      pool.on('acquire', (event) => {
        this.#lent(event.lease);
      }),
      factory.observe((hook, resource) => {
        if (hook === 'create') this.#createStarts();
        else if (hook !== 'onLost' && hook !== 'isBroken') this.#hookRuns(hook, resource as T);
      }),
    ];
  }

  /** Live leases, as given out by the pool and not ended. */
  get leases(): Lease<T>[] {
    return [...this.#leases.values()].flatMap((leases) => [...leases].filter((lease) => !lease.ended));
  }

  /** Throws an {@link InvariantError} when anything was wrong since the last check or is wrong now. */
  check(options: InvariantOptions = {}): void {
    const stats = this.#pool.stats();
    // A shrink: the size may stand above the new max, but it may not grow.
    this.#ceiling = stats.size > stats.max ? Math.min(this.#ceiling, stats.size) : stats.max;
    this.#tidy();
    const held = this.#leases.size;
    const faults = [...this.#faults];
    if (held !== stats.borrowed) faults.push(`I4: ${held} resources are lent, the pool says ${stats.borrowed}`);
    const creates = stats.creating - this.#factory.footprint().doubtful;
    if (creates > this.#factory.pending.length)
      faults.push(`I7: ${stats.creating} creating, the factory runs ${this.#factory.pending.length}`);
    faults.push(...faultsOf(stats, this.#factory, { ...this.#options, shrinkingFrom: this.#ceiling, ...options }));
    if (faults.length > 0) throw new InvariantError(faults, stats);
  }

  /** Takes its listeners away. */
  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** I4 and I9, at the moment of a hand-over. */
  #lent(lease: Lease<T>): void {
    const resource = lease.resource;
    const name = String(resource);
    let leases = this.#leases.get(resource);
    if (leases === undefined) this.#leases.set(resource, (leases = new Set()));
    const others = [...leases].filter((other) => !other.ended).length;
    leases.add(lease);
    if (others >= (this.#options.sharing ?? 1)) this.#faults.push(`I4: ${name} was lent to ${others + 1} at once`);
    if (this.#factory.destroyed(resource) > 0) this.#faults.push(`I9: ${name} was lent after its destroy`);
    if (this.#factory.broken.has(resource)) this.#faults.push(`I9: ${name} was lent although it is broken`);
  }

  /** I4: a hook runs on a resource only while nobody has it. A pool that takes a resource back by force ends its leases first. */
  #hookRuns(hook: HookName, resource: T): void {
    const lent = [...(this.#leases.get(resource) ?? [])].some((lease) => !lease.ended);
    if (lent) this.#faults.push(`I4: ${hook} ran on ${String(resource)} while it was lent`);
  }

  /** I7, at the start of a create: no more of them than waiters and missing ones can use. */
  #createStarts(): void {
    const stats = this.#pool.stats();
    this.#generationOf.set(this.#factory.creates, stats.generation);
    if (stats.state === 'unavailable') return; // a probe needs no demand
    if (this.#options.spreading === true) return;
    const running = this.#factory.pending.filter(
      (call) => !call.context.signal.aborted && this.#generationOf.get(call.index) === stats.generation,
    ).length;
    const alive = stats.idle + stats.borrowed + stats.validating + stats.resetting;
    const demand = stats.waiting + Math.max(0, stats.min - alive);
    if (running + 1 > demand) {
      this.#faults.push(`I7: a create was started beside ${running}, for ${stats.waiting} waiters and ${alive} of min ${stats.min}`);
    }
  }

  #tidy(): void {
    for (const [resource, leases] of this.#leases) {
      for (const lease of leases) if (lease.ended) leases.delete(lease);
      if (leases.size === 0) this.#leases.delete(resource);
    }
  }
}

/** The part of a pool that {@link probeCapacity} uses. */
export interface LendingPool<T> extends ObservedPool {
  acquire(options?: { readonly signal?: AbortSignal }): Promise<Lease<T>>;
}

/**
 * I10: the pool has lost no place. When all leases have ended and all hooks succeed, exactly `max` acquires (times `sharing`) are served
 * without the passing of time, and the next one waits. Throws an {@link InvariantError} otherwise; gives everything back.
 */
export async function probeCapacity<T>(pool: LendingPool<T>, clock: { flush(): Promise<void> }, sharing = 1): Promise<void> {
  const wanted = pool.stats().max * sharing;
  const leases: Lease<T>[] = [];
  const refused: unknown[] = [];
  const leave = new AbortController();
  const ask = (): void => {
    pool.acquire({ signal: leave.signal }).then(
      (lease) => void leases.push(lease),
      (error: unknown) => void (leave.signal.aborted || refused.push(error)),
    );
  };
  for (let i = 0; i < wanted; i++) {
    ask(); // one by one: a short queue (maxWaiting) must not turn any away
    await clock.flush();
  }
  const served = leases.length;
  const turnedAway = [...refused];
  ask(); // this one waits, or is turned away
  await clock.flush();
  const stats = pool.stats();
  const surplus = leases.length - served;
  leave.abort(new Error('the probe is over'));
  await clock.flush();
  for (const lease of leases) lease.release();
  await clock.flush();
  const faults: string[] = [];
  if (served < wanted) faults.push(`I10: ${served} of ${wanted} acquires were served at once`);
  if (served === wanted && surplus > 0) faults.push(`I10: one more than ${wanted} was served`);
  for (const error of turnedAway) faults.push(`I10: an acquire was refused: ${String(error)}`);
  if (faults.length > 0) throw new InvariantError(faults, stats);
}
