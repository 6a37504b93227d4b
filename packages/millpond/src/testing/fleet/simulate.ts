// The simulator of a fleet: from a seed a whole fleet, its coordinator and network, and everything that can go wrong with them going wrong,
// in virtual time. After every event what must hold is checked; at the end all faults end, and the fleet has to become whole.

import { reservedIn } from '../../fleet/allocator.ts';
import { tailOf, type Heartbeat, type Reply } from '../../fleet/protocol.ts';
import { seededRandom, type SeededRandom } from '../random.ts';
import { Agenda } from './agenda.ts';
import { SimCoordinator, type Tampering } from './coordinator.ts';
import { Host } from './host.ts';
import type { SimCounts } from './pool.ts';
import { drawFleet, drawWeather, FAULTS, type Fault, type FleetWorld } from './world.ts';

/** Changes of the protocol, to see that they are noticed. */
export interface FleetTampering {
  readonly request?: Tampering['request'];
  readonly creditedTo?: Tampering['creditedTo'];
  /** Pools do not look at their lease before they lend or open. */
  readonly careless?: boolean;
}

export interface FleetSimulationOptions {
  /** The same seed is the same run. */
  readonly seed: number | string;
  readonly tampering?: FleetTampering;
}

export interface FleetSimulationResult {
  readonly seed: number | string;
  readonly world: FleetWorld;
  readonly events: number;
  readonly heartbeats: number;
  readonly counts: SimCounts;
  /** The most connections that were open at a time. */
  readonly mostOpen: number;
  readonly faults: ReadonlyMap<Fault, number>;
}

/** A fleet did what no fleet may do. */
export class FleetSimulationError extends Error {
  override readonly name = 'FleetSimulationError';
  readonly seed: number | string;

  constructor(message: string, seed: number | string) {
    super(message);
    this.seed = seed;
  }
}

/** So long after a freeze a process has had its turn, and closed what it had to. */
const AWAKE_MS = 20;
const TIMEOUT_MS = 1_000;

/** Lives through the fleet of a seed. Throws a {@link FleetSimulationError} when something that must hold does not. */
export function simulateFleet(options: FleetSimulationOptions): FleetSimulationResult {
  const town = new Town(options);
  try {
    return town.live();
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    const world = JSON.stringify(town.world);
    const repeat = `To see it again: simulateFleet({ seed: ${JSON.stringify(options.seed)} })`;
    const message = `${what}\nat ${town.agenda.now.toFixed(1)} ms. ${repeat}\nworld: ${world}\n${town.log.join('\n')}`;
    throw Object.assign(new FleetSimulationError(message, options.seed), { cause: error });
  }
}

class Town {
  readonly agenda = new Agenda();
  readonly world: FleetWorld;
  readonly hosts = new Map<string, Host>();
  readonly log: string[] = [];
  readonly #random: SeededRandom;
  readonly #coordinator: SimCoordinator;
  readonly #counts: SimCounts = { served: 0, late: 0, cut: 0, connects: 0, refused: 0 };
  readonly #faults = new Map<Fault, number>();
  readonly #options: FleetSimulationOptions;
  readonly #usable: number;
  readonly #rates = new Map<string, number>();
  readonly #left = new Set<string>();
  #open = 0;
  #mostOpen = 0;
  #born = 0;
  #events = 0;
  #calm = false;

  constructor(options: FleetSimulationOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.world = drawFleet(this.#random);
    this.#usable = this.world.terms.limit - this.world.terms.guard;
    this.#coordinator = new SimCoordinator(this.agenda, this.#random.fork('network'), this.world.weather);
    Object.assign(this.#coordinator.tampering, options.tampering);
    this.#coordinator.onStep = (host, request, reply) => this.#stepped(host, request, reply);
  }

  live(): FleetSimulationResult {
    for (let count = this.world.members; count > 0; count--) this.#start();
    this.#planFault();
    this.agenda.run(this.world.lastsMs, () => this.#check());
    this.#recover();
    this.#end();
    return {
      seed: this.#options.seed, world: this.world, events: this.#events, heartbeats: this.#coordinator.heartbeats, counts: this.#counts,
      mostOpen: this.#mostOpen, faults: this.#faults,
    };
  }

  // ------------------------------------------------------------------------------ processes

  #start(): Host | undefined {
    const { terms, max, weights, rateError } = this.world;
    // At most so many there may be: those that run, and those whose connections the server still has.
    if (terms.floor > 0 && this.#existing().length >= terms.members) return undefined;
    const random = this.#random;
    const name = `host-${++this.#born}`;
    const host = new Host({
      agenda: this.agenda,
      send: (from, request) => this.#coordinator.send(from, request),
      moved: (_, by) => {
        this.#open += by;
        this.#mostOpen = Math.max(this.#mostOpen, this.#open);
      },
      connectMs: () => random.exponential(5),
      accepts: () => true,
      random: () => random(),
    }, {
      settings: { member: name, name, terms, weight: random.pick(weights) },
      max, timeoutMs: TIMEOUT_MS, counts: this.#counts, offset: random.int(0, 1_000_000),
      rate: 1 + random.pick([-1, 0, 1]) * rateError,
    });
    host.careless = this.#options.tampering?.careless ?? false;
    this.hosts.set(name, host);
    this.#rates.set(name, this.#drawRate());
    this.#arrivals(host);
    return host;
  }

  #drawRate(): number {
    return this.world.rate * this.#random.pick([0, 0.2, 1, 3]);
  }

  #arrivals(host: Host): void {
    const rate = this.#rates.get(host.id) ?? 0;
    const wait = rate === 0 ? 500 : this.#random.exponential(1_000 / rate);
    this.agenda.after(wait, () => {
      if (!host.alive || this.#calm || this.#left.has(host.id)) return;
      if (rate > 0) host.ask(this.#drawHold());
      this.#arrivals(host);
    });
  }

  #drawHold(): number {
    const { holdMs, long } = this.world;
    return this.#random.chance(long) ? this.#random.int(1_000, 6_000) : this.#random.exponential(holdMs);
  }

  #existing(): Host[] {
    return [...this.hosts.values()].filter((host) => (host.alive && !host.member!.left) || host.pool.held > 0);
  }

  #pick(): Host | undefined {
    const live = [...this.hosts.values()].filter((host) => host.state === 'live' && !this.#left.has(host.id));
    return live.length === 0 ? undefined : this.#random.pick(live);
  }

  #leave(host: Host): void {
    this.#left.add(host.id);
    host.leave();
  }

  // --------------------------------------------------------------------------------- faults

  #planFault(): void {
    this.agenda.after(this.#random.exponential(this.world.calmMs), () => {
      if (this.#calm) return;
      let dice = this.#random() * FAULTS.reduce((sum, fault) => sum + this.world.faults[fault], 0);
      const fault = FAULTS.find((each) => (dice -= this.world.faults[each]) < 0) ?? 'reload';
      this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1);
      this.#happen(fault);
      this.#planFault();
    });
  }

  #note(text: string): void {
    this.log.push(`${this.agenda.now.toFixed(1)} ${text}`);
  }

  #happen(fault: Fault): void {
    const host = this.#pick();
    const random = this.#random;
    const tail = tailOf(this.world.terms);
    this.#note(`${fault} ${host?.id ?? ''}`);
    switch (fault) {
      case 'reload': for (const each of this.hosts.keys()) this.#rates.set(each, this.#drawRate()); break;
      case 'burst': for (let count = random.int(1, 30); count > 0; count--) host?.ask(this.#drawHold()); break;
      case 'freeze': if (host !== undefined) this.#freeze(host, random.exponential(tail)); break;
      case 'vanish': if (host !== undefined) this.#vanish(host); break;
      case 'crash': host?.crash(); if (random.chance(0.7)) this.#start(); break;
      case 'rollout': this.#rollout(); break;
      case 'grow': for (let count = random.int(1, 3); count > 0; count--) this.#start(); break;
      case 'shrink': if (host !== undefined) this.#leave(host); break;
      case 'partition': if (host !== undefined) host.partitioned = true; break;
      case 'heal': for (const each of this.hosts.values()) each.partitioned = false; break;
      case 'outage': this.#outage(random.exponential(tail)); break;
      case 'amnesia': this.#coordinator.restart('nothing'); break;
      case 'failover': this.#failover(random.exponential(500)); break;
      case 'weather': this.#coordinator.weather = drawWeather(random); break;
      case 'stranger': this.#stranger(); break;
      case 'clockBack': this.#coordinator.clockBack(random.int(1, 300)); break;
    }
  }

  #freeze(host: Host, ms: number): void {
    host.freeze(ms, this.#random.chance(0.5));
    this.#deadMan(host);
    // What stops a machine may stop the coordinator's too, and both wake at once.
    if (this.world.faults.amnesia === 0 || !this.#random.chance(0.3)) return;
    this.agenda.after(ms * 0.999, () => this.#coordinator.restart('nothing'));
  }

  #vanish(host: Host): void {
    host.vanish();
    this.#deadMan(host);
    if (this.#random.chance(0.5)) this.#start();
  }

  /** The server ends what was silent for too long; a process that has woken before does that itself. */
  #deadMan(host: Host): void {
    const { deadManMs } = this.world.terms;
    const { state } = host;
    const frozenAt = this.agenda.now;
    if (deadManMs > 0) {
      this.agenda.after(deadManMs, () => {
        if (host.state === state && host.wokeAt <= frozenAt) host.loseConnections();
      });
    }
  }

  #rollout(): void {
    const old = [...this.hosts.values()].filter((host) => host.state === 'live' && !this.#left.has(host.id));
    old.forEach((host, index) => this.agenda.after(index * 200, () => {
      if (host.state !== 'live' || this.#left.has(host.id)) return;
      this.#start();
      this.#leave(host);
    }));
  }

  #outage(ms: number): void {
    this.#coordinator.away = true;
    this.agenda.after(ms, () => {
      this.#coordinator.away = false;
    });
  }

  #failover(lagMs: number): void {
    this.#coordinator.replicate();
    this.agenda.after(lagMs, () => this.#coordinator.restart('replica'));
  }

  /** Somebody with other terms on the same key. */
  #stranger(): void {
    const { terms } = this.world;
    if (this.#coordinator.fleet.seats.size === 0) return;
    const name = `stranger-${++this.#born}`;
    const other = { ...terms, limit: terms.limit + 10 };
    const host = new Host({
      agenda: this.agenda, send: (from, request) => this.#coordinator.send(from, request), moved: () => {}, connectMs: () => 5,
      accepts: () => true, random: () => this.#random(),
    }, {
      settings: { member: name, name, terms: { ...other, floor: 0 }, weight: 1 }, max: 5, timeoutMs: TIMEOUT_MS,
      counts: { ...this.#counts }, offset: 0, rate: 1,
    });
    host.ask(50);
    this.agenda.after(400, () => host.crash());
  }

  // --------------------------------------------------------------------------------- checks

  #stepped(host: Host, request: Heartbeat, reply: Reply): void {
    if (host.name.startsWith('stranger')) {
      const here = this.#coordinator.fleet.terms;
      if (reply.kind === 'granted' && here?.limit === this.world.terms.limit) throw new Error('a stranger was granted permits');
      return;
    }
    const { fleet } = this.#coordinator;
    if (reply.kind !== 'granted') return;
    const sum = reservedIn(fleet);
    const seated = fleet.seats.get(host.id)?.reserved ?? 0;
    // A message that comes after its sender's time may claim what others have by now. It claims in vain: nothing new is granted on it.
    const claimed = Math.max(request.held, request.has, this.world.terms.floor);
    if (reply.permit > Math.max(0, this.world.terms.floor - request.lends) && sum - seated + reply.permit > this.#usable) {
      throw new Error(`${reply.permit} are granted beside ${sum - seated} of ${this.#usable}, to ${host.id}: ${JSON.stringify(request)}`);
    }
    if (!request.leaving && seated > Math.max(claimed, reply.permit)) throw new Error(`${seated} are reserved for ${host.id}`);
    let recount = 0;
    for (const seat of fleet.seats.values()) recount += seat.reserved;
    if (recount !== fleet.reserved) throw new Error(`the sum of reservations is ${fleet.reserved}, and they are ${recount}`);
  }

  #check(): void {
    this.#events++;
    if (this.#open > this.#usable) this.#checkOpen();
    if (this.#events % 8 === 0) for (const host of this.hosts.values()) if (host.state === 'live') this.#checkHost(host);
  }

  /** No more than there may be, those aside that nobody can reach any more. */
  #checkOpen(): void {
    const { terms } = this.world;
    let beyond = 0;
    for (const host of this.hosts.values()) {
      if (host.state === 'live') {
        // Whoever has just woken may be closing what it has no right to any more.
        const isAwake = this.agenda.now - host.wokeAt > AWAKE_MS;
        if (!isAwake) beyond += Math.max(0, host.pool.held - host.member!.limit(host.local));
        continue;
      }
      // With dead-man timeouts the server has seen to them.
      if (terms.deadManMs > 0) continue;
      if (this.agenda.now >= host.grantAskedAt + tailOf(terms)) beyond += Math.max(0, host.pool.held - terms.floor);
    }
    if (this.#open > this.#usable + beyond) {
      const each = [...this.hosts.values()].filter((host) => host.pool.held > 0).map(({ id, state, pool, member, local }) => (
        `${id} ${state} holds ${pool.held} of ${member!.limit(local)}, ${this.#coordinator.fleet.seats.get(id)?.reserved} reserved`));
      throw new Error(`${this.#open} connections are open, of ${this.#usable} and ${beyond} that nobody can reach: ${each.join(', ')}`);
    }
  }

  #checkHost(host: Host): void {
    const { fleet, identity } = this.#coordinator;
    if (this.agenda.now - host.wokeAt <= AWAKE_MS) return;
    const seat = fleet.seats.get(host.id);
    // What is remembered is another coordinator's, or may rest on messages that were said to another one.
    if (fleet.identity !== identity || this.#coordinator.now < fleet.learningUntil) return;
    // Who was forgotten by the next step is forgotten now.
    const isRemembered = seat !== undefined && seat.heardAt + tailOf(this.world.terms) > this.#coordinator.now;
    const reserved = isRemembered ? seat.reserved : this.world.terms.floor;
    const { held } = host.pool;
    if (held > reserved) throw new Error(`${host.id} has ${held} connections open, and ${reserved} are reserved for it`);
  }

  // ------------------------------------------------------------------------------------ end

  /** All faults end. Within T + D + Q the fleet has to serve everybody again. */
  #recover(): void {
    this.#calm = true;
    this.#note('all faults end');
    this.#coordinator.away = false;
    this.#coordinator.weather = { delayMs: 1, late: 0, lost: 0, doubled: 0 };
    for (const host of this.hosts.values()) {
      host.partitioned = false;
      if (host.state === 'vanished') host.crash();
    }
    const tail = tailOf(this.world.terms);
    // Long freezes and late messages are over, and one T + D + Q more. Whoever asks first starts what has to be learnt.
    this.agenda.run(this.agenda.now + 8 * tail + 16_000, () => this.#check());
    this.#pick()?.ask(1);
    this.agenda.run(this.agenda.now + tail + 1_000, () => this.#check());
    const live = [...this.hosts.values()].filter((host) => host.state === 'live' && !this.#left.has(host.id));
    const before = new Map(live.map((host) => [host, host.pool.work().served]));
    // Who has more than it needs is asked to shrink at its next heartbeat, and only then can others be served.
    for (let round = 0; round < 3; round++) {
      for (const host of live) host.ask(1);
      this.agenda.run(this.agenda.now + TIMEOUT_MS + 100, () => this.#check());
    }
    const missing = live.filter((host) => host.pool.work().served === before.get(host));
    if (missing.length > 0 && live.length <= this.#usable) {
      throw new Error(`of ${live.length} members these were not served after all faults: ${missing.map((host) => host.id).join(', ')}`);
    }
  }

  #end(): void {
    for (const host of this.hosts.values()) if (host.alive) this.#leave(host);
    const tail = tailOf(this.world.terms);
    this.agenda.run(this.agenda.now + tail + 8_000, () => this.#check());
    if (this.#open !== 0) throw new Error(`${this.#open} connections are left`);
    for (const host of this.hosts.values()) {
      if (host.state === 'live' && !host.member!.left) throw new Error(`${host.id} has not come to its end`);
    }
    const { fleet, now, identity } = this.#coordinator;
    const left = fleet.identity === identity ? [...fleet.seats.values()].filter(({ heardAt }) => heardAt > now - tail) : [];
    if (left.length > 0) throw new Error(`seats are left: ${left.map((each) => JSON.stringify(each)).join(', ')} at ${now}`);
  }
}
