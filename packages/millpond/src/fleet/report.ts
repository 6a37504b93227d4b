// Why a pool of a fleet does not get more, in words for the person on call.

import type { BudgetReport } from '../index.ts';
import { sameTerms, type FleetTerms, type FleetView, type Grant, type Refusal } from './protocol.ts';

/** How many of those who have most are named. */
const NAMED = 3;

export interface Situation {
  readonly member: string;
  readonly terms: FleetTerms;
  /** What it may hold by the coordinator's word or by its floor, and what it holds. */
  readonly permit: number;
  readonly held: number;
  readonly grant: Grant | undefined;
  readonly refusal: Refusal | undefined;
  /** Since when, and why, the coordinator has not answered. */
  readonly failure: { readonly forMs: number; readonly error: unknown } | undefined;
  /** For how long the server's own refusal counts. */
  readonly deniedMs: number;
  /** Who had and wanted what, when that was last looked up. */
  readonly seen: FleetView | undefined;
}

export function reportOf(situation: Situation): BudgetReport {
  const { terms, permit, held, grant, seen, member } = situation;
  const limit = terms.limit - terms.guard;
  const others = seen?.members.filter((each) => each.member !== member) ?? [];
  const reserved = seen === undefined ? (grant?.reserved ?? 0) - Math.max(permit, held)
    : others.reduce((sum, each) => sum + each.reserved, 0);
  const holders = others.filter((each) => each.reserved > 0).sort((a, b) => b.reserved - a.reserved).slice(0, NAMED)
    .map(({ name, reserved: kept }) => ({ name, held: kept }));
  const [oldest] = others.filter(({ shortMs }) => shortMs > 0).sort((a, b) => b.shortMs - a.shortMs);
  const known = { limit, elsewhere: Math.max(0, reserved), holders };
  const report = oldest === undefined ? known : { ...known, oldestWaiter: { name: oldest.name, waitMs: oldest.shortMs } };
  return { message: `${sentences(situation, report)}.`, ...report };
}

function sentences(situation: Situation, report: Omit<BudgetReport, 'message'>): string {
  const { refusal, failure, deniedMs, grant, terms } = situation;
  if (refusal !== undefined) return refusedWords(refusal, terms);
  const floor = terms.floor === 0 ? 'nothing' : `its floor of ${terms.floor}`;
  if (failure !== undefined) {
    return `The fleet's coordinator has not answered for ${seconds(failure.forMs)} (${wordsOf(failure.error)}): `
      + `once its last grant has ended this pool may hold ${floor}`;
  }
  if (grant === undefined) return `The fleet's coordinator has not answered yet: until then this pool may hold ${floor}`;
  if (deniedMs > 0) return `The server has no connection left, though the fleet has (guard, limit): tried again in ${seconds(deniedMs)}`;
  if (grant.learning) return 'The fleet\'s coordinator is new, or has lost its memory: nothing more until it has learnt who holds what';
  return leasedWords(report);
}

function leasedWords({ elsewhere, limit, holders, oldestWaiter }: Omit<BudgetReport, 'message'>): string {
  const most = holders.length === 0 ? '' : `, most by ${holders.map(({ name, held }) => `${name} (${held})`).join(', ')}`;
  const oldest = oldestWaiter === undefined ? '' : `; oldest waiter elsewhere ${seconds(oldestWaiter.waitMs)}, of ${oldestWaiter.name}`;
  return `${elsewhere} of ${limit} permits are leased elsewhere${most}${oldest}`;
}

function refusedWords(refusal: Refusal, own: FleetTerms): string {
  if (refusal.reason === 'full') return `The fleet is full: there are ${refusal.terms.members} members already (members)`;
  const { terms } = refusal;
  const differ = sameTerms(terms, own) ? []
    : (Object.keys(own) as (keyof FleetTerms)[]).filter((key) => terms[key] !== own[key]);
  return `The fleet on this key has other terms, so this pool may hold nothing: ${differ.map((key) => (
    `${key} is ${terms[key]} there and ${own[key]} here`)).join(', ')}`;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/:\/\/\S*@/g, '://***@').replace(/\.$/, '') || error.name : 'no error';
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
