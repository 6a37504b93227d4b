// The tables of waiters who leave: all of them out of time in one moment, or sent away by their signals.
import type { BenchContext, Section } from '../../chapter.ts';
import type { Contestant } from '../../harness/rounds.ts';
import { TooSlow } from '../../harness/station.ts';
import { target } from '../../harness/statistics.ts';
import { MILLPOND, type Contender } from '../contenders.ts';
import type { AbortsMeasured } from '../scenarios/aborts.ts';
import type { TimeoutsMeasured, TimeoutsPlan } from '../scenarios/timeouts.ts';
import { medianOf, roundsNote, rowsOf, take } from './taking.ts';

const WAITERS = { full: 100_000, quick: 10_000 } as const;
/** To warm up with. */
const FEW = 3000;
/** Queueing included. */
const PATIENCE = { cpuMs: 3000, wallMs: 12_000 };
const STALL = {
  id: 'stall', head: 'longest stall', unit: 'ms', about: 'the longest time in which nothing else in the process could run', better: 'less',
} as const;
const CPU = {
  id: 'cpu', head: 'CPU per waiter', unit: 'ns', about: 'CPU time from the moment until the last has been told', better: 'less',
} as const;
const LATE = {
  id: 'late', head: 'last told after', unit: 'ms', about: 'from the deadline to the last waiter told', better: 'less',
} as const;
const TO_MILLPOND = { id: 'toMillpond', head: '× millpond', unit: '×', about: 'the stall compared with millpond, round by round' } as const;

export async function timeoutsSection(context: BenchContext): Promise<Section> {
  const plan: TimeoutsPlan = { waiters: context.quick ? WAITERS.quick : WAITERS.full, timeoutMs: 500 };
  const slow = new Map<string, string>();
  const result = await take<TimeoutsMeasured>({
    context, section: 'timeouts', budgetMs: 35_000,
    warmUp: ({ station }) => station.ask({ step: 'measure', given: { waiters: FEW, timeoutMs: 100 } satisfies TimeoutsPlan }),
    measure: (contestant) => within<TimeoutsMeasured>(contestant, plan, slow),
  });
  const count = plan.waiters.toLocaleString('en').replaceAll(',', '\u00a0');
  return {
    id: 'timeouts', title: `${count} waiters out of time at once`,
    note: `All queued in one turn with a timeout of ${plan.timeoutMs} ms, and nothing comes back. mysql2 has no acquire timeout.`
      + roundsNote(result),
    columns: [STALL, LATE, CPU, TO_MILLPOND],
    rows: rowsOf(result, {
      values: (measured) => ({
        stall: measured.map(({ stallMs }) => stallMs), late: measured.map(({ lateMs }) => lateMs), cpu: measured.map(({ cpuNs }) => cpuNs),
      }),
      words: wordsFor(slow, ['stall', 'late', 'cpu']),
      ratios: [{ id: 'toMillpond', of: 'stall', to: MILLPOND }],
    }),
    charts: [{ kind: 'bars', title: 'Out of time at once', subtitle: 'longest stall of the event loop, ms', column: 'stall' }],
    targets: context.quick ? []
      : target('longest stall with 100 000 timeouts, ms, at most 250', 'atMost', medianOf(result, MILLPOND, ({ stallMs }) => stallMs), 250),
  };
}

export async function abortsSection(context: BenchContext): Promise<Section> {
  const waiters = context.quick ? 5000 : 20_000;
  const slow = new Map<string, string>();
  const result = await take<AbortsMeasured>({
    context, section: 'aborts', budgetMs: 12_000, warmUp: ({ station }) => station.ask({ step: 'measure', given: FEW }),
    measure: (contestant) => within<AbortsMeasured>(contestant, waiters, slow),
  });
  const count = waiters.toLocaleString('en').replaceAll(',', '\u00a0');
  return {
    id: 'aborts', title: `${count} waiters sent away by their signals`,
    note: `Each has an AbortSignal of its own, all aborted in one loop. The others cannot send a waiter away.${roundsNote(result)}`,
    columns: [STALL, CPU, TO_MILLPOND],
    rows: rowsOf(result, {
      values: (measured) => ({ stall: measured.map(({ stallMs }) => stallMs), cpu: measured.map(({ cpuNs }) => cpuNs) }),
      words: wordsFor(slow, ['stall', 'cpu']),
      ratios: [{ id: 'toMillpond', of: 'stall', to: MILLPOND }],
    }),
    targets: [],
  };
}

/** Undefined when it took too long: it is not asked again. */
async function within<M>({ contender, station }: Contestant<Contender>, given: unknown, slow: Map<string, string>): Promise<M | undefined> {
  try {
    return await station.ask<M>({ step: 'measure', given }, PATIENCE);
  } catch (error) {
    if (!(error instanceof TooSlow)) throw error;
    slow.set(contender.id, error.words);
    return undefined;
  }
}

function wordsFor(slow: ReadonlyMap<string, string>, columns: readonly string[]): (id: string) => Record<string, string> {
  return (id) => {
    const words = slow.get(id);
    return words === undefined ? {} : Object.fromEntries(columns.map((column) => [column, words]));
  };
}
