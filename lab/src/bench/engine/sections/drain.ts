// The table of deep queues: what a waiter costs when a thousand to a million of them are served one after the other.
import type { BenchContext, LineSeries, Section } from '../../chapter.ts';
import { figure, target } from '../../harness/statistics.ts';
import { TooSlow } from '../../harness/station.ts';
import { MILLPOND, SMALLEST } from '../contenders.ts';
import type { DrainMeasured } from '../scenarios/drain.ts';
import type { Contestant } from '../../harness/rounds.ts';
import type { Contender } from '../contenders.ts';
import { medianOf, roundsNote, rowsOf, take, usualRatios, type Result } from './taking.ts';

type ByDepth = ReadonlyMap<number, number>;

const FULL = [1000, 10_000, 100_000, 1_000_000] as const;
const QUICK = [1000, 10_000, 100_000] as const;
/** Of CPU. A million waiters take even the best of them seconds; whoever walks the queue is not asked that. */
const limitMs = (depth: number): number => depth >= 1_000_000 ? 8000 : 3000;
const overWords = (depth: number): string => `over ${limitMs(depth) / 1000} s of CPU`;
/** What took longer is measured once. */
const ONCE_MS = 1500;
const HEADS: Readonly<Record<number, string>> = { 1000: '1 000', 10_000: '10 000', 100_000: '100 000', 1_000_000: '1 000 000' };

export async function drainSection(context: BenchContext): Promise<Section> {
  const depths: readonly number[] = context.quick ? QUICK : FULL;
  const limits = new Limits();
  const result = await take<ByDepth>({
    context, section: 'drain', budgetMs: 40_000, warmUp: ({ station }) => station.ask({ step: 'measure', given: 1000 }),
    measure: (contestant) => oneRound(contestant, depths, limits),
  });
  const deepest = depths.at(-1) ?? 0;
  const ratios = usualRatios(`d${depths[2]}`, SMALLEST);
  return {
    id: 'drain', title: 'Draining a queue of waiters',
    note: `Everything is lent, so many callers wait, then everything is given back: ns of CPU per waiter until the last has been served. `
      + `Ratios at ${HEADS[100_000]}. "Over 3 s of CPU" (at a million 8 s): queueing and draining took more, or would at the rate `
      + `of the depth before. What takes over 1.5 s is measured once.${roundsNote(result)}`,
    columns: [
      ...depths.map((depth) => ({
        id: `d${depth}`, head: `${HEADS[depth]} waiters,`, unit: 'ns' as const,
        about: `CPU per waiter, ${HEADS[depth]} waiting`, better: 'less' as const,
      })),
      { id: 'toFloor', head: '× smallest', unit: '×', about: 'compared with the smallest correct pool, round by round' },
      { id: 'toMillpond', head: '× millpond', unit: '×', about: 'compared with millpond, round by round' },
    ],
    rows: rowsOf(result, {
      values: (measured) => Object.fromEntries(depths.map((depth) => [`d${depth}`, measured.flatMap((one) => one.get(depth) ?? [])])),
      words: (id) => Object.fromEntries(depths.filter((depth) => limits.over(id, depth)).map((depth) => [`d${depth}`, limits.words(id)])),
      ratios,
    }),
    charts: [{
      kind: 'lines', title: 'Draining', subtitle: 'ns of CPU per waiter: who walks the queue?', xTitle: 'waiters', yUnit: 'ns',
      logarithmic: true, series: series(result, depths),
    }],
    targets: flatness(result, deepest),
  };
}

/** What took too long, and what need not be done again. */
class Limits {
  readonly #over = new Map<string, number>();
  readonly #words = new Map<string, string>();
  readonly #once = new Set<string>();

  over(id: string, depth: number): boolean {
    return depth >= (this.#over.get(id) ?? Infinity);
  }

  words(id: string): string {
    return this.#words.get(id) ?? '–';
  }

  tooDeep(id: string, depth: number, words: string): void {
    if (!this.#words.has(id)) this.#words.set(id, words);
    this.#over.set(id, Math.min(depth, this.#over.get(id) ?? Infinity));
  }

  done(id: string, depth: number, tookMs: number): void {
    if (tookMs > ONCE_MS) this.#once.add(`${id} ${depth}`);
  }

  skips(id: string, depth: number): boolean {
    return this.over(id, depth) || this.#once.has(`${id} ${depth}`);
  }
}

async function oneRound(contestant: Contestant<Contender>, depths: readonly number[], limits: Limits): Promise<ByDepth> {
  const { id } = contestant.contender;
  const found = new Map<number, number>();
  for (const [index, depth] of depths.entries()) {
    if (limits.skips(id, depth)) continue;
    let tookMs: number;
    try {
      const { cpuNs, totalMs } = await contestant.station.ask<DrainMeasured>({ step: 'measure', given: depth }, {
        cpuMs: limitMs(depth), wallMs: 4 * limitMs(depth),
      });
      found.set(depth, cpuNs);
      tookMs = totalMs;
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
      limits.tooDeep(id, depth, error.words);
      contestant.reopen();
      break;
    }
    limits.done(id, depth, tookMs);
    const next = depths[index + 1];
    // A queue cannot be drained faster per waiter for being deeper.
    if (next !== undefined && depth >= 10_000 && (tookMs * next) / depth > limitMs(next)) limits.tooDeep(id, next, overWords(next));
  }
  return found;
}

function series(result: Result<ByDepth>, depths: readonly number[]): LineSeries[] {
  return result.map(({ contender, measured }) => ({
    name: contender.name, ours: contender.ours,
    points: depths.flatMap((depth) => {
      const found = figure(measured.flatMap((one) => one.get(depth) ?? []));
      return found === undefined ? [] : [{ x: depth, y: found.median }];
    }),
  })).filter(({ points }) => points.length > 0);
}

/** Flat: a waiter costs at the deepest no more than half again what it costs at a thousand. */
function flatness(result: Result<ByDepth>, deepest: number): Section['targets'] {
  const growth = (id: string): number | undefined => {
    const at = (depth: number): number | undefined => medianOf(result, id, (one) => one.get(depth) ?? NaN);
    const [shallow, deep] = [at(1000), at(deepest)];
    return shallow === undefined || deep === undefined ? undefined : deep / shallow;
  };
  const text = `a waiter among ${HEADS[deepest]} costs, compared with one among 1 000, at most 1.5 times`;
  return target(text, 'atMost', growth(MILLPOND), 1.5);
}
