// What a way of dividing connections is worth: a fleet of services under a load that shifts, request by request, in virtual time. The same
// requests go to a fleet with a budget, to pools with an equal split, to pools that each have the ten that people configure, and to one
// queue before all connections, which nothing can beat.

import type { FleetTerms } from '../../fleet/protocol.ts';
import { seededRandom, type SeededRandom } from '../random.ts';
import { Agenda } from './agenda.ts';
import { SimCoordinator } from './coordinator.ts';
import { Host } from './host.ts';
import type { SimCounts } from './pool.ts';

export interface FleetLoad {
  readonly seed: number | string;
  /** How many processes, connections, and which part of these the work needs on average. */
  readonly members: number;
  readonly limit: number;
  readonly load: number;
  readonly seconds: number;
  /** Terms other than those of the figures: lease 5 s, grace 2 s, no guard, no floors. */
  readonly terms?: Partial<FleetTerms>;
}

export type Division = 'leased' | 'equal' | 'ten' | 'one queue';

export interface FleetFigures {
  /** Of all requests, the part that had its connection in time. */
  readonly served: number;
  readonly requests: number;
  readonly heartbeatsPerSecond: number;
  readonly connectsPerSecond: number;
  readonly mostOpen: number;
  /** Connects that the server refused, being full. */
  readonly refused: number;
}

const SERVICES = 20;
const HOLD_MS = 50;
const CONNECT_MS = 5;
const SHIFT_MS = 20_000;
const LEARNT_MS = 15_000;
/** Callers give up afterwards. */
const PATIENCE_MS = 1_000;

/** Simulates one fleet. With `one queue` there is one pool, which holds every connection. */
export function fleetFigures(load: FleetLoad, division: Division): FleetFigures {
  return new Scenery(load, division).run();
}

class Scenery {
  readonly #agenda = new Agenda();
  readonly #random: SeededRandom;
  readonly #coordinator: SimCoordinator;
  readonly #counts: SimCounts = { served: 0, late: 0, cut: 0, connects: 0, refused: 0 };
  readonly #load: FleetLoad;
  readonly #hosts: Host[] = [];
  #open = 0;
  #mostOpen = 0;
  #requests = 0;
  #services: number[] = Array.from({ length: SERVICES }, (_, at) => at);

  constructor(load: FleetLoad, division: Division) {
    this.#load = load;
    // Requests are the same for all divisions, whatever else is drawn.
    this.#random = seededRandom(load.seed);
    const chance = this.#random.fork('the rest');
    this.#coordinator = new SimCoordinator(this.#agenda, chance, { delayMs: 0.5, late: 0, lost: 0, doubled: 0 });
    const { members, limit } = load;
    const terms: FleetTerms = {
      limit, guard: 0, floor: 0, members: 100_000, lend: false, leaseMs: 5_000, graceMs: 2_000, deadManMs: 0, ...load.terms,
    };
    const fixed = division === 'equal' ? Math.max(1, Math.floor(limit / members)) : division === 'ten' ? 10 : limit;
    for (let count = division === 'one queue' ? 1 : members; count > 0; count--) {
      const name = `host-${count}`;
      this.#hosts.push(new Host({
        agenda: this.#agenda,
        send: (host, request) => this.#coordinator.send(host, request),
        moved: (_, by) => {
          this.#open += by;
          this.#mostOpen = Math.max(this.#mostOpen, this.#open);
        },
        connectMs: () => CONNECT_MS,
        accepts: () => division === 'one queue' || this.#open < limit,
        random: () => chance(),
      }, {
        settings: { member: name, name, terms, weight: 1 }, max: division === 'one queue' ? limit : 100, timeoutMs: PATIENCE_MS,
        counts: this.#counts, rate: 1, offset: 0, ...(division === 'leased' ? {} : { fixed }),
        // It is to be what nothing can beat, from the first moment on.
        ...(division === 'one queue' ? { connectsAtOnce: Infinity } : {}),
      }));
    }
  }

  run(): FleetFigures {
    const { seconds, limit, load } = this.#load;
    // Somebody asks, and then the coordinator has learnt what there is.
    this.#hosts[0]!.ask(0);
    this.#agenda.run(LEARNT_MS);
    Object.assign(this.#counts, { served: 0, late: 0, cut: 0, connects: 0, refused: 0 });
    this.#coordinator.heartbeats = 0;
    const end = LEARNT_MS + seconds * 1_000;
    this.#arrive(load * limit / HOLD_MS);
    for (let at = LEARNT_MS + SHIFT_MS; at < end; at += SHIFT_MS) {
      this.#agenda.at(at, () => {
        this.#services = this.#random.shuffle(this.#services);
      });
    }
    this.#agenda.run(end);
    const { served, late, connects, refused } = this.#counts;
    return {
      served: served / Math.max(1, served + late), requests: this.#requests, heartbeatsPerSecond: this.#coordinator.heartbeats / seconds,
      connectsPerSecond: connects / seconds, mostOpen: this.#mostOpen, refused,
    };
  }

  #arrive(perMs: number): void {
    this.#agenda.after(this.#random.exponential(1 / perMs), () => {
      this.#requests++;
      const service = this.#services[zipf(this.#random())]!;
      const instance = this.#random();
      const holdMs = this.#random.exponential(HOLD_MS);
      const { length } = this.#hosts;
      const perService = length / SERVICES;
      const index = length === 1 ? 0 : Math.min(length - 1, Math.floor((service + instance) * perService));
      this.#hosts[index]!.ask(holdMs);
      this.#arrive(perMs);
    });
  }
}

const SHARES = Array.from({ length: SERVICES }, (_, at) => 1 / (at + 1));
const ALL = SHARES.reduce((sum, each) => sum + each, 0);

/** The rank of a service: the first has as much to do as the second and third together. */
function zipf(dice: number): number {
  let left = dice * ALL;
  for (const [rank, share] of SHARES.entries()) if ((left -= share) < 0) return rank;
  return SERVICES - 1;
}
