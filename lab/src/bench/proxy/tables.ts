// The tables of this chapter: throughput and CPU of each contender under each load, and both beside PgBouncer's, round by round.

import type { Column, Figure, Row, Section, Target } from '../chapter.ts';
import type { Taken } from '../harness/rounds.ts';
import { figure, ratio, target } from '../harness/statistics.ts';
import type { Measured } from './loads.ts';
import type { Contender } from './poolers.ts';

/** One load of a section: a group of columns. */
export interface Group {
  readonly id: string;
  /** '64 clients' */
  readonly head: string;
  readonly taken: readonly Taken<Contender, Measured>[];
  /** Where a contender has no part in it. */
  readonly absent?: ReadonlyMap<string, string>;
  /** CPU per operation, × PgBouncer, at most. */
  readonly mostCpu: number;
}

export interface Table {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  /** 'transactions', 'MB' */
  readonly unit: string;
  readonly groups: readonly Group[];
}

export function sectionOf({ id, title, note, unit, groups }: Table): Section {
  const contenders = groups[0]!.taken.map(({ contender }) => contender);
  const [first] = groups;
  return {
    id, title, note, columns: groups.flatMap((group) => columnsOf(group, unit)),
    rows: contenders.map((contender) => rowOf(contender, groups)),
    charts: [{
      kind: 'bars', title, subtitle: `CPU of the pooler in µs, ${first!.head}, less is better`, column: `${first!.id}-cpu`,
    }],
    targets: groups.flatMap((group) => targetsOf(group, title)),
  };
}

function columnsOf({ id, head }: Group, unit: string): Column[] {
  return [
    { id: `${id}-rate`, head: `${head}, ${unit}/s`, unit: '/s', about: `${unit} per second`, better: 'more' },
    { id: `${id}-rateTo`, head: `${head}, × PgBouncer`, unit: '×', about: 'throughput compared with PgBouncer\'s, round by round' },
    { id: `${id}-cpu`, head: `${head}, CPU`, unit: 'µs', about: `CPU time of the pooler for each of the ${unit}`, better: 'less' },
    { id: `${id}-cpuTo`, head: `${head}, CPU × PgBouncer`, unit: '×', about: 'CPU compared with PgBouncer\'s, round by round' },
  ];
}

function rowOf(contender: Contender, groups: readonly Group[]): Row {
  const cells: Record<string, Figure | undefined> = {};
  const words: Record<string, string> = {};
  const failures: string[] = [];
  for (const group of groups) {
    const mine = seriesOf(group, contender.id);
    const theirs = seriesOf(group, 'pgbouncer');
    cells[`${group.id}-rate`] = figure(mine.map(({ perSecond }) => perSecond));
    cells[`${group.id}-cpu`] = figure(mine.map(({ cpuUs }) => cpuUs));
    if (contender.id !== 'pgbouncer') {
      cells[`${group.id}-rateTo`] = ratio(mine.map(({ perSecond }) => perSecond), theirs.map(({ perSecond }) => perSecond));
      cells[`${group.id}-cpuTo`] = ratio(mine.map(({ cpuUs }) => cpuUs), theirs.map(({ cpuUs }) => cpuUs));
    }
    const absent = group.absent?.get(contender.id);
    if (absent !== undefined) words[`${group.id}-rate`] = absent;
    const failed = group.taken.find((one) => one.contender.id === contender.id)?.failed;
    if (failed !== undefined) failures.push(`${group.head}: ${reasonOf(failed)}`);
  }
  const { name, about, lacks, ours, reference = false } = contender;
  return {
    contender: name, about, lacks, ours, reference, cells, words, ...(failures.length === 0 ? {} : { failed: failures.join('; ') }),
  };
}

function targetsOf(group: Group, title: string): Target[] {
  const theirs = seriesOf(group, 'pgbouncer');
  return group.taken.filter(({ contender }) => contender.ours).flatMap(({ contender, measured }) => target(
    `${title}, ${group.head}: CPU of ${contender.name}, at most ${group.mostCpu} × PgBouncer's`, 'atMost',
    ratio(measured.map(({ cpuUs }) => cpuUs), theirs.map(({ cpuUs }) => cpuUs))?.median, group.mostCpu,
  ));
}

function seriesOf({ taken }: Group, id: string): readonly Measured[] {
  return taken.find(({ contender }) => contender.id === id)?.measured ?? [];
}

export function reasonOf(failed: unknown): string {
  return failed instanceof Error ? failed.message.split('\n')[0]! : String(failed);
}
