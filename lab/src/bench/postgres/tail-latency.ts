// The slowest of a hundred answers at loads that a server has every day: being fast on the whole must not be paid for by the few.
import type { Column, Section } from '../chapter.ts';
import { ratio, target } from '../harness/statistics.ts';
import { both, pipelined, plain, prepared } from './contenders/millpond.ts';
import { pgPool } from './contenders/pools-on-pg.ts';
import { postgresJs } from './contenders/postgres-js.ts';
import type { LoadResult } from './load.ts';
import { rowOf, seriesOf, type Stage } from './stage.ts';

const LOADS = [20, 100] as const;

/** A moment in which somebody else had the machine is all of a short stretch's p99; a longer one holds several, as everybody's does. */
const LONGER = 2.5;

/** Two that are equal differ by this much in a short run. */
const NOISE = 1.1;

export async function tailLatency(stage: Stage): Promise<Section> {
  const contenders = stage.chosen([pgPool, postgresJs, plain, prepared, pipelined, both]);
  const taken = await stage.turns('p99', contenders, async (station, contender) => {
    await stage.settle(station, contender);
    const results: LoadResult[] = [];
    const measureMs = stage.plan.measureMs * LONGER;
    for (const callers of LOADS) results.push(await stage.load(station, { statement: 'byKey', callers, measureMs }));
    return results;
  });
  const columns = LOADS.flatMap((callers): Column[] => [
    { id: `rate-${callers}`, head: `${callers} callers`, unit: '/s', about: `answers per second with ${callers} callers`, better: 'more' },
    { id: `p50-${callers}`, head: 'p50', unit: 'ms', about: 'half of the answers came within', better: 'less' },
    { id: `p99-${callers}`, head: 'p99', unit: 'ms', about: '99 of 100 answers came within', better: 'less' },
  ]);
  const p99 = (id: string, index: number): number[] => seriesOf(taken, id, (results) => results[index]?.p99Ms ?? NaN);
  return {
    id: 'pg-tail',
    title: 'The slowest of a hundred, at moderate load',
    note: 'One operation is a lookup of a row by its key, as the caller sees it: waiting for a connection is part of it.',
    columns,
    rows: taken.map((each) => rowOf(each, Object.fromEntries(LOADS.flatMap((callers, index) => [
      [`rate-${callers}`, (results: LoadResult[]) => results[index]?.perSecond],
      [`p50-${callers}`, (results: LoadResult[]) => results[index]?.p50Ms],
      [`p99-${callers}`, (results: LoadResult[]) => results[index]?.p99Ms],
    ])))),
    targets: [plain, both].flatMap(({ id, name }) => LOADS.flatMap((callers, index) => target(
      `p99 of ${name} with ${callers} callers no worse than pg.Pool's (a tenth is noise)`, 'atMost',
      ratio(p99(id, index), p99('pg-pool', index))?.median, NOISE,
    ))),
  };
}
