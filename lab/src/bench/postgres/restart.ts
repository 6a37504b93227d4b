// The server is shut down as an operator does it (sessions are cut) while everybody is asking, and started again half a second later.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Row, Section } from '../chapter.ts';
import type { Taken } from '../harness/rounds.ts';
import type { Station } from '../harness/station.ts';
import { target } from '../harness/statistics.ts';
import type { Contender } from './contenders/contender.ts';
import { both, MAX_CREATING, plain } from './contenders/millpond.ts';
import { pgPool } from './contenders/pools-on-pg.ts';
import { postgresJs } from './contenders/postgres-js.ts';
import { FULL, recovery, type Diary, type Moments, type Recovery } from './recovery.ts';
import { systemMs } from './siege.ts';
import { order, rowOf, seriesOf, type Stage } from './stage.ts';

const CALLERS = 100;
const STEP_MS = 20;
const PAUSE_AFTER_ERROR_MS = 20;
const DOWN_MS = 500;
const PATIENCE_MS = 8000;
const WARM_MS = 1000;

interface Measured extends Recovery {
  readonly errors: Diary['errors'];
  readonly attempts: number;
  readonly stray: number;
}

/** Of the warm-up, at which nobody looks. */
const NOTHING: Measured = { before: 0, firstAnswerMs: undefined, fullMs: undefined, peak: 0, errors: [], attempts: 0, stray: 0 };

export async function restart(stage: Stage): Promise<Section> {
  const contenders = stage.chosen([pgPool, postgresJs, plain, both]);
  const taken = await stage.turns('restart', contenders, async (station, contender, round) => {
    return stage.visit(station, contender, async (): Promise<Measured> => {
      if (round > 0) return outage(stage, station);
      await stage.load(station, { statement: 'byKey', callers: CALLERS, measureMs: WARM_MS });
      return NOTHING;
    });
  });
  const peaks = (id: string): number => Math.max(...seriesOf(taken, id, ({ peak }) => peak));
  return {
    id: 'pg-restart',
    title: 'The server restarts under load',
    note: `A fast shutdown (SIGINT) while ${CALLERS} callers look up rows by key, ${DOWN_MS} ms of nothing, and a start. `
      + `Whoever gets an error asks again after about ${PAUSE_AFTER_ERROR_MS} ms.`,
    columns: [
      { id: 'first', head: 'first answer', unit: 'ms', about: 'from the moment when the server takes connections', better: 'less' },
      {
        id: 'full', head: `${FULL * 100} % again`, unit: 'ms', better: 'less',
        about: `from the same moment to ${FULL * 100} % of the answers per second before, held for a quarter of a second`,
      },
      { id: 'peak', head: 'connects at once', unit: '', about: 'connects under way at once, at most', better: 'less' },
      { id: 'attempts', head: 'connects', unit: '', about: 'connects tried in all', better: 'less' },
      { id: 'errors', head: 'errors', unit: '', about: 'errors that callers got', better: 'less' },
      { id: 'stray', head: 'uncaught', unit: '', about: 'errors that nobody could catch: the end of an ordinary program', better: 'less' },
    ],
    rows: taken.map(row),
    targets: [plain, both].flatMap(({ id, name }) => (
      target(`${name}: connects at once during a restart at most maxCreating`, 'atMost', peaks(id), MAX_CREATING))),
  };
}

async function outage(stage: Stage, station: Station): Promise<Measured> {
  const { server, plan, context: { signal } } = stage;
  await order(station, {
    do: 'besiege', options: { port: server.port, callers: CALLERS, stepMs: STEP_MS, pauseAfterErrorMs: PAUSE_AFTER_ERROR_MS },
  });
  await sleep(plan.calmMs, undefined, { signal });
  const moments = await goDownAndUp(stage);
  while (systemMs() - moments.upMs < PATIENCE_MS && !await order<boolean>(station, { do: 'recovered', moments })) {
    await sleep(100, undefined, { signal });
  }
  const diary = await order<Diary>(station, { do: 'relieve' });
  return { ...recovery(diary.steps, moments), errors: diary.errors, attempts: diary.attempts, stray: diary.stray };
}

async function goDownAndUp({ server, context: { signal } }: Stage): Promise<Moments> {
  const { pid } = server;
  if (pid === undefined) throw new Error('The server ended before it was told to.');
  const downMs = systemMs();
  process.kill(pid, 'SIGINT');
  while (server.pid !== undefined) await sleep(5, undefined, { signal });
  await sleep(DOWN_MS, undefined, { signal });
  const startMs = systemMs();
  await server.start();
  return { downMs, startMs, upMs: systemMs() };
}

function row(each: Taken<Contender, Measured>): Row {
  const basic = rowOf(each, {
    first: ({ firstAnswerMs }) => firstAnswerMs,
    full: ({ fullMs }) => fullMs,
    peak: ({ peak }) => peak,
    attempts: ({ attempts }) => attempts,
    errors: ({ errors }) => errors.reduce((sum, [, count]) => sum + count, 0),
    stray: ({ stray }) => stray,
  });
  if (each.failed !== undefined) return basic;
  const late = `not within ${PATIENCE_MS / 1000} s`;
  return { ...basic, about: `${basic.about}${told(each.measured)}`, words: { first: late, full: late } };
}

/** What callers were told: the words that came most often. */
function told(measured: readonly Measured[]): string {
  const counts = new Map<string, number>();
  for (const { errors } of measured) for (const [kind, count] of errors) counts.set(kind, (counts.get(kind) ?? 0) + count);
  const kinds = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([kind, count]) => `${count} × ${kind}`);
  return kinds.length === 0 ? '' : `; callers were told: ${kinds.join(', ')}`;
}
