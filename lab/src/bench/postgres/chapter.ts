// PostgreSQL: what a pool is worth where it is used. One private server, the same statements, the same number of callers, and everybody who
// could stand in the pool's place.
import type { BenchContext, Chapter, ChapterResult, Section } from '../chapter.ts';
import { connecting } from './connecting.ts';
import { CONTENDERS } from './contenders/all.ts';
import { failing } from './failing.ts';
import { filling } from './filling.ts';
import { restart } from './restart.ts';
import { sizes } from './sizes.ts';
import { Stage } from './stage.ts';
import { tailLatency } from './tail-latency.ts';
import { throughput } from './throughput.ts';

const SECTIONS: readonly ((stage: Stage) => Promise<Section | Section[]>)[] = [
  throughput, tailLatency, sizes, failing, restart, connecting, filling,
];

const NOTES = [
  'Callers, driver and pool share one thread of Node and the machine with the server. With two cores the client is usually what is full: '
    + 'compare the CPU per answer first, and the answers per second as what follows from it.',
  'Every row and every error of every contender is checked. One that is wrong ends the contender\'s part.',
  'The connections are open before the load begins, except those of a connection per request.',
  'Latencies are the callers\' own: in a closed loop the median is about callers ÷ throughput, whatever waits.',
  'fsync is off and nothing is written: this is about the way to the server, not about its disks.',
];

export const postgresChapter: Chapter = {
  name: 'postgres',
  title: 'A real PostgreSQL',
  about: 'Statements on a private server over every way to come by a connection: throughput, CPU, the slowest answers, pool sizes, '
    + 'failures, a restart.',
  contenders: CONTENDERS.map(({ id }) => id),
  run,
};

async function run(context: BenchContext): Promise<ChapterResult> {
  const { name, title, about, contenders } = postgresChapter;
  const mine = { ...context, only: context.only.filter((id) => contenders.includes(id)) };
  context.progress('postgres: starting a server');
  const stage = await Stage.set(mine);
  try {
    const sections: Section[] = [];
    for (const measure of SECTIONS) {
      context.signal.throwIfAborted();
      sections.push(...[await measure(stage)].flat());
    }
    const failures = [...stage.failures].map(([contender, reason]) => `${contender}: ${reason}`);
    const cut = stage.cut.length === 0 ? [] : [`The machine was busy: fewer rounds than planned (${stage.cut.join(', ')}).`];
    return { name, title, about, sections: sections.filter(({ rows }) => rows.length > 0), notes: [...NOTES, ...cut], failures };
  } finally {
    await stage.server.stop();
  }
}
