// Why a pool's size is a control knob: the same callers over 1 to 200 connections. Where the server works all the time, a handful of
// connections serves best and every more is a process that gets in the others' way; where it waits, each connection waits for one.
// On the charts a connection per request and one shared client are the two ways to have no knob.
import type { Figure, LineChart, LineSeries, Row, Section } from '../chapter.ts';
import type { Taken } from '../harness/rounds.ts';
import { figure } from '../harness/statistics.ts';
import type { Contender } from './contenders/contender.ts';
import { both, plain } from './contenders/millpond.ts';
import { pgPool } from './contenders/pools-on-pg.ts';
import { connectionEach, sharedClient } from './contenders/without-pool.ts';
import { introduce, PER_SECOND, reason, type Stage } from './stage.ts';
import type { StatementName } from './workload.ts';

/** Answers per second by size; 0 stands for those without a size. */
type BySize = Readonly<Record<number, Readonly<Record<Kind, number>>>>;
type Kind = 'byKey' | 'pause';

const KINDS: readonly { readonly kind: Kind; readonly words: string }[] = [
  { kind: 'byKey', words: 'a row by its key' },
  { kind: 'pause', words: 'a row by its key and 1 ms of waiting at the server' },
];

/** Callers for each connection, where the server waits: enough to keep it busy, and few enough to be gone soon. */
const BUSY = 4;
const FEWEST = 20;

function callersFor(statement: StatementName, size: number, most: number): number {
  return statement === 'pause' ? Math.min(most, Math.max(FEWEST, BUSY * size)) : most;
}

export async function sizes(stage: Stage): Promise<Section[]> {
  const contenders = stage.chosen([connectionEach, sharedClient, pgPool, plain, both]);
  const taken = await stage.turns('sizes', contenders, async (station, contender, round) => {
    const sized = hasSize(contender);
    const results: Record<number, Record<Kind, number>> = {};
    // The warm-up is about machine code, and one size warms it for all.
    for (const size of sized ? stage.plan.sizes.slice(round === 0 ? -1 : 0) : [0]) {
      const measure = async (statement: StatementName): Promise<number> => {
        const callers = Math.min(contender.callers ?? Infinity, callersFor(statement, size, stage.plan.sizeCallers));
        const times = { warmUpAnswers: 20, measureMs: stage.plan.measureMs * 0.8 };
        return (await stage.load(station, { statement, callers, ...times })).perSecond;
      };
      // Where connects are not what is measured, they need not cost a password each.
      const options = sized ? { size, trusted: true } : {};
      results[size] = await stage.visit(station, contender, async () => ({
        byKey: await measure('byKey'), pause: await measure('pause'),
      }), options);
    }
    return results;
  });
  return KINDS.map(({ kind, words }) => section(stage, taken, kind, words));
}

function section(stage: Stage, taken: readonly Taken<Contender, BySize>[], kind: Kind, words: string): Section {
  const { sizes: all, sizeCallers } = stage.plan;
  const crowd = kind === 'byKey' ? `${sizeCallers} callers` : `${BUSY} callers for each of them (from ${FEWEST} to ${sizeCallers})`;
  return {
    id: `pg-sizes-${kind === 'byKey' ? 'busy' : 'waiting'}`,
    title: `Pool sizes: ${words}`,
    note: `Answers per second by the number of connections, to ${crowd} who ask all the time.`,
    columns: all.map((size) => ({ id: `size-${size}`, head: String(size), ...PER_SECOND })),
    rows: taken.map((each) => rowOf(each, all, kind)),
    charts: [chart(stage, taken, kind, words)],
    targets: [],
  };
}

function rowOf({ contender, measured, failed }: Taken<Contender, BySize>, all: readonly number[], kind: Kind): Row {
  const intro = introduce(contender);
  const row = hasSize(contender) ? { ...intro, contender: withoutSize(contender.name) } : intro;
  if (failed !== undefined) return { ...row, cells: {}, failed: reason(failed) };
  if (hasSize(contender)) return { ...row, cells: Object.fromEntries(all.map((size) => [`size-${size}`, rates(measured, size, kind)])) };
  // One figure, under the size that it is nearest to.
  const nearest = all.reduce((best, size) => (Math.abs(size - contender.size) < Math.abs(best - contender.size) ? size : best));
  return { ...row, cells: { [`size-${nearest}`]: rates(measured, 0, kind) } };
}

function chart(stage: Stage, taken: readonly Taken<Contender, BySize>[], kind: Kind, words: string): LineChart {
  const { sizes: all, sizeCallers } = stage.plan;
  const series = taken.flatMap(({ contender, measured }): LineSeries[] => {
    const points = all.flatMap((size) => {
      const rate = rates(measured, hasSize(contender) ? size : 0, kind);
      return rate === undefined ? [] : [{ x: size, y: rate.median }];
    });
    return points.length === 0 ? [] : [{ name: withoutSize(contender.name), ours: contender.ours, points }];
  });
  return {
    kind: 'lines',
    title: `Why a pool's size is a control knob: ${words}`,
    subtitle: `answers per second, up to ${sizeCallers} callers; flat lines: without a pool`,
    xTitle: 'connections',
    yUnit: '/s',
    logarithmic: false,
    series,
  };
}

function rates(measured: readonly BySize[], size: number, kind: Kind): Figure | undefined {
  return figure(measured.map((bySize) => bySize[size]?.[kind] ?? NaN));
}

function hasSize({ id }: Contender): boolean {
  return id !== connectionEach.id && id !== sharedClient.id;
}

function withoutSize(name: string): string {
  return name.replace(', max 10', '');
}
