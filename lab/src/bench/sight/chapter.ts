// Sight: what it costs to be looked at. The same pool and the same loops as in the chapter of the engine, with somebody who looks.
import type { BenchContext, Chapter, ChapterResult, Column, Row, Section, Target } from '../chapter.ts';
import { inRounds, type Taken } from '../harness/rounds.ts';
import { Station } from '../harness/station.ts';
import { figure, ratio, target } from '../harness/statistics.ts';
import { versionOf } from '../machine.ts';
import { NOBODY, WATCHERS, type Watcher } from './watchers.ts';
import type { SightMeasured } from './worker.ts';

const WORKER = new URL('worker.js', import.meta.url);
const ROUNDS = 7;
const QUICK_ROUNDS = 2;
const BUDGET_MS = 25_000;
const about = 'What an acquire and release costs while somebody looks: exporters, channels, stacks. The resource does no I/O.';

const NOTES: readonly string[] = [
  'Each has a process of its own, in turns; "× nobody" is the CPU time compared with that of a pool nobody looks at, round by round.',
  'An acquire and release of a connection to a server costs some ten thousand nanoseconds more: what is added here is added once to that.',
  'Nobody exports while the loops run; what one scrape or collection costs is in columns of its own, CPU time.',
];

const COLUMNS: readonly Column[] = [
  { id: 'alone', head: 'alone, CPU', unit: 'ns', about: 'CPU time per acquire and release, nobody else there', better: 'less' },
  { id: 'aloneToNobody', head: 'alone, × nobody', unit: '×', about: 'compared with a pool nobody looks at' },
  { id: 'crowd', head: '64 workers, CPU', unit: 'ns', about: 'CPU time per acquire and release, 64 on ten resources', better: 'less' },
  { id: 'crowdToNobody', head: '64 workers, × nobody', unit: '×', about: 'compared with a pool nobody looks at' },
  { id: 'collect', head: 'a scrape, 1 pool', unit: 'µs', about: 'CPU time of one scrape or collection', better: 'less' },
  { id: 'collectMany', head: 'a scrape, 101 pools', unit: 'µs', about: 'the same with a hundred idle pools beside', better: 'less' },
];

type Result = readonly Taken<Watcher, SightMeasured>[];

function take(context: BenchContext, watchers: readonly Watcher[]): Promise<Result> {
  const { quick, rounds = quick ? QUICK_ROUNDS : ROUNDS, signal } = context;
  return inRounds<Watcher, SightMeasured>({
    contenders: watchers, rounds, signal,
    ...(context.rounds === undefined ? { budgetMs: BUDGET_MS } : {}),
    open: ({ id }) => new Station(WORKER, { args: [id, quick ? 'quick' : 'full'], execArgv: ['--expose-gc'], signal }),
    warmUp: ({ station }) => station.ask({ step: 'warmUp' }),
    measure: ({ station }) => station.ask<SightMeasured>({ step: 'measure' }),
    progress: ({ name }, round) => context.progress(`${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}, ${name}`),
  });
}

function rowsOf(result: Result): Row[] {
  const base = result.find(({ contender }) => contender.id === NOBODY)?.measured ?? [];
  return result.map(({ contender, measured, failed }) => {
    const numbers = (value: (one: SightMeasured) => number | undefined): number[] => measured.map((one) => value(one) ?? NaN);
    const toNobody = (value: (one: SightMeasured) => number): ReturnType<typeof ratio> => ratio(measured.map(value), base.map(value));
    return {
      contender: contender.name, ours: contender.ours, lacks: '', reference: contender.id === NOBODY,
      about: `${contender.from.map((name) => `${name} ${versionOf(name)}`).join(', ')}: ${contender.configuration}`,
      cells: {
        alone: figure(numbers(({ aloneNs }) => aloneNs)), aloneToNobody: toNobody(({ aloneNs }) => aloneNs),
        crowd: figure(numbers(({ crowdNs }) => crowdNs)), crowdToNobody: toNobody(({ crowdNs }) => crowdNs),
        collect: figure(numbers(({ collectUs }) => collectUs)), collectMany: figure(numbers(({ collectManyUs }) => collectManyUs)),
      },
      ...(failed === undefined ? {} : { failed: reasonOf(failed) }),
    };
  });
}

function reasonOf(failed: unknown): string {
  return failed instanceof Error ? failed.message.split('\n')[0]! : 'it failed';
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const result = await take(context, WATCHERS.filter(({ id }) => context.only.length === 0 || context.only.includes(id)));
  const rows = rowsOf(result);
  const alone = (name: string): number[] =>
    result.find(({ contender }) => contender.id === name)?.measured.map(({ aloneNs }) => aloneNs) ?? [];
  const atMostTwice = (name: string, id: string): Target[] =>
    target(`an acquire recorded for ${name}, alone, × nobody, at most`, 'atMost', ratio(alone(id), alone(NOBODY))?.median, 2);
  const section: Section = {
    id: 'sight', title: 'Acquire and release while somebody looks',
    note: 'Ten resources; alone one caller, then 64 workers that hold one microtask.',
    columns: COLUMNS, rows,
    charts: [{ kind: 'bars', title: 'Being looked at', subtitle: 'CPU ns per acquire and release, alone', column: 'alone' }],
    targets: [...atMostTwice('millpond/prometheus', 'prometheus'), ...atMostTwice('poolMetrics of millpond/otel', 'otel-producer'),
      ...atMostTwice('millpond/console with a viewer', 'console')],
  };
  const failures = rows.flatMap(({ contender, failed }) => failed === undefined ? [] : [`${contender}: ${failed}`]);
  return { name: 'sight', title: sightChapter.title, about, sections: [section], notes: NOTES, failures };
}

export const sightChapter: Chapter = {
  name: 'sight', title: 'Sight: what it costs to be looked at', about, contenders: WATCHERS.map(({ id }) => id), run,
};
