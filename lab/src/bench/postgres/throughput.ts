// The main question: what a statement costs, by the way in which it comes by its connection.
import type { Section } from '../chapter.ts';
import { ratio, target } from '../harness/statistics.ts';
import { CONTENDERS } from './contenders/all.ts';
import type { LoadResult } from './load.ts';
import { CLIENT_CPU, PER_SECOND, rowOf, seriesOf, type Stage } from './stage.ts';
import type { Taken } from '../harness/rounds.ts';
import type { Contender } from './contenders/contender.ts';

interface Measured {
  readonly one: LoadResult;
  readonly byKey: LoadResult;
}

type Measure = 'one' | 'byKey';

/** The warm-up is so many times a round: until the machine code is what it will be. */
const WARM_UP = 4;

export async function throughput(stage: Stage): Promise<Section[]> {
  const contenders = stage.chosen(CONTENDERS).filter(({ id }) => id !== 'millpond-wide');
  const taken = await stage.turns('throughput', contenders, async (station, contender, round) => {
    await stage.settle(station, contender);
    const callers = contender.callers ?? stage.plan.callers;
    const measureMs = stage.plan.measureMs * (round === 0 ? WARM_UP : 1);
    return {
      one: await stage.load(station, { statement: 'one', callers, measureMs }),
      byKey: await stage.load(station, { statement: 'byKey', callers, measureMs }),
    };
  });
  return [
    section(stage, taken, 'one', 'SELECT 1', 2.5),
    section(stage, taken, 'byKey', 'SELECT id, name, email, balance FROM customers WHERE id = $1', 2),
  ];
}

function section(stage: Stage, taken: readonly Taken<Contender, Measured>[], which: Measure, text: string, least: number): Section {
  const { callers } = stage.plan;
  const what = which === 'one' ? 'SELECT 1' : 'lookup by key';
  const series = (id: string): number[] => seriesOf(taken, id, (measured) => measured[which].perSecond);
  const against = (id: string, other: string): number | undefined => ratio(series(id), series(other))?.median;
  return {
    id: which === 'one' ? 'pg-select-1' : 'pg-by-key',
    title: `${which === 'one' ? 'SELECT 1' : 'A row by its key'}, ${callers} callers`,
    note: `One operation is ${text}, from the call to the row; ${callers} callers ask all the time. `
      + 'TCP on the loopback unless it says otherwise.',
    columns: [
      { id: 'perSecond', head: 'answers/s', ...PER_SECOND },
      { id: 'client', head: 'client CPU', ...CLIENT_CPU },
      { id: 'server', head: 'server CPU', unit: 'µs', about: 'CPU time of all processes of the server, per answer', better: 'less' },
      { id: 'p50', head: 'p50', unit: 'ms', about: 'half of the answers came within', better: 'less' },
      { id: 'p99', head: 'p99', unit: 'ms', about: '99 of 100 answers came within', better: 'less' },
    ],
    rows: taken.map((each) => rowOf(each, {
      perSecond: (measured) => measured[which].perSecond,
      client: (measured) => measured[which].clientUs,
      server: (measured) => measured[which].serverUs,
      p50: (measured) => measured[which].p50Ms,
      p99: (measured) => measured[which].p99Ms,
    })),
    charts: [
      { kind: 'bars', title: `Answers per second, ${what}`, subtitle: `${callers} callers, more is better`, column: 'perSecond' },
      {
        kind: 'bars', title: `Client CPU per answer, ${what}`, subtitle: 'µs, less is better; without a connection per request',
        column: 'client', without: ['a connection per request'],
      },
    ],
    targets: [
      ...target(`${what}: millpond at least pg.Pool's throughput at equal max`, 'atLeast', against('millpond', 'pg-pool'), 1),
      ...target(
        `${what}: with prepare and pipeline at least ${least} × pg.Pool's`, 'atLeast', against('millpond-both', 'pg-pool'), least),
      ...target(
        `${what}: with prepare and pipeline at least 1.3 × postgres.js's`, 'atLeast', against('millpond-both', 'postgres-js'), 1.3),
    ],
  };
}
