// Redis: what a GET costs by the way in which it comes by its connection.
import { redisVersion, startRedis } from '../../servers/redis.ts';
import type { BenchContext, Chapter, ChapterResult, Section } from '../chapter.ts';
import { atLeast, chosen, exchangeSection, failuresOf, leftOut, takeExchanges } from '../exchange/section.ts';
import { CONTENDERS, seed } from './contenders.ts';

const CALLERS = 1000;
const SIZE = 10;
const about = `${CALLERS} callers GET a value of some twenty bytes, again and again; pools have at most ${SIZE} connections.`;

const NOTES = [
  'Redis and the client share the machine. Every answer is looked at.',
  'From version 6 on node-redis gives each command a timer of five seconds until it is written; clients of millpond/redis have none unless '
    + 'one is asked for. The row without it is what the others are held against.',
];

async function sections(context: BenchContext): Promise<Section[]> {
  const server = await startRedis();
  try {
    await seed(server);
    const plan = {
      list: 'redis', contenders: chosen(CONTENDERS, context), what: 'GET', place: { port: server.port }, pid: server.pid, size: SIZE,
      callers: CALLERS,
    } as const;
    const result = await takeExchanges(context, plan);
    return [exchangeSection(result, plan, {
      id: 'redis-get', title: `GET, ${CALLERS} callers`,
      note: `One operation is a GET of one of a thousand keys; ${CALLERS} callers ask all the time, over TCP on the loopback.`,
      targets: [
        ...atLeast(result, 'GET: at least 0.9 × one node-redis client without its timer', ['millpond', 'node-redis-no-timer'], 0.9),
        ...atLeast(result, 'GET: at least 0.9 × one ioredis client', ['millpond-ioredis', 'ioredis'], 0.9),
        ...atLeast(result, 'GET: at least 3 × node-redis\' own pool', ['millpond', 'node-redis-pool'], 3),
      ],
    })];
  } finally {
    await server.stop();
  }
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const there = redisVersion() !== undefined;
  const all = there ? await sections(context) : [];
  const notes = there ? NOTES : [leftOut('redis', 'Redis', 'redis-server')];
  return { name: 'redis', title: redisChapter.title, about, sections: all, notes, failures: failuresOf(all) };
}

export const redisChapter: Chapter = {
  name: 'redis', title: 'Redis: many commands on few connections', about, contenders: CONTENDERS.map(({ id }) => id), run,
};
