// A process of a simulated fleet: a pool and a member, a clock that is a little wrong, and everything that can happen to a process.

import { Member, type MemberSettings } from '../../fleet/member.ts';
import type { Work } from '../../fleet/need.ts';
import type { Heartbeat, Reply } from '../../fleet/protocol.ts';
import type { Agenda } from './agenda.ts';
import { SimPool, type SimPoolOptions } from './pool.ts';

/** What is around it. */
export interface Surroundings {
  readonly agenda: Agenda;
  send(host: Host, request: Heartbeat): void;
  /** The number of its connections is another one. */
  moved(host: Host, by: number): void;
  connectMs(): number;
  /** Whether the server takes one more connection. */
  accepts(): boolean;
  random(): number;
}

export interface HostInit extends SimPoolOptions {
  readonly settings: MemberSettings;
  /** Of its clock: how many of its milliseconds are one of the coordinator's, and what it shows at first. */
  readonly rate: number;
  readonly offset: number;
  /** Instead of a member: what it may always hold. */
  readonly fixed?: number;
}

export class Host {
  readonly id: string;
  readonly name: string;
  readonly member: Member | undefined;
  readonly pool: SimPool;
  state: 'live' | 'frozen' | 'vanished' | 'gone' = 'live';
  partitioned = false;
  wokeAt: number = -Infinity;
  /** When it asked for what it was granted last, by the true time. */
  grantAskedAt: number = -Infinity;
  #askedAt: number = -Infinity;
  /** A pool that forgets to look at its lease: what the limit was when it was told last. */
  careless = false;
  #lastLimit = 0;
  #lastKeeps = Infinity;
  readonly #around: Surroundings;
  readonly #init: HostInit;
  #deferred: { readonly asks: boolean; readonly action: () => void }[] = [];
  #dueAt = Infinity;
  #cancel: (() => void) | undefined = undefined;

  constructor(around: Surroundings, init: HostInit) {
    this.#around = around;
    this.#init = init;
    this.id = init.settings.member;
    this.name = init.settings.name;
    this.pool = new SimPool({
      now: () => around.agenda.now,
      limit: () => this.#limit(),
      keeps: () => this.#keeps(),
      after: (ms, action) => void around.agenda.after(ms, () => this.does(action)),
      connectMs: () => around.connectMs(),
      accepts: () => around.accepts(),
      want: () => this.#tell((member, now) => {
        if (!member.wanted) member.want(now);
      }),
      freed: () => this.#tell((member, now) => member.freed(now)),
      moved: (by) => around.moved(this, by),
    }, init);
    this.member = init.fixed === undefined ? new Member(init.settings, {
      send: (request) => {
        this.#askedAt = around.agenda.now;
        around.send(this, request);
      },
      giveUp: () => {},
      changed: () => {
        this.#lastLimit = this.member!.limit(this.local);
        this.#lastKeeps = this.member!.keeps(this.local);
        this.pool.pump();
      },
      held: () => this.pool.held,
      work: () => this.#work(),
      random: () => around.random(),
    }, this.local) : undefined;
    this.#lastLimit = this.member?.limit(this.local) ?? 0;
  }

  /** What its clock shows. */
  get local(): number {
    return this.#init.offset + this.#around.agenda.now * this.#init.rate;
  }

  get alive(): boolean {
    return this.state === 'live' || this.state === 'frozen';
  }

  /** Runs at once, at the end of a freeze, or never. */
  does(action: () => void, asks = false): void {
    if (this.state === 'live') action();
    else if (this.state === 'frozen') this.#deferred.push({ asks, action });
  }

  ask(holdMs: number): void {
    const at = this.#around.agenda.now;
    this.does(() => this.pool.ask({ at, holdMs }), true);
  }

  replied(seq: number, reply: Reply | undefined): void {
    this.does(() => this.#tell((member, now) => {
      if (reply === undefined) {
        member.failed(seq, now);
      } else if (member.asking === seq) {
        if (reply.kind === 'granted') this.grantAskedAt = this.#askedAt;
        member.replied(seq, reply, now);
      }
    }));
  }

  leave(): void {
    this.does(() => {
      this.pool.turnAway();
      this.#tell((member, now) => member.leave(now));
      this.pool.pump();
    });
  }

  /** `asksFirst`: what happens first afterwards is that somebody asks, not that a timer fires late. */
  freeze(ms: number, asksFirst: boolean): void {
    if (this.state !== 'live') return;
    this.state = 'frozen';
    this.#around.agenda.after(ms, () => {
      if (this.state !== 'frozen') return;
      this.state = 'live';
      this.wokeAt = this.#around.agenda.now;
      const deferred = this.#deferred;
      this.#deferred = [];
      if (asksFirst) deferred.sort((a, b) => Number(b.asks) - Number(a.asks));
      for (const { action } of deferred) this.does(action);
      // A process that has slept has a timer that is late, whatever else it has.
      this.#tell((member, now) => member.tick(now));
    });
  }

  /** Its machine is gone: nothing is closed. */
  vanish(): void {
    this.state = 'vanished';
    this.#end();
  }

  /** The process is gone, and with it its connections. */
  crash(): void {
    this.state = 'gone';
    this.pool.lose();
    this.#end();
  }

  /** What the server has ended. */
  loseConnections(): void {
    this.pool.lose();
  }

  #end(): void {
    this.pool.turnAway();
    this.#cancel?.();
    this.#deferred = [];
  }

  #limit(): number {
    if (this.member === undefined) return this.#init.fixed!;
    return this.careless ? this.#lastLimit : this.member.limit(this.local);
  }

  #keeps(): number {
    if (this.member === undefined) return Infinity;
    return this.careless ? this.#lastKeeps : this.member.keeps(this.local);
  }

  #work(): Work {
    return this.pool.work();
  }

  #tell(action: (member: Member, now: number) => void): void {
    const { member } = this;
    if (member === undefined) return;
    const now = this.local;
    action(member, now);
    const dueAt = member.dueAt(now);
    if (dueAt === this.#dueAt) return;
    this.#dueAt = dueAt;
    this.#cancel?.();
    const at = (dueAt - this.#init.offset) / this.#init.rate;
    // Rounding must not bring it in a hair too early, again and again.
    this.#cancel = dueAt === Infinity ? undefined : this.#around.agenda.at(at + 1e-6, () => {
      this.#dueAt = Infinity;
      this.does(() => this.#tell((each, later) => each.tick(later)));
    });
  }
}
