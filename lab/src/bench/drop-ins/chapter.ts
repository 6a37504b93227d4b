// The drop-ins: each beside the pool whose place it takes, with a resource that does no I/O, and pg's also on a real server.
import pg from 'pg';
import { startPostgres } from '../../servers/postgres.ts';
import type { BenchContext, Chapter, ChapterResult, Column, Figure, Row, Section, Target } from '../chapter.ts';
import { DROP_INS, type Contender } from '../engine/contenders.ts';
import type { AloneMeasured } from '../engine/scenarios/uncontended.ts';
import type { CrowdMeasured } from '../engine/scenarios/contended.ts';
import { rowsOf, take, type Result } from '../engine/sections/taking.ts';
import { atLeast, chosen, exchangeSection, failuresOf, takeExchanges } from '../exchange/section.ts';
import { ratio, target } from '../harness/statistics.ts';
import { seed } from '../postgres/workload.ts';
import { CONTENDERS as ON_POSTGRES } from './contenders.ts';

const CALLERS = 200;
const SIZE = 10;
const BUDGET_MS = 12_000;
const about = 'A drop-in must not be slower than what it takes the place of: acquire and release with a resource that does no I/O, alone '
  + 'and among others, and a statement on a real PostgreSQL.';

const NOTES = [
  'Each contender has a process of its own, in turns; before anything is timed, it shows that it is a pool.',
  'Drop-ins run with their defaults, in which they do as the original does. "× original" is how many times faster: CPU of the original '
    + 'divided by that of the drop-in, round by round.',
];

/** By the drop-in. */
const ORIGINAL: Readonly<Record<string, string>> = {
  'millpond-pg-pool': 'pg-pool', 'millpond-tarn': 'tarn', 'millpond-generic-pool': 'generic-pool',
  'millpond-sequelize-pool': 'sequelize-pool',
};

interface Cost<M> {
  readonly id: string;
  readonly head: string;
  readonly about: string;
  value(measured: M): number;
}

function columnsOf<M>(costs: readonly Cost<M>[]): Column[] {
  return costs.flatMap(({ id, head, about: words }): Column[] => [
    { id, head: `${head}, CPU`, unit: 'ns', about: words, better: 'less' },
    { id: `${id}Speed`, head: `${head}, × original`, unit: '×', about: 'how many times faster than the original' },
  ]);
}

function speeds<M>(result: Result<M>, { value }: Cost<M>): Map<string, Figure | undefined> {
  const series = (id: string): number[] => result.find(({ contender }) => contender.id === id)?.measured.map(value) ?? [];
  return new Map(Object.entries(ORIGINAL).map(([ours, theirs]) => [ours, ratio(series(theirs), series(ours))]));
}

function engineSection<M>(result: Result<M>, costs: readonly Cost<M>[], words: Pick<Section, 'id' | 'title' | 'note'>): Section {
  const base = rowsOf(result, {
    values: (measured) => Object.fromEntries(costs.map(({ id, value }) => [id, measured.map(value)])),
  });
  const byCost = costs.map((cost) => ({ cost, speed: speeds(result, cost) }));
  const rows = base.map((row, index): Row => {
    const id = result[index]!.contender.id;
    return { ...row, cells: { ...row.cells, ...Object.fromEntries(byCost.map(({ cost, speed }) => [`${cost.id}Speed`, speed.get(id)])) } };
  });
  const targets = byCost.flatMap(({ cost, speed }) => [...speed].flatMap(([id, one]): Target[] =>
    target(`${cost.head}: @millpond/${ORIGINAL[id]} at least as fast as ${ORIGINAL[id]}`, 'atLeast', one?.median, 1)));
  return { ...words, columns: columnsOf(costs), rows, targets };
}

async function alone(context: BenchContext, contenders: readonly Contender[]): Promise<Section> {
  const result = await take<AloneMeasured>({ context, section: 'uncontended', contenders, budgetMs: BUDGET_MS });
  const cost = { id: 'alone', head: 'alone', about: 'CPU time per acquire and release', value: ({ cpuNs }: AloneMeasured) => cpuNs };
  return engineSection(result, [cost], {
    id: 'drop-ins-alone', title: 'Acquire and release with nobody else there', note: 'Ten resources, and one caller.',
  });
}

async function crowd(context: BenchContext, contenders: readonly Contender[]): Promise<Section> {
  const result = await take<CrowdMeasured>({ context, section: 'contended', contenders, budgetMs: BUDGET_MS });
  return engineSection<CrowdMeasured>(result, [
    { id: 'few', head: '64 workers', about: 'CPU time per acquire and release', value: ({ few }) => few.cpuNs },
    { id: 'many', head: '1000 workers', about: 'CPU time per acquire and release', value: ({ many }) => many.cpuNs },
  ], {
    id: 'drop-ins-crowd', title: 'Workers on ten resources',
    note: 'Each worker acquires, works for one microtask, releases, and does it again; ten resources.',
  });
}

async function onPostgres(context: BenchContext): Promise<Section> {
  const server = await startPostgres();
  try {
    const { host, port, user, password, database } = server;
    const place = { host, port, user, password, database };
    const client = new pg.Client(place);
    await client.connect();
    await seed(client);
    await client.end();
    const plan = {
      list: 'drop-ins', contenders: chosen(ON_POSTGRES, context), what: 'PostgreSQL', place, pid: server.pid, size: SIZE, callers: CALLERS,
    } as const;
    const result = await takeExchanges(context, plan);
    return exchangeSection(result, plan, {
      id: 'drop-ins-pg', title: `A row by its key on PostgreSQL, ${CALLERS} callers`,
      note: 'One operation is a row of PostgreSQL by its key, from the call to the row, over TCP on the loopback; ten connections.',
      targets: atLeast(result, 'PostgreSQL: @millpond/pg-pool at least pg.Pool', ['millpond-pg-pool', 'pg-pool'], 1),
    });
  } finally {
    await server.stop();
  }
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const contenders = DROP_INS.filter(({ id }) => context.only.length === 0 || context.only.includes(id));
  const sections: Section[] = [];
  if (contenders.length > 0) sections.push(await alone(context, contenders), await crowd(context, contenders));
  if (chosen(ON_POSTGRES, context).length > 0) sections.push(await onPostgres(context));
  return { name: 'drop-ins', title: dropInsChapter.title, about, sections, notes: NOTES, failures: failuresOf(sections) };
}

export const dropInsChapter: Chapter = {
  name: 'drop-ins', title: 'Drop-ins: beside what they replace', about, contenders: DROP_INS.map(({ id }) => id), run,
};
