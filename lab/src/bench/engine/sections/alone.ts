// The tables of what one call costs: uncontended, and with validation on.
import type { BenchContext, Column, Section } from '../../chapter.ts';
import { target } from '../../harness/statistics.ts';
import { FLOOR, MILLPOND, SMALLEST } from '../contenders.ts';
import type { AloneMeasured } from '../scenarios/uncontended.ts';
import { aheadOfPeers, medianOf, ratioBetween, roundsNote, rowsOf, take, usualRatios, type Result, type Values } from './taking.ts';

const COSTS: readonly Column[] = [
  { id: 'cpu', head: 'CPU', unit: 'ns', about: 'CPU time of the process per acquire and release, its collector included', better: 'less' },
  { id: 'wall', head: 'wall', unit: 'ns', about: 'time that passed per acquire and release', better: 'less' },
  { id: 'bytes', head: 'allocated', unit: 'B', about: 'bytes allocated on the heap per acquire and release', better: 'less' },
];
const TO_MILLPOND: Column = { id: 'toMillpond', head: '× millpond', unit: '×', about: 'CPU compared with millpond, round by round' };

export async function uncontendedSection(context: BenchContext): Promise<Section> {
  const result = await take<AloneMeasured>({ context, section: 'uncontended', budgetMs: 35_000 });
  return {
    id: 'uncontended', title: 'Acquire and release, nobody else there',
    note: `One caller, one operation after the other, a resource that does no I/O.${roundsNote(result)}`,
    columns: [...COSTS, { id: 'toFloor', head: '× floor', unit: '×', about: 'CPU compared with the await, round by round' }, TO_MILLPOND],
    rows: rowsOf(result, { values, ratios: usualRatios('cpu', FLOOR) }),
    charts: [{ kind: 'bars', title: 'Uncontended', subtitle: 'ns of CPU per acquire and release', column: 'cpu' }],
    targets: uncontendedTargets(result),
  };
}

/** mysql2 has no acquire timeout, and the fastest peer with one is what counts. */
function uncontendedTargets(result: Result<AloneMeasured>): Section['targets'] {
  const cpu = (one: AloneMeasured): number => one.cpuNs;
  return [
    ...target('acquire and release at most 2.5 times the floor', 'atMost', ratioBetween(result, MILLPOND, FLOOR, cpu), 2.5),
    ...target('times faster than the fastest peer with a timeout, at least 4', 'atLeast',
      aheadOfPeers(result, cpu, ({ id }) => id !== 'mysql2'), 4),
    ...target('tryAcquire and release, ns of CPU, at most 30', 'atMost', medianOf(result, 'millpond-try', cpu), 30),
  ];
}

export async function validationSection(context: BenchContext): Promise<Section> {
  const result = await take<AloneMeasured>({ context, section: 'validation', budgetMs: 15_000 });
  return {
    id: 'validation', title: 'The same, each resource validated before it is lent',
    note: `The validation says yes at once. pg-pool, mysql2, node-redis and Effect have none.${roundsNote(result)}`,
    columns: [...COSTS, TO_MILLPOND], rows: rowsOf(result, { values, ratios: usualRatios('cpu', SMALLEST).slice(1) }), targets: [],
  };
}

function values(measured: readonly AloneMeasured[]): Values {
  return {
    cpu: measured.map(({ cpuNs }) => cpuNs), wall: measured.map(({ wallNs }) => wallNs), bytes: measured.map(({ bytes }) => bytes),
  };
}
