// A fleet's allocator with members that are numbers: what the tests of the rules start from.

import { newFleet, step, type Fleet } from '../../../packages/millpond/src/fleet/allocator.ts';
import type { FleetTerms, Grant, Heartbeat, Reply } from '../../../packages/millpond/src/fleet/protocol.ts';

export const TERMS: FleetTerms = { limit: 22, guard: 2, floor: 0, members: 100, lend: false, leaseMs: 5_000, graceMs: 1_000, deadManMs: 0 };

export class Desk {
  readonly fleet: Fleet = newFleet();
  now = 1_000_000;
  identity = 'run 1';
  readonly terms: FleetTerms;
  readonly #seqs = new Map<string, number>();

  /** Begins after the time of learning, with nobody there. */
  constructor(terms: Partial<FleetTerms> = {}) {
    this.terms = { ...TERMS, ...terms };
    this.say('nobody', { leaving: true });
    this.now += 60_000;
  }

  say(member: string, says: Partial<Heartbeat> = {}): Reply {
    const seq = says.seq ?? (this.#seqs.get(member) ?? 0) + 1;
    this.#seqs.set(member, Math.max(seq, this.#seqs.get(member) ?? 0));
    const { floor } = { ...this.terms, ...says.terms };
    const request: Heartbeat = {
      member, name: member, seq, terms: this.terms, held: 0, has: floor, base: 0, demand: says.base ?? 0, weight: 1, leaving: false,
      lends: 0, lendsUntil: 0, identity: this.identity, shortMs: 0, ...says,
    };
    return step(this.fleet, request, this.now, this.identity);
  }

  /** What it is granted. */
  grant(member: string, says: Partial<Heartbeat> = {}): number {
    return this.granted(member, says).permit;
  }

  granted(member: string, says: Partial<Heartbeat> = {}): Grant {
    const reply = this.say(member, says);
    if (reply.kind !== 'granted') throw new Error(`${member} was not granted anything: ${JSON.stringify(reply)}`);
    return reply;
  }
}
