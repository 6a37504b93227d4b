// The coordinator's atomic step, as a pure function: what an adapter does in Lua or SQL is this, and what the elected allocator of a
// message bus runs is this itself. Its cost does not depend on how many members there are: all it needs to know of them is in sums that
// one heartbeat changes in a few places.
//
// Everything rests on one number per member: what is RESERVED for it is the most that it may hold, whatever is lost or late. When a
// heartbeat comes, that is the largest of what it says it holds, of what it says it is entitled to (it keeps that, should the reply be
// lost) and of what the reply grants. So a shrink has two steps: the permit falls now, the reservation when a later heartbeat shows that
// the connections are gone. It ends when the member is not heard of for T + D + Q: then its grant has lapsed, its connections are closed,
// and those of a frozen one are ended by the server. Floors are reserved for all members that there may be, whether they came or not.
//
// A grant is at most what is left beside all reservations. So their sum never passes L - G by a grant, whatever the shares say; shares
// only decide who moves towards what. Learning needs nothing but that: while it is not known what others hold, nobody gets more than it
// is entitled to already.

import { sameTerms, tailOf, type FleetTerms, type FleetView, type Grant, type Heartbeat, type Reply } from './protocol.ts';
import { noDemands, note, phaseOf, shareOf, type Demands } from './shares.ts';

/** Members whose time is over are taken out at most this many a step: what is left in costs nobody safety, and a step stays short. */
const EXPIRED_PER_STEP = 32;
/** How often what is left over goes to others, when those who do not get it have nothing. */
const EPOCH_MS = 100;
/** The same when they have something. */
const SLOW_EPOCH_MS = 5_000;
/** This part of all, rounded up, stays free while nobody is short, for whoever needs more at once. */
const FREE_PART = 20;

/** What is remembered of a member. */
export interface Seat {
  readonly name: string;
  /** It was the how manieth to come. */
  readonly ordinal: number;
  seq: number;
  held: number;
  permit: number;
  reserved: number;
  base: number;
  demand: number;
  weight: number;
  lends: number;
  leaving: boolean;
  shortMs: number;
  heardAt: number;
}

/** What is remembered of a fleet. Serialisable but for the map, whose order (who was heard of longest ago comes first) is part of it. */
export interface Fleet {
  identity: string;
  /** Undefined: nobody has come yet. */
  terms: FleetTerms | undefined;
  learningUntil: number;
  /** The latest time that was seen. A clock that goes back stands still. */
  seenAt: number;
  /** How many members have come, ever. */
  came: number;
  /** Sum of `reserved` over all seats. */
  reserved: number;
  /** By how much permits fall short of `base`, over all seats. */
  unmet: number;
  /** Of what work needs, and of what is wanted beyond that. */
  readonly base: Demands;
  readonly headroom: Demands;
  readonly seats: Map<string, Seat>;
}

export function newFleet(): Fleet {
  return {
    identity: '', terms: undefined, learningUntil: 0, seenAt: 0, came: 0, reserved: 0, unmet: 0, base: noDemands(), headroom: noDemands(),
    seats: new Map(),
  };
}

/**
 * One heartbeat. `now`: the coordinator's time in whole milliseconds. `identity`: of the engine's memory, such as Redis' run_id; when it
 * changes, what is remembered may lack what was granted last, so it is forgotten as a whole and learnt anew.
 */
export function step(fleet: Fleet, request: Heartbeat, now: number, identity: string): Reply {
  const time = Math.max(now, identity === fleet.identity ? fleet.seenAt : now);
  fleet.seenAt = time;
  if (fleet.terms === undefined || identity !== fleet.identity) begin(fleet, request.terms, time, identity);
  expire(fleet, time);
  // Nobody is here who would know the old terms: they are those of a fleet that is gone, or was set up anew.
  if (fleet.seats.size === 0 && !sameTerms(fleet.terms!, request.terms)) begin(fleet, request.terms, time, identity);
  const terms = fleet.terms!;
  const known = fleet.seats.get(request.member);
  if (!sameTerms(terms, request.terms)) return { kind: 'refused', reason: 'terms', terms, now: time, identity };
  if (known !== undefined && request.seq <= known.seq) return { kind: 'overtaken' };
  if (request.leaving && request.held === 0) return dismiss(fleet, request, time);
  if (known === undefined && fleet.seats.size >= terms.members) return { kind: 'refused', reason: 'full', terms, now: time, identity };
  return seat(fleet, request, known, time);
}

function begin(fleet: Fleet, terms: FleetTerms, now: number, identity: string): void {
  Object.assign(fleet, newFleet(), { terms, identity, learningUntil: now + tailOf(terms), seenAt: now });
}

function expire(fleet: Fleet, now: number): void {
  const heardBefore = now - tailOf(fleet.terms!);
  let left = EXPIRED_PER_STEP;
  for (const [member, each] of fleet.seats) {
    if (each.heardAt > heardBefore || left-- === 0) return;
    forget(fleet, member, each);
  }
}

function forget(fleet: Fleet, member: string, each: Seat): void {
  count(fleet, each, -1);
  fleet.reserved -= each.reserved;
  fleet.unmet -= unmetOf(each);
  fleet.seats.delete(member);
}

function unmetOf({ base, permit }: Seat): number {
  return Math.max(0, base - permit);
}

function count(fleet: Fleet, each: Seat, sign: 1 | -1): void {
  note(fleet.base, each.base, each.weight, sign);
  note(fleet.headroom, each.demand - each.base, each.weight, sign);
}

/** It has closed everything and goes. Its floor stays reserved, for whoever comes in its place. */
function dismiss(fleet: Fleet, { member }: Heartbeat, now: number): Grant {
  const each = fleet.seats.get(member);
  if (each !== undefined) forget(fleet, member, each);
  return granted(fleet, 0, 0, now);
}

function seat(fleet: Fleet, request: Heartbeat, known: Seat | undefined, now: number): Grant {
  const { member, name, seq, held, has, weight, leaving, shortMs } = request;
  const usable = fleet.terms!.limit - fleet.terms!.guard;
  const ordinal = known?.ordinal ?? ++fleet.came;
  const had = known?.reserved ?? 0;
  if (known !== undefined) forget(fleet, member, known);
  const base = leaving ? 0 : Math.min(request.base, usable);
  const demand = leaving ? 0 : Math.max(base, Math.min(request.demand, usable));
  const lends = isGoodLoan(fleet, request, now) ? Math.min(request.lends, fleet.terms!.floor) : 0;
  const each: Seat = { name, ordinal, seq, held, permit: 0, reserved: 0, base, demand, weight, lends, leaving, shortMs, heardAt: now };
  // At the end, where those stand who were heard of last.
  fleet.seats.set(member, each);
  count(fleet, each, 1);
  const others = reservedIn(fleet);
  // What it has without any grant. A loan that was called back does not count any more, but its lender is still bound by its promise.
  const least = leaving ? 0 : Math.max(0, fleet.terms!.floor - request.lends);
  // Also of one that leaves: whoever comes in its place has that floor from the first moment on.
  const kept = fleet.terms!.floor - lends;
  const wanted = leaving ? 0 : now < fleet.learningUntil ? has : wantedBy(fleet, each, { keeps: Math.max(held, has), had, others, now });
  each.permit = Math.max(least, Math.min(wanted, usable - others));
  each.reserved = Math.max(kept, held, has, each.permit);
  fleet.reserved += each.reserved;
  fleet.unmet += unmetOf(each);
  return granted(fleet, each.permit, unmetOf(each), now);
}

/**
 * A loan counts while its lender is remembered, T + D + Q at most, and a grant that rests on it lasts as long again: so long the promise
 * must hold. One that was given to another coordinator is in another's time.
 */
function isGoodLoan({ terms, identity }: Fleet, request: Heartbeat, now: number): boolean {
  return request.identity === identity && !request.leaving && request.lendsUntil - now >= 2 * tailOf(terms!);
}

/** The sum of all reservations, floors of members included that have not come (yet). */
export function reservedIn({ reserved, terms, seats }: Fleet): number {
  return reserved + terms!.floor * (terms!.members - seats.size);
}

/** `keeps`: what is reserved for it in any case. `had`: what was before. `others`: for all others. */
interface Circumstances {
  readonly keeps: number;
  readonly had: number;
  readonly others: number;
  readonly now: number;
}

/** What a member should have. */
function wantedBy(fleet: Fleet, each: Seat, { keeps, had, others, now }: Circumstances): number {
  const usable = fleet.terms!.limit - fleet.terms!.guard;
  const free = Math.ceil(usable / FREE_PART);
  const { ordinal, weight } = each;
  const fast = phaseOf(ordinal, Math.floor(now / EPOCH_MS));
  const slow = phaseOf(ordinal, Math.floor(now / SLOW_EPOCH_MS));
  const base = shareOf(fleet.base, usable, { amount: each.base, weight, phaseOfFirst: fast, phaseOfMore: slow });
  const wish = { amount: each.demand - each.base, weight, phaseOfFirst: slow, phaseOfMore: slow };
  // Headroom has to wait while work does.
  const spare = Math.max(0, usable - others - base - fleet.unmet);
  const share = base + Math.min(spare, shareOf(fleet.headroom, usable - free - fleet.base.sum, wish));
  // Of more than there are permits for not everybody has its turn now; a permit that nobody has serves whoever has
  // none, but not who has just passed it on.
  if (share === 0 && each.base > 0 && keeps === 0 && had === 0) return 1;
  // When nobody is short nothing moves: connections that are closed here and opened there serve nobody meanwhile.
  return others + keeps <= usable - free ? Math.max(share, keeps) : share;
}

function granted(fleet: Fleet, permit: number, unmet: number, now: number): Grant {
  const { identity, learningUntil, seats } = fleet;
  const learning = now < learningUntil;
  return {
    kind: 'granted', permit, now, identity, learning, reserved: reservedIn(fleet), unmet: fleet.unmet - unmet, members: seats.size,
  };
}

/** What {@link step} left. */
export function viewOf(fleet: Fleet, now: number): FleetView {
  const { terms, identity, learningUntil, seats } = fleet;
  return {
    terms, identity,
    learningMs: Math.max(0, learningUntil - now),
    reserved: terms === undefined ? 0 : reservedIn(fleet),
    members: [...seats].map(([member, each]) => {
      const { name, held, permit, reserved, base, demand, weight, lends, leaving, shortMs, heardAt } = each;
      const silentMs = Math.max(0, now - heardAt);
      return { member, name, held, permit, reserved, base, demand, weight, lends, leaving, shortMs, silentMs };
    }),
  };
}
