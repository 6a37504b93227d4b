// One member of a fleet: what it may hold, what it says when, and what follows from an answer or from none. Pure: the time is an argument,
// what is to be sent goes through a port, and whoever drives it calls `tick` when `dueAt` says so.
//
// What it may hold, `limit`, is its grant while that lasts, and its floor afterwards (less what it has promised to others). The lease of a
// grant runs from the moment at which it was ASKED for, on a monotonic clock that may be wrong by RATE_ERROR, so it ends here before the
// coordinator gives it to others, however long the answer took. An answer counts only if it answers the last question: once a later one
// is on its way the coordinator may have been told less than an earlier answer grants.
//
// It is asked again when it is due, not when somebody remembers to: what it says next follows from its state at that time alone.

import { Need, type Work } from './need.ts';
import { tailOf, type FleetTerms, type Grant, type Heartbeat, type Refusal, type Reply } from './protocol.ts';

/** By how much a second may be longer or shorter here than at the coordinator. */
export const RATE_ERROR = 0.01;
const HEARTBEAT_MS = 500;
/** Between a heartbeat and the next when somebody waits in vain, or something is given back ... */
const URGENT_MS = 100;
/** ... and at most, after asking in vain. */
const PATIENT_MS = 1_000;
/** A heartbeat without an answer for this long, or for a quarter of a lease, is given up. */
const ANSWER_MS = 1_000;
/** For how long it opens nothing more after the server had no connection left though it was granted; doubled when it is so again ... */
const DENIED_MS = 500;
/** ... up to this. */
const DENIED_LONGEST_MS = 5_000;
/** A promise covers this beyond what its loan needs, for the way of the message. */
const PROMISE_SLACK_MS = 2_000;

export interface MemberSettings {
  readonly member: string;
  readonly name: string;
  readonly terms: FleetTerms;
  readonly weight: number;
}

export interface MemberPorts {
  /** Answered by `replied` or `failed`, with the same `seq`. */
  send(request: Heartbeat): void;
  /** Nobody waits for this answer any more. */
  giveUp(seq: number): void;
  /** `limit` or `keeps` has changed, or may have. */
  changed(): void;
  /** Connections that exist, are being opened or are being closed. */
  held(): number;
  work(): Work;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface MemberStatus {
  readonly permit: number;
  /** Not only its floor. */
  readonly isGranted: boolean;
  /** The last one, ended or not. */
  readonly grant: Grant | undefined;
  readonly refusal: Refusal | undefined;
  readonly leaving: boolean;
  readonly base: number;
  readonly demand: number;
  /** For how long it opens nothing more because the server has nothing left. */
  readonly deniedMs: number;
  /** For how long somebody has waited in vain. */
  readonly shortMs: number;
}

export class Member {
  readonly settings: MemberSettings;
  private readonly ports: MemberPorts;
  readonly #need: Need;
  #permit = 0;
  /** Of the grant. Afterwards: see {@link keeps}. */
  #endsAt: number = -Infinity;
  /** When connections beyond the limit must go, lent as they are. */
  #cutAt: number = -Infinity;
  #refused: Refusal | undefined = undefined;
  /** Until then it holds no more than it held when the server had nothing left. */
  #deniedUntil: number = -Infinity;
  #deniedMs = DENIED_MS;
  #deniedHeld = 0;
  #leaving = false;
  #left = false;
  /** So many of the floor others may use, ... */
  private lent = 0;
  /** ... until this moment by the clock here. */
  private boundUntil: number = -Infinity;
  #seq = 0;
  /** Nothing is under way: undefined. */
  #asked: { readonly seq: number; readonly at: number; readonly isLast: boolean } | undefined = undefined;
  #sentAt: number = -Infinity;
  /** What the coordinator keeps for it at least, as far as it was told. */
  #told = 0;
  #toldNothing = true;
  #gapMs = URGENT_MS;
  #shortSince: number | undefined = undefined;
  /** Since when there is nothing to do. */
  #idleSince: number | undefined = undefined;
  #sampledAt: number;
  #lastLimit: number;
  #lastKeeps: number;
  /** It has been looked at, and {@link dueAt} says when more can be done about it. */
  #wanted = false;
  #last: { readonly grant: Grant; readonly at: number } | undefined = undefined;

  constructor(settings: MemberSettings, ports: MemberPorts, now: number) {
    this.settings = settings;
    this.ports = ports;
    this.#need = new Need(ports.work(), now);
    this.#sampledAt = now;
    // Where floors are lent, one that is gone may have promised the one that is in its place now.
    if (settings.terms.lend) this.bind(now);
    this.#lastLimit = this.own(now);
    this.#lastKeeps = this.own(now);
  }

  // ------------------------------------------------------------------------- what it may hold

  /** How many it is entitled to hold. */
  entitled(now: number): number {
    return this.#leaving ? this.ports.held() : this.permit(now);
  }

  /** By the coordinator's word, or by its floor. */
  permit(now: number): number {
    if (this.#refused !== undefined || this.#leaving) return 0;
    const own = this.own(now);
    return now < this.#endsAt ? Math.max(this.#permit, own) : own;
  }

  /** How many it may hold after opening another one. Looked at before that, and before a lease after a silence. */
  limit(now: number): number {
    const permit = this.permit(now);
    return now < this.#deniedUntil ? Math.min(permit, this.#deniedHeld) : permit;
  }

  /** How many it may keep, lent ones included. Infinity: what is lent may come back first. */
  keeps(now: number): number {
    return now < this.#cutAt ? Infinity : this.#refused === undefined ? this.own(now) : 0;
  }

  /** Without any grant. */
  private own(now: number): number {
    return this.settings.terms.floor - (now < this.boundUntil ? this.lent : 0);
  }

  /** For those who word errors and make numbers. */
  status(now: number): MemberStatus {
    return {
      permit: this.permit(now), isGranted: now < this.#endsAt, grant: this.#last?.grant, refusal: this.#refused, leaving: this.#leaving,
      base: this.#need.base, demand: this.#need.demand, deniedMs: Math.max(0, this.#deniedUntil - now),
      shortMs: this.#shortSince === undefined ? 0 : now - this.#shortSince,
    };
  }

  // ---------------------------------------------------------------------------- what happens

  /** It knows that somebody waits in vain. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** The heartbeat that is under way. */
  get asking(): number | undefined {
    return this.#asked?.seq;
  }

  /** Somebody waits in vain. */
  want(now: number): void {
    this.tick(now);
    this.#wanted = true;
  }

  /** It holds less than before. */
  freed(now: number): void {
    if (this.#asked === undefined && now >= this.#nextAt(now)) this.tick(now);
  }

  /** A connection that it may hold was not to be had: the server has none left, so somebody has what nobody knows of. */
  denied(now: number): void {
    // Several may have been under way.
    if (now >= this.#deniedUntil) {
      const isAgain = now < this.#deniedUntil + this.#deniedMs;
      this.#deniedMs = isAgain ? Math.min(DENIED_LONGEST_MS, 2 * this.#deniedMs) : DENIED_MS;
      this.#deniedUntil = now + this.#deniedMs;
    }
    this.#deniedHeld = this.ports.held();
    this.tick(now);
  }

  /** The pool ends: nothing is opened any more, and what is closed is given back. */
  leave(now: number): void {
    this.#leaving = true;
    this.#gapMs = URGENT_MS;
    // What is under way tells of a pool that is there; who ends in a moment has no time to wait for its answer.
    if (this.ports.held() === 0) this.#asked = undefined;
    this.tick(now);
  }

  /** It has said that it is gone, or has nobody to tell. */
  get left(): boolean {
    return this.#left;
  }

  replied(seq: number, reply: Reply, now: number): void {
    const asked = this.#asked;
    if (asked === undefined || asked.seq !== seq) return;
    this.#asked = undefined;
    this.#wanted = false;
    this.#left = asked.isLast;
    if (reply.kind === 'granted') this.#granted(reply, asked.at, now);
    else if (reply.kind === 'refused') this.#refuse(reply, now);
    this.#settle(now);
  }

  failed(seq: number, now: number): void {
    const asked = this.#asked;
    if (asked?.seq !== seq) return;
    this.#asked = undefined;
    this.#wanted = false;
    this.#left = asked.isLast;
    this.#toldNothing = false;
    this.#gapMs = Math.min(PATIENT_MS, this.#gapMs * 2);
    this.#settle(now);
  }

  /** Time has passed, or something has changed outside. */
  tick(now: number): void {
    this.#wanted = false;
    const asked = this.#asked;
    if (asked !== undefined && now >= asked.at + this.#answerMs) {
      this.ports.giveUp(asked.seq);
      this.failed(asked.seq, now);
    } else {
      this.#settle(now);
    }
  }

  /** When it must be woken; Infinity when nothing is due. */
  dueAt(now: number): number {
    if (this.#left) return Infinity;
    let due = this.#asked === undefined ? this.#nextAt(now) : this.#asked.at + this.#answerMs;
    for (const at of [this.#endsAt, this.#cutAt, this.#deniedUntil, this.boundUntil]) if (at > now && at < due) due = at;
    // While there is a grant, work may come that nobody has to ask for.
    return now < this.#endsAt ? Math.min(due, this.#sampledAt + (this.#isScarce ? URGENT_MS : HEARTBEAT_MS)) : due;
  }

  // --------------------------------------------------------------------------------- details

  get #answerMs(): number {
    return Math.min(ANSWER_MS, this.settings.terms.leaseMs / 4);
  }

  #granted(grant: Grant, askedAt: number, now: number): void {
    const { leaseMs, graceMs } = this.settings.terms;
    if (grant.permit > this.#permit || !this.#isShort(now)) this.#gapMs = URGENT_MS;
    else this.#gapMs = Math.min(PATIENT_MS, this.#gapMs * 2);
    this.#permit = grant.permit;
    this.#told = Math.max(this.#told, grant.permit);
    this.#refused = undefined;
    this.#endsAt = askedAt + leaseMs * (1 - RATE_ERROR);
    // Half of the grace is for leases to end, the other half for what is cut to be closed.
    this.#cutAt = askedAt + (leaseMs + graceMs / 2) * (1 - RATE_ERROR);
    this.#last = { grant, at: now };
  }

  #refuse(refusal: Refusal, now: number): void {
    this.#gapMs = PATIENT_MS;
    if (this.#refused !== undefined) return;
    this.#refused = refusal;
    this.#permit = 0;
    this.#endsAt = -Infinity;
    this.#cutAt = Math.min(Math.max(this.#cutAt, now), now + this.settings.terms.graceMs / 2);
  }

  /** Says what is due, and tells the pool when it may hold more or less than it knew. */
  #settle(now: number): void {
    if (this.#left) return;
    if (now - this.#sampledAt >= URGENT_MS / 2) {
      this.#sampledAt = now;
      this.#need.note(this.ports.work(), now);
    }
    if (!this.#isShort(now)) this.#shortSince = undefined;
    else this.#shortSince ??= now;
    if (!this.#need.nothing) this.#idleSince = undefined;
    else this.#idleSince ??= now;
    // Connections that nobody has needed for as long as a grant lasts others may need.
    if (this.#idleSince !== undefined && now >= this.#idleSince + this.settings.terms.leaseMs) this.#permit = 0;
    // Others wait for what is idle here: waiting to be asked for it would take two heartbeats more.
    if (this.#isScarce) this.#permit = Math.min(this.#permit, Math.max(this.#need.base, this.#need.busy));
    if (now >= this.boundUntil) this.lent = 0;
    const [limit, keeps] = [this.limit(now), this.keeps(now)];
    if (limit !== this.#lastLimit || keeps !== this.#lastKeeps) {
      this.#lastLimit = limit;
      this.#lastKeeps = keeps;
      this.ports.changed();
    }
    if (this.#asked === undefined && now >= this.#nextAt(now)) this.#say(now);
  }

  get #isScarce(): boolean {
    return this.#last !== undefined && this.#last.grant.unmet > 0;
  }

  #isShort(now: number): boolean {
    const { waiting, borrowed, max } = this.ports.work();
    return waiting > 0 && !this.#leaving && Math.min(max, borrowed + waiting) > this.limit(now);
  }

  /** When it has something to say next. */
  #nextAt(now: number): number {
    if (this.#left) return Infinity;
    const urgentAt = this.#sentAt + this.#gapMs;
    const kept = Math.max(this.ports.held(), this.entitled(now));
    // Its last word need not keep a distance: there is only one.
    if (this.#leaving && kept === 0) return -Infinity;
    if (this.#leaving) return kept < this.#told ? urgentAt : this.#sentAt + HEARTBEAT_MS;
    if (this.#refused !== undefined) return urgentAt;
    if (this.#isShort(now)) return urgentAt;
    // It was asked to shrink, and has: others wait for it.
    if (now < this.#endsAt && kept < this.#told) return urgentAt;
    if (this.#need.nothing) {
      if (kept > this.own(now)) return this.#sentAt + PATIENT_MS;
      return this.#toldNothing ? this.#lendsAt() : urgentAt;
    }
    // What the floor covers needs no grant.
    if (now >= this.#endsAt && this.#need.demand <= this.own(now)) return Infinity;
    return this.#sentAt + Math.max(HEARTBEAT_MS, this.#gapMs);
  }

  #say(now: number): void {
    const { member, name, terms, weight } = this.settings;
    const nothing = this.#need.nothing && !this.#leaving;
    const held = this.ports.held();
    // It keeps what it holds, and what it does not use others may have at once.
    if (nothing) this.#permit = Math.min(this.#permit, held);
    if (nothing && this.#toldNothing && held <= this.own(now) && this.#canLend) {
      this.bind(now);
      this.#permit = 0;
    }
    const has = this.entitled(now);
    const lends = now < this.boundUntil ? this.lent : 0;
    this.#seq++;
    this.#asked = { seq: this.#seq, at: now, isLast: this.#leaving && held === 0 };
    // Not in step with the others: after an outage everybody would ask at the same moments.
    this.#sentAt = now + this.ports.random() * URGENT_MS / 10;
    this.#told = Math.max(held, has);
    this.#toldNothing = nothing;
    this.ports.send({
      member, name, seq: this.#seq, terms, held, has, base: this.#leaving ? 0 : this.#need.base,
      demand: this.#leaving ? 0 : this.#need.demand, weight, leaving: this.#leaving, lends, lendsUntil: this.#lendsUntil(now),
      identity: this.#last?.grant.identity ?? '',
      shortMs: this.#shortSince === undefined ? 0 : Math.floor(now - this.#shortSince),
    });
  }

  /** Its floor goes to others when it has nothing to do, as long as it says so again before it is forgotten. */
  #lendsAt(): number {
    if (!this.#canLend) return Infinity;
    return this.#sentAt + (this.lent > 0 ? tailOf(this.settings.terms) / 3 : this.#gapMs);
  }

  get #canLend(): boolean {
    const { lend, floor } = this.settings.terms;
    return lend && floor > 0 && !this.#leaving && this.#refused === undefined && this.#last !== undefined;
  }

  private bind(now: number): void {
    this.lent = this.settings.terms.floor;
    this.boundUntil = now + 2 * tailOf(this.settings.terms) * (1 + 2 * RATE_ERROR) + PROMISE_SLACK_MS;
  }

  /** In the coordinator's time, which was at least what the last reply said when that came. */
  #lendsUntil(now: number): number {
    if (this.lent === 0 || !this.#need.nothing || !this.#canLend || now >= this.boundUntil) return 0;
    const { grant, at } = this.#last!;
    return Math.floor(grant.now + (this.boundUntil - at) * (1 - RATE_ERROR));
  }
}
