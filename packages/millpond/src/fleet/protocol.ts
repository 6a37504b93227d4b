// The words between the members of a fleet and whoever divides its connections. A member is one pool of one process. A coordinator is
// an engine that the team already runs, with one atomic step on it: the heartbeat. Members never talk to each other.
//
//   member ──Heartbeat──▶ coordinator        what I hold, what I am entitled to, what I need
//   member ◀───Reply───── coordinator        what you may hold from now on
//
// All times are whole milliseconds. Those of a member and those of the coordinator are never compared, with one exception: the end of a
// loan is said in the coordinator's time, which the member bounds from the replies that it had ({@link Heartbeat.lendsUntil}).

/** What all members of a fleet must agree on. Two fleets with different terms on one key would each grant what the other has. */
export interface FleetTerms {
  /** L: how many connections there may be. */
  readonly limit: number;
  /** G: how many of them are kept free, for people with a console and for what the fleet does not know of. */
  readonly guard: number;
  /** f: how many each member may hold without being granted any; `floor * members` is at most `limit - guard`. */
  readonly floor: number;
  /** Nmax: how many members there are at most at a time, those of a rollout that leave included. */
  readonly members: number;
  /**
   * Whether members lend their floor to others while they have nothing to do. Then nobody has its floor at first: it may be in the place
   * of one that is gone and has promised it.
   */
  readonly lend: boolean;
  /** T: how long a grant lasts, counted by its member from when it asked. */
  readonly leaseMs: number;
  /** D: how long after the end of a grant its last connection may last, lent as it is. */
  readonly graceMs: number;
  /** Q: after what silence the server itself ends a session whose member is frozen or gone. 0: never. */
  readonly deadManMs: number;
}

/** What a member says. Every number is a whole one. */
export interface Heartbeat {
  /** One life of one member, unique: never used again after a restart. Not a whole number as text. */
  readonly member: string;
  /** For people: the service and the host or pod. */
  readonly name: string;
  /** Grows with each heartbeat of a member, so that one which was overtaken is known. */
  readonly seq: number;
  readonly terms: FleetTerms;
  /** Connections that are open, being opened or being closed. */
  readonly held: number;
  /** How many it is entitled to hold now, used or not. Until a reply changes that, it may open that many. */
  readonly has: number;
  /** How many its work needs. */
  readonly base: number;
  /** At least {@link base}: with some headroom, so that a burst does not have to ask. */
  readonly demand: number;
  /** 1 to 100: how many parts it gets where another gets one, when there is not enough. */
  readonly weight: number;
  /** It opens nothing any more; what it is entitled to is what it still holds. With 0 held it is forgotten. */
  readonly leaving: boolean;
  /** So many of its floor it has promised not to use. Without a grant it has `floor - lends`. */
  readonly lends: number;
  /** Until when, at least, in the coordinator's time. 0: it calls them back, though it is still bound. */
  readonly lendsUntil: number;
  /** What {@link Grant.identity} was last; a loan that was promised to another coordinator does not count. '' at first. */
  readonly identity: string;
  /** For how long somebody has waited here in vain. For the view. */
  readonly shortMs: number;
}

/** From now on, until T after it asked, the member may hold `permit`. */
export interface Grant {
  readonly kind: 'granted';
  readonly permit: number;
  /** The coordinator's time. */
  readonly now: number;
  /** Whose state this is: of another identity, nothing is remembered. */
  readonly identity: string;
  /** Nothing new is granted yet: the coordinator does not know what others hold. */
  readonly learning: boolean;
  /** How many permits are reserved in the whole fleet, floors included. */
  readonly reserved: number;
  /** By how much others have less than their work needs, together. */
  readonly unmet: number;
  readonly members: number;
}

/**
 * It may hold nothing. `terms`: the fleet on this key has other ones (`terms`). `full`: there are `members` already, those included that
 * crashed and whose connections may still be open.
 */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: 'terms' | 'full';
  readonly terms: FleetTerms;
  readonly now: number;
  readonly identity: string;
}

/** A later heartbeat of the same member came first. Nothing follows from this one. */
export interface Overtaken {
  readonly kind: 'overtaken';
}

export type Reply = Grant | Refusal | Overtaken;

/**
 * Whoever divides the connections: one fleet on one key of an engine. What its atomic step has to do is `step` in allocator.ts, and
 * `coordinatorContract` of `millpond/testing` tells whether it does.
 */
export interface Coordinator {
  /**
   * Does the step and answers. Rejects when it cannot be reached, or the signal is aborted; it may have been done all the same. What has
   * not been sent by then must not be sent.
   */
  heartbeat(request: Heartbeat, signal?: AbortSignal): Promise<Reply>;
  /** Who holds and wants what. Changes nothing. */
  view(signal?: AbortSignal): Promise<FleetView>;
}

export interface FleetView {
  /** Undefined: nobody has been here yet. */
  readonly terms: FleetTerms | undefined;
  readonly identity: string;
  /** For how long nothing new is granted. */
  readonly learningMs: number;
  /** How many permits are reserved, floors of those included who have not come yet. */
  readonly reserved: number;
  /** In no order. */
  readonly members: readonly MemberView[];
}

export interface MemberView {
  readonly member: string;
  readonly name: string;
  readonly held: number;
  /** What it may hold, by the last reply. */
  readonly permit: number;
  /** What is kept for it: the most that it may hold until it has heard, and its connections are closed. */
  readonly reserved: number;
  readonly base: number;
  readonly demand: number;
  readonly weight: number;
  readonly lends: number;
  readonly leaving: boolean;
  readonly shortMs: number;
  /** How long ago it was heard of. */
  readonly silentMs: number;
}

/** For how long after a heartbeat what it was granted may still be open somewhere: T + D + Q. */
export function tailOf({ leaseMs, graceMs, deadManMs }: FleetTerms): number {
  return leaseMs + graceMs + deadManMs;
}

export function sameTerms(a: FleetTerms, b: FleetTerms): boolean {
  return TERMS.every((key) => a[key] === b[key]);
}

const TERMS = ['limit', 'guard', 'floor', 'members', 'lend', 'leaseMs', 'graceMs', 'deadManMs'] as const;
