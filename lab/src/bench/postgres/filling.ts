// From nothing to ten connections, and how hard the server is pressed meanwhile.
import type { Section } from '../chapter.ts';
import { target } from '../harness/statistics.ts';
import { MAX_CREATING, plain, wide } from './contenders/millpond.ts';
import { genericPool, pgPool, tarn } from './contenders/pools-on-pg.ts';
import { postgresJs } from './contenders/postgres-js.ts';
import { order, rowOf, seriesOf, type Stage } from './stage.ts';
import type { Opening } from './worker.ts';

export async function filling(stage: Stage): Promise<Section> {
  const contenders = stage.chosen([pgPool, tarn, genericPool, postgresJs, plain, wide]);
  const taken = await stage.turns('filling', contenders, async (station, { id, size }) => {
    const opening = await order<Opening>(station, { do: 'open', id, size, place: stage.place() });
    await order(station, { do: 'close' });
    if (opening.total !== size) throw new Error(`${opening.total} connects instead of ${size}`);
    return opening;
  });
  return {
    id: 'pg-fill',
    title: 'From nothing to ten connections',
    note: 'min: 10 where there is such an option that does it (millpond, generic-pool), ten callers at once where there is not.',
    columns: [
      { id: 'wall', head: 'time', unit: 'ms', about: 'until all ten are there', better: 'less' },
      { id: 'client', head: 'client CPU', unit: 'ms', about: 'CPU time of our process, all threads', better: 'less' },
      { id: 'peak', head: 'connects at once', unit: '', about: 'connects under way at once, at most', better: 'less' },
    ],
    rows: taken.map((each) => rowOf(each, { wall: ({ wallMs }) => wallMs, client: ({ clientMs }) => clientMs, peak: ({ peak }) => peak })),
    targets: target(
      `${plain.name}: connects at once while it fills at most maxCreating`, 'atMost',
      Math.max(...seriesOf(taken, plain.id, ({ peak }) => peak)), MAX_CREATING),
  };
}
