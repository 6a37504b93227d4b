// A limit that nobody has written down: `limit: 'auto'`. Whoever comes to a key that has members takes their limit; whoever comes first
// asks the server, by one connection that is counted nowhere and closed again. What it answers holds until the last member is gone, so that
// members who asked at different moments agree.

import type { BudgetedPool } from '../index.ts';
import { budgetOf, fleetBudget, resolve, type FleetBudget, type FleetBudgetOptions } from './budget.ts';
import { whileAwaited } from './coordinators/common.ts';
import { serverLimit } from './server-limit.ts';
import { sameTerms, type Coordinator, type FleetTerms, type FleetView, type Heartbeat, type Reply } from './protocol.ts';

export interface FoundLimitOptions extends Omit<FleetBudgetOptions, 'limit'> {
  /**
   * How many connections the fleet may have, `guard` included: a whole number of at least 1; a function that finds it out; or `'auto'`,
   * with which a pool of `millpond/pg` or `millpond/mysql` asks its server.
   */
  readonly limit: number | 'auto' | (() => Promise<number>);
}

/** Until it is known. Nothing is granted by it. */
const UNKNOWN = 1_000_000_000;
/** A whole fleet may start at once: most should find somebody who has asked. */
const SPREAD_MS = 250;
const ASK_TIMEOUT_MS = 10_000;

/** {@link fleetBudget} with a limit that may have to be found out. Throws {@link InvalidOptionError}. */
export function limitedBudget(coordinator: Coordinator, options: FoundLimitOptions): FleetBudget {
  const { limit } = options;
  if (typeof limit === 'number') return fleetBudget(coordinator, { ...options, limit });
  const resolved = resolve(coordinator, { ...options, limit: UNKNOWN });
  return budgetOf(resolved, (pool) => {
    const finder = new LimitFinder(coordinator, pool.name, typeof limit === 'function' ? limit : askerOf(pool), resolved.random);
    return {
      coordinator: finder,
      terms: () => finder.limit === undefined ? undefined : { ...resolved.terms, limit: finder.limit },
    };
  });
}

function askerOf({ factory }: BudgetedPool): () => Promise<number> {
  return async () => {
    if (factory === undefined) return serverLimit(undefined);
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const resource = await factory.create({ signal, attempt: 1 });
    try {
      return await whileAwaited(serverLimit(resource), signal);
    } finally {
      await factory.destroy(resource, { reason: 'overSize', signal });
    }
  };
}

class LimitFinder implements Coordinator {
  readonly #coordinator: Coordinator;
  readonly #ask: () => Promise<number>;
  readonly #random: () => number;
  readonly #pool: string;
  #warned = false;
  #limit: number | undefined = undefined;
  #finding: Promise<number> | undefined = undefined;

  constructor(coordinator: Coordinator, pool: string, ask: () => Promise<number>, random: () => number) {
    this.#pool = pool;
    this.#coordinator = coordinator;
    this.#ask = ask;
    this.#random = random;
  }

  /** As far as it is known. */
  get limit(): number | undefined {
    return this.#limit;
  }

  async heartbeat(request: Heartbeat, signal?: AbortSignal): Promise<Reply> {
    this.#limit ??= await this.#found();
    signal?.throwIfAborted();
    const reply = await this.#say(request, this.#limit, signal);
    if (reply.kind !== 'refused' || reply.reason !== 'terms') return reply;
    const { limit } = reply.terms;
    // Somebody has asked the server at another moment, and came first.
    if (!sameTerms(reply.terms, { ...request.terms, limit })) return reply;
    this.#limit = limit;
    signal?.throwIfAborted();
    return this.#say(request, limit, signal);
  }

  view(signal?: AbortSignal): Promise<FleetView> {
    return this.#coordinator.view(signal);
  }

  async #say(request: Heartbeat, limit: number, signal: AbortSignal | undefined): Promise<Reply> {
    const terms: FleetTerms = { ...request.terms, limit };
    const { guard, floor, members } = terms;
    if (guard >= limit || floor * members > limit - guard) {
      this.#limit = undefined; // it may be another one later
      throw this.#warn(new RangeError(`${limit}, which is too little for a guard of ${guard} and ${members} floors of ${floor}`));
    }
    return this.#coordinator.heartbeat({ ...request, terms }, signal);
  }

  /** Goes on when a heartbeat is given up: the next one waits for the same. */
  #found(): Promise<number> {
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async #find(): Promise<number> {
    let limit = await this.#told();
    if (limit !== undefined) return limit;
    await new Promise((resolve) => setTimeout(resolve, this.#random() * SPREAD_MS));
    limit = await this.#told();
    if (limit !== undefined) return limit;
    try {
      limit = Math.floor(await whileAwaited(this.#ask(), AbortSignal.timeout(ASK_TIMEOUT_MS)));
    } catch (error) {
      throw this.#warn(error);
    }
    if (!(limit >= 1)) throw this.#warn(new RangeError(`${limit}, which is less than 1`));
    return limit;
  }

  /** Nobody else would say why the pool gets nothing. */
  #warn(error: unknown): unknown {
    if (!this.#warned) {
      const told = error instanceof Error ? error.message : String(error);
      process.emitWarning(`Pool "${this.#pool}": the limit of its fleet was not found: ${told}`, { code: 'MILLPOND_FLEET_LIMIT' });
    }
    this.#warned = true;
    return error;
  }

  /** By those who are there. */
  async #told(): Promise<number | undefined> {
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const { terms, members } = await whileAwaited(this.#coordinator.view(signal), signal);
    return members.length > 0 ? terms?.limit : undefined;
  }
}
