// The coordinator of a simulated fleet, and the network around it: requests and replies that are late, lost, doubled and out of order; an
// engine that is away, that loses its memory, that is replaced by a replica with an older one and another clock.

import { newFleet, step, type Fleet } from '../../fleet/allocator.ts';
import type { Heartbeat, Reply } from '../../fleet/protocol.ts';
import type { SeededRandom } from '../random.ts';
import type { Agenda } from './agenda.ts';
import type { Host } from './host.ts';
import type { Weather } from './world.ts';

/** Changes of the protocol, to see that they are found. */
export interface Tampering {
  readonly request?: (request: Heartbeat) => Heartbeat;
  /** What a reply counts as: by default the answer to what it answers. */
  readonly creditedTo?: (answered: number, asking: number | undefined) => number;
}

/** No message takes longer: a connection would have been given up. */
const LONGEST_MS = 8_000;

export class SimCoordinator {
  fleet: Fleet = newFleet();
  away = false;
  weather: Weather;
  heartbeats = 0;
  readonly tampering: Tampering = {};
  /** Called after every step. */
  onStep: ((host: Host, request: Heartbeat, reply: Reply) => void) | undefined = undefined;
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  #run = 1;
  #offset: number;
  #older: Fleet | undefined = undefined;

  constructor(agenda: Agenda, random: SeededRandom, weather: Weather) {
    this.#agenda = agenda;
    this.#random = random;
    this.weather = weather;
    this.#offset = random.int(1e9, 2e9);
  }

  /** What its clock shows, in whole milliseconds. */
  get now(): number {
    return Math.floor(this.#offset + this.#agenda.now);
  }

  get identity(): string {
    return `run ${this.#run}`;
  }

  send(host: Host, request: Heartbeat): void {
    const { tampering } = this;
    const said = tampering.request?.(request) ?? request;
    if (this.away && this.#random.chance(0.5)) {
      this.#agenda.after(this.#delay(), () => host.replied(request.seq, undefined));
      return;
    }
    for (const delay of this.#ways()) this.#agenda.after(delay, () => this.#arrive(host, said));
  }

  #arrive(host: Host, request: Heartbeat): void {
    if (this.away || host.partitioned) return;
    const reply = step(this.fleet, request, this.now, this.identity);
    this.heartbeats++;
    this.onStep?.(host, request, reply);
    for (const delay of this.#ways()) {
      this.#agenda.after(delay, () => {
        if (!host.partitioned) host.replied(this.tampering.creditedTo?.(request.seq, host.member!.asking) ?? request.seq, reply);
      });
    }
  }

  /** A copy that a replica would have by now. */
  replicate(): void {
    this.#older = { ...(JSON.parse(JSON.stringify(this.fleet)) as Fleet), seats: new Map(structuredClone([...this.fleet.seats])) };
  }

  /** All is lost, or an older state takes over; in either case on another machine, with another clock. */
  restart(with_: 'nothing' | 'replica'): void {
    this.fleet = (with_ === 'replica' ? this.#older : undefined) ?? newFleet();
    this.#run++;
    this.#offset = this.#random.int(1e9, 2e9);
  }

  clockBack(ms: number): void {
    this.#offset -= ms;
  }

  #ways(): number[] {
    const { lost, doubled } = this.weather;
    const ways = this.#random.chance(lost) ? [] : [this.#delay()];
    if (this.#random.chance(doubled)) ways.push(this.#delay());
    return ways;
  }

  #delay(): number {
    const { delayMs, late } = this.weather;
    return Math.min(LONGEST_MS, this.#random.exponential(delayMs) * (this.#random.chance(late) ? 100 : 1));
  }
}
