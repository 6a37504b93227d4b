// What every section does: run its contenders in rounds, each in a worker of its own, and make rows of what came back.
import type { BenchContext, Figure, Row, Section } from '../../chapter.ts';
import { inRounds, type Contestant, type Taken } from '../../harness/rounds.ts';
import { Station } from '../../harness/station.ts';
import { figure, ratio } from '../../harness/statistics.ts';
import { aboutOf, contendersOf, FLOOR, MILLPOND, SMALLEST, type Contender, type SectionId } from '../contenders.ts';

const WORKER = new URL('../worker.js', import.meta.url);
const HEAP_MB = 6000;
/** The first section, in which all take part: there each shows that it is a pool. */
const PROVING: SectionId = 'uncontended';

export interface Taking<M> {
  readonly context: BenchContext;
  readonly section: SectionId;
  /** Default: the engine's, as far as they were asked for. */
  readonly contenders?: readonly Contender[];
  readonly budgetMs: number;
  /** Asked of each before the first round. Default: the worker's own warm-up. */
  warmUp?(contestant: Contestant<Contender>): Promise<unknown>;
  /** Default: the worker's `measure`. */
  measure?(contestant: Contestant<Contender>): Promise<M | undefined>;
}

export type Result<M> = readonly Taken<Contender, M>[];

const ROUNDS = 5;
const QUICK_ROUNDS = 2;

export function take<M>({ context, section, contenders, budgetMs, warmUp, measure }: Taking<M>): Promise<Result<M>> {
  const { quick, rounds = quick ? QUICK_ROUNDS : ROUNDS, only, signal } = context;
  return inRounds<Contender, M>({
    contenders: contenders ?? contendersOf(section, only), rounds, signal,
    // Rounds that were asked for are run, however long it takes.
    ...(context.rounds === undefined ? { budgetMs } : {}),
    open: (contender) => new Station(WORKER, {
      args: [contender.id, section, quick ? 'quick' : 'full', ...(section === PROVING ? ['prove'] : [])],
      execArgv: ['--expose-gc', `--max-old-space-size=${HEAP_MB}`],
      signal,
    }),
    warmUp: warmUp ?? (({ station }) => station.ask({ step: 'warmUp' })),
    measure: measure ?? (({ station }) => station.ask<M>({ step: 'measure' })),
    progress: ({ name }, round) => {
      context.progress(`${section}: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}, ${name}`);
    },
  });
}

/** Nothing to warm up: the first question is the first that counts. */
export function cold(): Promise<void> {
  return Promise.resolve();
}

/** By column, the figures of one contender: one value per round. */
export type Values = Readonly<Record<string, readonly number[]>>;

export interface RowsPlan<M> {
  values(measured: readonly M[]): Values;
  /** Words for cells that have no figure, by contender. */
  words?(id: string): Readonly<Record<string, string>>;
  /** Ratio columns: their id, the column they are about, and to whom. */
  readonly ratios?: readonly RatioColumn[];
}

export interface RatioColumn {
  readonly id: string;
  readonly of: string;
  readonly to: string;
}

export function rowsOf<M>(result: Result<M>, plan: RowsPlan<M>): Row[] {
  const values = new Map(result.map(({ contender, measured }) => [contender.id, plan.values(measured)]));
  return result.map(({ contender, failed }) => {
    const own = values.get(contender.id) ?? {};
    const cells: Record<string, Figure | undefined> = {};
    for (const [column, numbers] of Object.entries(own)) cells[column] = figure(numbers);
    for (const { id, of, to } of plan.ratios ?? []) {
      const base = values.get(to)?.[of];
      if (base !== undefined && own[of] !== undefined) cells[id] = ratio(own[of], base);
    }
    return {
      contender: contender.name, about: aboutOf(contender), lacks: contender.lacks, ours: contender.ours, cells,
      reference: contender.id === FLOOR || contender.id === SMALLEST,
      ...(plan.words === undefined ? {} : { words: plan.words(contender.id) }),
      ...(failed === undefined ? {} : { failed: reasonOf(failed) }),
    };
  });
}

/** The two ratio columns that nearly every table has. */
export function usualRatios(of: string, base: typeof FLOOR | typeof SMALLEST): RatioColumn[] {
  return [{ id: 'toFloor', of, to: base }, { id: 'toMillpond', of, to: MILLPOND }];
}

/** The median ratio of one contender to another in a column, round by round. Undefined where one of them is not there. */
export function ratioBetween<M>(result: Result<M>, of: string, to: string, value: (one: M) => number): number | undefined {
  const numbers = (id: string): number[] => result.find(({ contender }) => contender.id === id)?.measured.map(value) ?? [];
  return ratio(numbers(of), numbers(to))?.median;
}

/** The least of the medians of all peers that `counts`, divided by millpond's: how many times faster we are than the fastest of them. */
export function aheadOfPeers<M>(result: Result<M>, value: (one: M) => number, counts: (peer: Contender) => boolean): number | undefined {
  const ratios = result
    .filter(({ contender }) => !contender.ours && contender.id !== FLOOR && contender.id !== SMALLEST && counts(contender))
    .flatMap(({ contender }) => ratioBetween(result, contender.id, MILLPOND, value) ?? []);
  return ratios.length === 0 ? undefined : Math.min(...ratios);
}

export function medianOf<M>(result: Result<M>, id: string, value: (one: M) => number): number | undefined {
  return figure(result.find(({ contender }) => contender.id === id)?.measured.map(value) ?? [])?.median;
}

/** 'generic-pool (drain): no answer within 60 s' for each that failed. */
export function failuresOf(section: Section): string[] {
  return section.rows.flatMap((row) => row.failed === undefined ? [] : [`${row.contender} (${section.id}): ${row.failed}`]);
}

/** 'Medians of 5 rounds.' */
export function roundsNote<M>(result: Result<M>): string {
  const counts = result.map(({ measured }) => measured.length).filter((count) => count > 0);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (counts.length === 0) return '';
  const rounds = least === most ? `${most}` : `${least} to ${most}`;
  return ` ${most === 1 ? 'One round' : `${rounds} rounds`}, in turns.`;
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? text;
}
