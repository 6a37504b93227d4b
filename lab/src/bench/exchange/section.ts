// A section about one kind of exchange: its contenders in rounds, each in a worker of its own, and the table that comes of it.
import type { BenchContext, Column, Figure, Row, Section, Target } from '../chapter.ts';
import { inRounds, type Taken } from '../harness/rounds.ts';
import { Station } from '../harness/station.ts';
import { figure, ratio, target } from '../harness/statistics.ts';
import { serverCpuMs } from '../postgres/server-cpu.ts';
import type { LoadResult } from '../tcp/load.ts';
import type { Contender } from './contender.ts';
import type { ListName } from './lists.ts';
import type { Order } from './worker.ts';

const WORKER = new URL('./worker.js', import.meta.url);
const ROUNDS = 5;
const MEASURE_MS = 200;
const QUICK_MS = 80;
/** The warm-up lasts for so many answers, until the machine code is what it will be, but no longer than so many rounds. */
const WARM_UP_ANSWERS = 20_000;
const WARM_UP_ROUNDS = 8;
const SECTION_BUDGET_MS = 16_000;

export interface Measured extends LoadResult {
  readonly serverUs: number | undefined;
}

export type Result<P> = readonly Taken<Contender<P>, Measured>[];

export interface Exchanges<P> {
  readonly list: ListName;
  readonly contenders: readonly Contender<P>[];
  /** In the line of progress. */
  readonly what: string;
  readonly place: P;
  readonly pid: number | undefined;
  readonly size: number;
  readonly callers: number;
}

export function takeExchanges<P>(context: BenchContext, plan: Exchanges<P>): Promise<Result<P>> {
  const { quick, signal } = context;
  const measureMs = quick ? QUICK_MS : MEASURE_MS;
  const load = async (station: Station, { callers = plan.callers }: Contender<P>, ms: number): Promise<Measured> => {
    const before = serverCpuMs(plan.pid);
    const options = { callers, measureMs: ms };
    const result = await station.ask<LoadResult>({ do: 'load', options } satisfies Order);
    const after = serverCpuMs(plan.pid);
    return { ...result, serverUs: before === undefined || after === undefined ? undefined : ((after - before) * 1000) / result.answers };
  };
  return inRounds<Contender<P>, Measured>({
    contenders: plan.contenders, rounds: context.rounds ?? (quick ? 1 : ROUNDS), signal,
    // Rounds that were asked for are run, however long it takes.
    ...(context.rounds === undefined ? { budgetMs: SECTION_BUDGET_MS } : {}),
    open: ({ id }) => new Station(WORKER, { args: [plan.list, id], signal }),
    async warmUp({ station, contender }) {
      await station.ask({ do: 'open', place: plan.place, size: plan.size } satisfies Order);
      const most = quick || contender.callers !== undefined ? 1 : WARM_UP_ROUNDS; // who connects each time is never warm
      let answers = 0;
      for (let round = 0; round < most && answers < WARM_UP_ANSWERS; round += 1) {
        answers += (await load(station, contender, measureMs)).answers;
      }
    },
    async measure({ station, contender }) {
      // While the others had their turns a pool may have closed what was idle, or will look at it first: not what is measured here.
      await load(station, contender, measureMs / 2);
      return load(station, contender, measureMs);
    },
    progress: ({ name }, round) => context.progress(`${plan.what}: ${round === 0 ? 'warming up' : `round ${round}`}, ${name}`),
  });
}

const COLUMNS: readonly Column[] = [
  { id: 'perSecond', head: 'answers/s', unit: '/s', about: 'in all', better: 'more' },
  { id: 'client', head: 'client CPU', unit: 'µs', about: 'CPU time of the process that asks, per answer', better: 'less' },
  { id: 'server', head: 'server CPU', unit: 'µs', about: 'CPU time of the server, per answer', better: 'less' },
  { id: 'p50', head: 'p50', unit: 'ms', about: 'half of the answers came within', better: 'less' },
  { id: 'p99', head: 'p99', unit: 'ms', about: '99 of 100 answers came within', better: 'less' },
];

export function exchangeSection<P>(
  result: Result<P>, { callers }: Pick<Exchanges<P>, 'callers'>, words: Pick<Section, 'id' | 'title' | 'note' | 'targets'>,
): Section {
  return {
    ...words, columns: COLUMNS, rows: result.map(rowOf),
    charts: [{ kind: 'bars', title: words.title, subtitle: `answers per second, ${callers} callers, more is better`, column: 'perSecond' }],
  };
}

function rowOf<P>({ contender, measured, failed }: Taken<Contender<P>, Measured>): Row {
  const { name, about, lacks, ours } = contender;
  const of = (value: (one: Measured) => number | undefined): Figure | undefined => figure(measured.map((one) => value(one) ?? NaN));
  return {
    contender: name, about, lacks, ours,
    cells: {
      perSecond: of(({ perSecond }) => perSecond), client: of(({ clientUs }) => clientUs), server: of(({ serverUs }) => serverUs),
      p50: of(({ p50Ms }) => p50Ms), p99: of(({ p99Ms }) => p99Ms),
    },
    ...(failed === undefined ? {} : { failed: (failed as Error).message.split('\n')[0]! }),
  };
}

/** Ours answers at least `least` times as often as theirs; by id, round by round. */
export function atLeast<P>(result: Result<P>, text: string, [ours, theirs]: readonly [string, string], least: number): Target[] {
  const series = (id: string): number[] =>
    result.find(({ contender }) => contender.id === id)?.measured.map(({ perSecond }) => perSecond) ?? [];
  return target(text, 'atLeast', ratio(series(ours), series(theirs))?.median, least);
}

export function chosen<P>(contenders: readonly Contender<P>[], { only }: BenchContext): Contender<P>[] {
  return contenders.filter(({ id }) => only.length === 0 || only.includes(id));
}

export function failuresOf(sections: readonly Section[]): string[] {
  return sections.flatMap(({ id, rows }) =>
    rows.flatMap(({ contender, failed }) => failed === undefined ? [] : [`${contender} (${id}): ${failed}`]));
}

/** What the chapter says instead of figures where the programs of its server are missing. */
export function leftOut(chapter: string, what: string, packages: string): string {
  const words = `Left out: ${what} is not on this machine (Debian, Ubuntu: apt-get install ${packages}; no service needs to run).`;
  process.stderr.write(`\n!!! ${chapter}: ${words}\n`);
  return words;
}
