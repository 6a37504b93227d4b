// The tables of contention: 64 and 1000 workers on ten resources, and what one acquire waits among the thousand.
import type { BenchContext, Column, Section } from '../../chapter.ts';
import { target } from '../../harness/statistics.ts';
import { FLOOR, MILLPOND, SMALLEST } from '../contenders.ts';
import type { CrowdMeasured } from '../scenarios/contended.ts';
import { aheadOfPeers, ratioBetween, roundsNote, rowsOf, take, type Result } from './taking.ts';

const HOP = 'Each worker acquires, works for one microtask, releases, and does it again; ten resources.';

function costColumns(workers: string): Column[] {
  return [
    { id: 'cpu', head: 'CPU', unit: 'ns', about: `CPU time per acquire and release among ${workers} workers`, better: 'less' },
    { id: 'wall', head: 'wall', unit: 'ns', about: 'time that passed per acquire and release', better: 'less' },
    { id: 'toFloor', head: '× floor', unit: '×', about: 'CPU compared with the await in the same loop, round by round' },
    { id: 'toSmallest', head: '× smallest', unit: '×', about: 'CPU compared with the smallest correct pool, round by round' },
    { id: 'toMillpond', head: '× millpond', unit: '×', about: 'CPU compared with millpond, round by round' },
  ];
}

const RATIOS = [
  { id: 'toFloor', of: 'cpu', to: FLOOR }, { id: 'toSmallest', of: 'cpu', to: SMALLEST }, { id: 'toMillpond', of: 'cpu', to: MILLPOND },
] as const;

export async function contendedSections(context: BenchContext): Promise<Section[]> {
  const result = await take<CrowdMeasured>({ context, section: 'contended', budgetMs: 40_000 });
  return [few(result), many(result)];
}

function few(result: Result<CrowdMeasured>): Section {
  const cost = (one: CrowdMeasured): number => one.few.cpuNs;
  return {
    id: 'few', title: '64 workers on ten resources', note: `${HOP}${roundsNote(result)}`, columns: costColumns('64'),
    rows: rowsOf(result, {
      values: (measured) => ({ cpu: measured.map(cost), wall: measured.map((one) => one.few.wallNs) }), ratios: RATIOS,
    }),
    targets: contentionTargets(result, '64 workers', cost),
  };
}

function many(result: Result<CrowdMeasured>): Section {
  const cost = (one: CrowdMeasured): number => one.many.cpuNs;
  const late = (one: CrowdMeasured): number => one.latency.p999;
  return {
    id: 'many', title: '1000 workers on ten resources',
    note: `${HOP} The percentiles are those of one acquire, from a pass of their own.${roundsNote(result)}`,
    columns: [
      ...costColumns('1000'),
      { id: 'p50', head: 'p50', unit: 'µs', about: 'half of all acquires waited less', better: 'less' },
      { id: 'p99', head: 'p99', unit: 'µs', about: '99 % of all acquires waited less', better: 'less' },
      { id: 'p999', head: 'p99.9', unit: 'µs', about: '99.9 % of all acquires waited less', better: 'less' },
    ],
    rows: rowsOf(result, {
      values: (measured) => ({
        cpu: measured.map(cost), wall: measured.map((one) => one.many.wallNs), p50: measured.map((one) => one.latency.p50),
        p99: measured.map((one) => one.latency.p99), p999: measured.map(late),
      }),
      ratios: RATIOS,
    }),
    charts: [
      { kind: 'bars', title: '1000 workers', subtitle: 'ns of CPU per acquire and release', column: 'cpu' },
      { kind: 'bars', title: 'The unlucky ones', subtitle: 'p99.9 of one acquire among 1000 workers, µs', column: 'p999' },
    ],
    targets: [
      ...contentionTargets(result, '1000 workers', cost),
      ...target('p99.9 among 1000 workers at most 1.3 times the smallest pool\'s', 'atMost',
        ratioBetween(result, MILLPOND, SMALLEST, late), 1.3),
    ],
  };
}

function contentionTargets(result: Result<CrowdMeasured>, who: string, cost: (one: CrowdMeasured) => number): Section['targets'] {
  return [
    ...target(`${who}: at most 2 times the smallest pool`, 'atMost', ratioBetween(result, MILLPOND, SMALLEST, cost), 2),
    ...target(`${who}: times faster than any peer, at least 3`, 'atLeast', aheadOfPeers(result, cost, () => true), 3),
  ];
}
