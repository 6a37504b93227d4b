// A statement that fails is an answer like any other. It should cost what a success costs; where it costs the connection, a hundred
// constraint violations a second are a hundred connects a second.
import type { Section } from '../chapter.ts';
import { ratio, target } from '../harness/statistics.ts';
import { both, plain } from './contenders/millpond.ts';
import { genericPool, knexRaw, pgPool, tarn } from './contenders/pools-on-pg.ts';
import { postgresJs } from './contenders/postgres-js.ts';
import type { LoadResult } from './load.ts';
import { CLIENT_CPU, PER_SECOND, rowOf, seriesOf, type Stage } from './stage.ts';

interface Measured {
  readonly success: LoadResult;
  readonly failure: LoadResult;
}

const CALLERS = 20;
const MOST = 1.5;

export async function failing(stage: Stage): Promise<Section> {
  const contenders = stage.chosen([pgPool, tarn, genericPool, knexRaw, postgresJs, plain, both]);
  const taken = await stage.turns('failing', contenders, async (station, contender): Promise<Measured> => {
    await stage.settle(station, contender);
    return {
      success: await stage.load(station, { statement: 'quotient', callers: CALLERS }),
      failure: await stage.load(station, { statement: 'quotient', callers: CALLERS, failing: true }),
    };
  });
  /** What an error costs, in successes of another contender or its own. */
  const costs = (id: string, inSuccessesOf: string): number | undefined => ratio(
    seriesOf(taken, id, ({ failure }) => failure.clientUs), seriesOf(taken, inSuccessesOf, ({ success }) => success.clientUs))?.median;
  return {
    id: 'pg-failing',
    title: 'A statement that fails',
    note: `One operation is SELECT 100 / $1::int, with 1 for a success and with 0 for a failure; ${CALLERS} callers.`,
    columns: [
      { id: 'successRate', head: 'answers/s', ...PER_SECOND },
      { id: 'failureRate', head: 'errors/s', unit: '/s', about: 'errors per second, when every statement fails', better: 'more' },
      { id: 'success', head: 'CPU, success', ...CLIENT_CPU },
      { id: 'failure', head: 'CPU, error', unit: 'µs', about: 'CPU time of the process that asks, per error', better: 'less' },
      { id: 'ratio', head: 'error ÷ success', unit: '×', about: 'client CPU of an error by that of a success', better: 'less' },
      { id: 'slower', head: 'slower', unit: '×', about: 'how many times fewer errors than answers per second', better: 'less' },
    ],
    rows: taken.map((each) => rowOf(each, {
      successRate: ({ success }) => success.perSecond,
      failureRate: ({ failure }) => failure.perSecond,
      success: ({ success }) => success.clientUs,
      failure: ({ failure }) => failure.clientUs,
      ratio: ({ success, failure }) => failure.clientUs / success.clientUs,
      slower: ({ success, failure }) => success.perSecond / failure.perSecond,
    })),
    charts: [{
      kind: 'bars', title: 'What an error costs', subtitle: 'client CPU of a statement that fails ÷ of one that succeeds', column: 'ratio',
    }],
    targets: [
      ...[plain, both].flatMap(({ id, name }) => (
        target(`${name}: an error costs at most ${MOST} × the CPU of a success`, 'atMost', costs(id, id), MOST))),
      // Where successes are so cheap, making the error itself (a DatabaseError with its stack) is most of what is left.
      ...target(`${both.name}: an error costs at most what a success of ${pgPool.name} does`, 'atMost', costs(both.id, pgPool.id), 1),
    ],
  };
}
