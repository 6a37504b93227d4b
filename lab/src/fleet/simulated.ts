// What one budget for a fleet is worth, from the simulator of `millpond/testing`. It is virtual time: the figures are the same on every
// machine.
import { fleetFigures, type Division, type FleetFigures } from 'millpond/testing';
import { table } from '../drawing/terminal/table.ts';
import type { Style } from '../drawing/terminal/style.ts';

interface Fleet {
  readonly members: number;
  readonly limit: number;
  readonly load: number;
}

const SMALL: readonly Fleet[] = [
  { members: 200, limit: 1_000, load: 0.8 },
  { members: 250, limit: 500, load: 0.8 },
  { members: 1_000, limit: 500, load: 0.6 },
];
const LARGE: readonly Fleet[] = [
  { members: 1_000, limit: 5_000, load: 0.8 },
  { members: 2_500, limit: 5_000, load: 0.8 },
  { members: 10_000, limit: 500, load: 0.3 },
  { members: 10_000, limit: 5_000, load: 0.6 },
];
const DIVISIONS: readonly Division[] = ['equal', 'ten', 'leased', 'one queue'];
/** Of what one queue serves, where there are twice as many connections as members. */
const AIM = 0.9;

const HEADS = [
  'N / L / load', 'equal split, %', '10 each, %', 'leased, %', 'one queue, %', 'heartbeats/s', 'connects/s', 'most open',
  'refused (10 each)',
];

/** Prints a table. Returns what must not have happened. */
export function simulatedFleets(seconds: number, quick: boolean, style: Style): string[] {
  const rows: string[][] = [];
  const missed: string[] = [];

  for (const fleet of quick ? SMALL : [...SMALL, ...LARGE]) {
    const found = new Map<Division, FleetFigures>();
    for (const division of DIVISIONS) found.set(division, fleetFigures({ seed: 'figures', seconds, ...fleet }, division));
    const leased = found.get('leased')!;
    const name = `${fleet.members} / ${fleet.limit} / ${fleet.load}`;
    rows.push([
      name,
      ...DIVISIONS.map((division) => (100 * found.get(division)!.served).toFixed(1)),
      leased.heartbeatsPerSecond.toFixed(0), leased.connectsPerSecond.toFixed(0), String(leased.mostOpen),
      String(found.get('ten')!.refused),
    ]);
    const isAimed = fleet.members <= fleet.limit / 2 && fleet.load === 0.8;
    if (isAimed && leased.served < AIM * found.get('one queue')!.served) missed.push(`${name} serves less than 90 % of one queue`);
    if (leased.mostOpen > fleet.limit) missed.push(`${name} had ${leased.mostOpen} connections open`);
  }

  const columns = HEADS.map((head, index) => ({ head, cell: (row: readonly string[]) => row[index] ?? '', left: index === 0 }));
  process.stdout.write('Requests served within a second, of a load that shifts between 20 services every 20 s.\n\n');
  for (const line of table(columns, rows, style)) process.stdout.write(`${line}\n`);
  return missed;
}
