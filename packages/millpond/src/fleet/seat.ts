// A pool's seat in a fleet: drives a member (member.ts) with a clock and a coordinator, and tells how it goes. It decides nothing.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { BudgetedPool, BudgetReport, BudgetSeat, Clock, Random } from '../index.ts';
import { tell } from './channels.ts';
import { isServerFull } from './full.ts';
import { Member, type MemberPorts, type MemberStatus } from './member.ts';
import type { Work } from './need.ts';
import type { Coordinator, FleetTerms, FleetView, Heartbeat, Reply } from './protocol.ts';
import { reportOf } from './report.ts';
import { sound } from './sound.ts';

/** What a pool has of a fleet's budget. Times are milliseconds. */
export interface FleetMemberStats {
  /** The pool's name. */
  readonly pool: string;
  /** What others read: the service and where it runs. */
  readonly name: string;
  /**
   * `granted`: by the coordinator's word. `learning`: the same, and nobody gets more yet. `floor`: without a grant, be it that none is
   * needed or that the coordinator does not answer. `refused`: other terms, or too many members. `leaving`: the pool is closed.
   */
  readonly mode: 'granted' | 'learning' | 'floor' | 'refused' | 'leaving';
  /** How many connections it may hold. */
  readonly leased: number;
  readonly held: number;
  /** How many its work needs, and how many it would like to have for chance. */
  readonly needed: number;
  readonly wanted: number;
  readonly floor: number;
  /** Of the fleet, `guard` included. Undefined: not found out yet. */
  readonly limit: number | undefined;
  readonly guard: number;
  /** Of the fleet, by the last answer: how many permits are reserved, by how much others have less than they need, how many members. */
  readonly reserved: number;
  readonly unmet: number;
  readonly members: number;
  /** Of the coordinator's state, and how many of them this pool has seen: it learns anew each time. */
  readonly identity: string;
  readonly epoch: number;
  readonly heartbeats: number;
  /** Heartbeats without an answer. */
  readonly failures: number;
  /** How long the last answer took; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** How long ago the last answer came. */
  readonly answeredMs: number | undefined;
  /** For how long somebody has waited in vain. */
  readonly shortMs: number;
  /** How often the server had no connection left though one was granted. */
  readonly denied: number;
}

export interface FleetSeatInit {
  readonly coordinator: Coordinator;
  /** What it says, and what the fleet has as far as that is known. */
  readonly termsSaid: FleetTerms;
  readonly terms: () => FleetTerms | undefined;
  readonly name: string | undefined;
  readonly weight: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Who has what is looked up when somebody has waited in vain for this long, ... */
const LOOK_AFTER_MS = 500;
/** ... again after this, or longer the more members there are, ... */
const LOOK_AGAIN_MS = 2_000;
const LOOK_AGAIN_PER_MEMBER_MS = 50;
/** ... and not with more than that: it is a look at each of them. */
const LOOK_AT_MOST = 300;
const LOOK_TIMEOUT_MS = 5_000;

export class FleetSeat implements BudgetSeat, MemberPorts {
  readonly #init: FleetSeatInit;
  readonly #pool: BudgetedPool;
  readonly #clock: Clock;
  readonly #member: Member;
  readonly #onLeft: () => void;
  readonly #listeners = new Set<() => void>();
  readonly random: Random;
  #signal = new AbortController();
  #cancel: (() => void) | undefined = undefined;
  #wakeAt = Infinity;
  #heartbeats = 0;
  #failures = 0;
  #denied = 0;
  #epoch = 0;
  #sentAt = 0;
  #answered: { readonly at: number; readonly latencyMs: number } | undefined = undefined;
  /** The outage that lasts. */
  #failing: { readonly since: number; error: unknown } | undefined = undefined;
  /** When it may be looked up again who has what. */
  #lookAt = -Infinity;
  #seen: { readonly view: FleetView; readonly until: number } | undefined = undefined;

  constructor(init: FleetSeatInit, pool: BudgetedPool, onLeft: () => void) {
    this.#init = init;
    this.#pool = pool;
    this.#clock = init.clock;
    this.#onLeft = onLeft;
    this.random = init.random;
    const name = init.name ?? `${pool.name}@${hostname()}`;
    const settings = { member: `m-${randomUUID()}`, name, terms: init.termsSaid, weight: init.weight };
    this.#member = new Member(settings, this, init.clock.now());
  }

  // ------------------------------------------------------------------ BudgetSeat

  get limit(): number {
    return this.#member.limit(this.#clock.now());
  }

  get keeps(): number {
    return this.#member.keeps(this.#clock.now());
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  want(): void {
    // Called for every waiter of a pool that is short.
    if (!this.#member.wanted) this.#run((now) => this.#member.want(now));
  }

  freed(): void {
    this.#run((now) => this.#member.freed(now));
  }

  denied(error: unknown): boolean {
    if (!isServerFull(error)) return false;
    this.#denied++;
    tell('millpond:fleet:denied', { pool: this.#pool.name, error });
    this.#run((now) => this.#member.denied(now));
    return true;
  }

  report(): BudgetReport | undefined {
    const now = this.#clock.now();
    const { stats } = this.#pool;
    if (stats === undefined || this.#member.limit(now) >= stats().max) return undefined;
    const { permit, grant, refusal, deniedMs } = this.#member.status(now);
    return reportOf({
      member: this.#member.settings.member, terms: this.#init.terms() ?? { ...this.#init.termsSaid, limit: 0, guard: 0 },
      permit, held: this.held(), grant, refusal, deniedMs,
      failure: this.#failing === undefined ? undefined : { forMs: now - this.#failing.since, error: this.#failing.error },
      seen: this.#seen !== undefined && now < this.#seen.until ? this.#seen.view : undefined,
    });
  }

  leave(): void {
    this.#run((now) => this.#member.leave(now));
  }

  stats(): FleetMemberStats {
    const now = this.#clock.now();
    const { permit, grant, base, demand, shortMs } = this.#member.status(now);
    const answered = this.#answered;
    return {
      pool: this.#pool.name, name: this.#member.settings.name,
      mode: modeOf(this.#member.status(now)),
      leased: permit, held: this.held(), needed: base, wanted: demand, shortMs,
      floor: this.#init.termsSaid.floor, guard: this.#init.termsSaid.guard, limit: this.#init.terms()?.limit,
      reserved: grant?.reserved ?? 0, unmet: grant?.unmet ?? 0, members: grant?.members ?? 0,
      identity: grant?.identity ?? '', epoch: this.#epoch,
      heartbeats: this.#heartbeats, failures: this.#failures, latencyMs: answered?.latencyMs,
      answeredMs: answered === undefined ? undefined : now - answered.at, denied: this.#denied,
    };
  }

  // ----------------------------------------------------------------- MemberPorts

  send(request: Heartbeat): void {
    const signal = new AbortController();
    this.#signal = signal;
    this.#heartbeats++;
    this.#sentAt = this.#clock.now();
    const { seq } = request;
    // A coordinator that throws at once is one that cannot be reached.
    new Promise<Reply>((resolve) => {
      resolve(this.#init.coordinator.heartbeat(request, signal.signal));
    }).then(sound).then(
      (reply) => this.#run((now) => this.#replied(seq, reply, now)),
      (error: unknown) => this.#run((now) => {
        if (this.#member.asking === seq) this.#failed(error, now);
        this.#member.failed(seq, now);
      }),
    );
  }

  giveUp(): void {
    const now = this.#clock.now();
    this.#failed(new Error(`no answer within ${Math.round(now - this.#sentAt)} ms`), now);
    this.#signal.abort();
  }

  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  held(): number {
    return this.#pool.held();
  }

  work(): Work {
    const { stats } = this.#pool;
    if (stats === undefined) return workOfDemand(this.#pool);
    const { borrowed, waiting, min, max, totals } = stats();
    return { arrived: totals.acquires, served: totals.served, usedMs: totals.useMs, borrowed, waiting, min, max };
  }

  // --------------------------------------------------------------------- details

  #replied(seq: number, reply: Reply, now: number): void {
    const isAwaited = this.#member.asking === seq;
    const before = this.#member.status(now);
    this.#member.replied(seq, reply, now);
    if (!isAwaited) return;
    this.#answered = { at: now, latencyMs: now - this.#sentAt };
    this.#failing = undefined;
    const pool = this.#pool.name;
    if (reply.kind === 'refused' && before.refusal === undefined) tell('millpond:fleet:refused', { pool, reason: reply.reason });
    if (reply.kind !== 'granted') return;
    const { permit, learning, unmet, identity } = reply;
    if (identity !== before.grant?.identity) this.#epoch++;
    if (permit !== before.permit || learning !== (before.grant?.learning ?? false)) {
      tell('millpond:fleet:grant', { pool, permit, before: before.permit, learning, unmet });
    }
  }

  #failed(error: unknown, now: number): void {
    this.#failures++;
    this.#failing ??= { since: now, error };
    this.#failing.error = error;
    tell('millpond:fleet:failure', { pool: this.#pool.name, error });
  }

  #run(action: (now: number) => void): void {
    const now = this.#clock.now();
    action(now);
    if (this.#member.left) this.#onLeft();
    this.#lookUp(now);
    const dueAt = this.#member.dueAt(now);
    if (dueAt === this.#wakeAt) return;
    this.#wakeAt = dueAt;
    this.#cancel?.();
    // Whoever waits keeps the process alive by the pool's own alarm.
    this.#cancel = dueAt === Infinity ? undefined : this.#clock.schedule(dueAt, () => {
      this.#wakeAt = Infinity;
      this.#run((later) => this.#member.tick(later));
    }, false);
  }

  /** Who has what, for the error that somebody may get who waits. */
  #lookUp(now: number): void {
    if (now < this.#lookAt || this.#failing !== undefined) return;
    const { shortMs, grant } = this.#member.status(now);
    if (shortMs < LOOK_AFTER_MS || grant === undefined || grant.members > LOOK_AT_MOST) return;
    this.#lookAt = Infinity;
    const lastsMs = Math.max(LOOK_AGAIN_MS, grant.members * LOOK_AGAIN_PER_MEMBER_MS);
    const again = (): void => {
      this.#lookAt = this.#clock.now() + lastsMs;
    };
    new Promise<FleetView>((resolve) => {
      resolve(this.#init.coordinator.view(AbortSignal.timeout(LOOK_TIMEOUT_MS)));
    }).then((view) => {
      this.#seen = { view, until: this.#clock.now() + 2 * lastsMs };
      again();
    }, again); // heartbeats tell when the coordinator is out of reach
  }
}

function modeOf({ isGranted, grant, refusal, leaving }: MemberStatus): FleetMemberStats['mode'] {
  if (leaving) return 'leaving';
  if (refusal !== undefined) return 'refused';
  if (!isGranted) return 'floor';
  return grant?.learning === true ? 'learning' : 'granted';
}

/** Of a pool that tells no more than it must: what it would need now. */
function workOfDemand(pool: BudgetedPool): Work {
  const [demand, held] = [pool.demand(), pool.held()];
  return { arrived: 0, served: 0, usedMs: 0, borrowed: Math.min(demand, held), waiting: Math.max(0, demand - held), min: 0, max: Infinity };
}
