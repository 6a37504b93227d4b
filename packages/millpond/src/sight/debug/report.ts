// Who holds what, in a form for people. An error names the three oldest leases; here are all of them, those that were acquired at the same
// place together, because a leak is a place and not a lease.

import { liveHolds } from '../../engine/slots.ts';
import type { Holder } from '../../lease.ts';
import { Pool } from '../../pool.ts';
import { livingPools } from '../sight.ts';
import { uniqueName } from '../names.ts';
import type { PoolFilter } from '../watch.ts';

/** The line that acquired and the one that called it: a pool often has one function through which all go. What is below differs more. */
const PLACE_FRAMES = 2;

export interface LeakReport {
  readonly pools: readonly PoolHoldings[];
}

export interface PoolHoldings {
  /** Its name, which no other pool of the process has. */
  readonly pool: string;
  readonly borrowed: number;
  readonly max: number;
  readonly waiting: number;
  /** Longest first. `suspect`: held for longer than `leakThresholdMs`. */
  readonly holders: readonly (Holder & { readonly suspect: boolean })[];
}

/** What is known of a lease that a pool had to end itself. */
export type Abandoned = Omit<Holder, 'id'>;

export function reportOf(filter: PoolFilter): LeakReport {
  return { pools: livingPools().filter(filter).map((pool) => holdingsOf(pool)) };
}

export function holdingsOf(pool: Pool<unknown>): PoolHoldings {
  const { borrowed, max, waiting } = pool.stats();
  const engine = pool instanceof Pool ? Pool.engineOf(pool) : undefined;
  const thresholdMs = engine?.settings.leakThresholdMs ?? Infinity;
  // As the pool says; it looks when it is due, which the clock may have passed by a little.
  const leaked = new Set(engine === undefined ? [] : liveHolds(engine.slots).filter((hold) => hold.leaked).map(({ slot }) => slot.id));
  const holders = pool.holders().map((holder) => ({ ...holder, suspect: leaked.has(holder.id) && holder.heldMs >= thresholdMs }));
  return { pool: uniqueName(pool), borrowed, max, waiting, holders };
}

/** A text of one block per pool that has something out. */
export function describe({ pools }: LeakReport): string {
  const blocks = pools.filter(({ holders, waiting }) => holders.length > 0 || waiting > 0).map((each) => describePool(each));
  return blocks.length === 0 ? 'No pool has anything out.' : blocks.join('\n');
}

export function describePool({ pool, borrowed, max, waiting, holders }: PoolHoldings): string {
  return [`Pool "${pool}": ${borrowed} of ${max} borrowed, ${waiting} waiting.`, ...groups(holders)].join('\n');
}

/** A paragraph per place: how many leases, how old, then the stack of the oldest. */
export function groups(holders: readonly (Abandoned & { readonly suspect?: boolean })[]): string[] {
  const places = new Map<string, (Abandoned & { readonly suspect?: boolean })[]>();
  for (const holder of holders) {
    const place = [holder.label ?? '', ...framesOf(holder.stack).slice(0, PLACE_FRAMES)].join('\n');
    const known = places.get(place);
    if (known === undefined) places.set(place, [holder]);
    else known.push(holder);
  }
  const lines = [...places.values()].flatMap((together) => {
    const [oldest] = together as [Abandoned];
    const suspects = together.filter(({ suspect }) => suspect === true).length;
    const who = `${together.length}${oldest.label === undefined ? '' : ` "${oldest.label}"`}`;
    const age = `${together.length === 1 ? 'held for' : 'the oldest held for'} ${seconds(oldest.heldMs)}`;
    const frames = framesOf(oldest.stack).map((frame) => `    ${frame}`);
    return [`  ${who}, ${age}${suspects === 0 ? '' : `, ${suspects} over leakThresholdMs`}${frames.length === 0 ? '' : ':'}`, ...frames];
  });
  const unknown = holders.some(({ stack }) => stack === undefined);
  return unknown ? [...lines, '  Where they were acquired is known of acquires under captureStacks.'] : lines;
}

function framesOf(stack: string | undefined): string[] {
  return stack === undefined ? [] : stack.split('\n').slice(1).map((line) => line.trim()).filter((line) => line !== '');
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
