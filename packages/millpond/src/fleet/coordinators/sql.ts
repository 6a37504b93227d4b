// What the coordinators on SQL engines have in common: the words of a heartbeat as arguments, and the words of an answer.

import type { FleetView, Heartbeat, MemberView, Reply } from '../protocol.ts';
import { flatTerms, termsFrom } from './common.ts';

/** seq, held, has, base, demand, weight, leaving, lends, lendsUntil, shortMs, and T + D + Q. */
export function numbersOf({ seq, held, has, base, demand, weight, leaving, lends, lendsUntil, shortMs, terms }: Heartbeat): number[] {
  const tail = terms.leaseMs + terms.graceMs + terms.deadManMs;
  return [seq, held, has, base, demand, weight, Number(leaving), lends, lendsUntil, shortMs, tail];
}

export function termsText({ terms }: Heartbeat): string {
  return flatTerms(terms).join(' ');
}

/** An answer in words, and the version of what gave it. */
export function replyFrom(text: string): { readonly version: number; readonly reply: Reply } {
  const [version, kind, ...rest] = text.split(' ');
  const reply = (): Reply => {
    if (kind === 'overtaken') return { kind };
    if (kind === 'refused') {
      const [reason, now, identity = '', ...terms] = rest;
      return { kind, reason: reason as 'terms' | 'full', terms: termsFrom(terms), now: Number(now), identity };
    }
    const [permit, now, identity = '', learning, reserved, unmet, members] = rest;
    return {
      kind: 'granted', permit: Number(permit), now: Number(now), identity, learning: learning === '1', reserved: Number(reserved),
      unmet: Number(unmet), members: Number(members),
    };
  };
  return { version: Number(version), reply: reply() };
}

/** What is read for a view: of the fleet, and of each member. Numbers may come as texts. */
export interface ViewRow {
  readonly identity: string;
  readonly terms: string;
  readonly now: number;
  readonly learning_until: number;
  readonly reserved: number;
  readonly members: number;
  readonly seats: readonly SeatRow[];
}

type SeatRow = Readonly<Record<
  'held' | 'permit' | 'reserved' | 'base' | 'demand' | 'weight' | 'lends' | 'short_ms' | 'heard_at', number
>> & { readonly member: string; readonly name: string; readonly leaving: boolean | number };

export const EMPTY_VIEW: FleetView = { terms: undefined, identity: '', learningMs: 0, reserved: 0, members: [] };

export function viewFrom(row: ViewRow): FleetView {
  const terms = termsFrom(row.terms.split(' '));
  const now = Number(row.now);
  return {
    terms, identity: row.identity, learningMs: Math.max(0, Number(row.learning_until) - now),
    reserved: Number(row.reserved) + terms.floor * (terms.members - Number(row.members)),
    members: row.seats.map((seat): MemberView => ({
      member: seat.member, name: seat.name, held: Number(seat.held), permit: Number(seat.permit), reserved: Number(seat.reserved),
      base: Number(seat.base), demand: Number(seat.demand), weight: Number(seat.weight), lends: Number(seat.lends),
      leaving: Boolean(seat.leaving), shortMs: Number(seat.short_ms), silentMs: Math.max(0, now - Number(seat.heard_at)),
    })),
  };
}
