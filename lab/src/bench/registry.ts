// The chapters, in the order in which they run and are shown.
import type { Chapter } from './chapter.ts';
import { dropInsChapter } from './drop-ins/chapter.ts';
import { engineChapter } from './engine/chapter.ts';
import { httpChapter } from './http/chapter.ts';
import { mysqlChapter } from './mysql/chapter.ts';
import { postgresChapter } from './postgres/chapter.ts';
import { proxyChapter } from './proxy/chapter.ts';
import { redisChapter } from './redis/chapter.ts';
import { sightChapter } from './sight/chapter.ts';
import { startChapter } from './start/chapter.ts';
import { tcpChapter } from './tcp/chapter.ts';

export const CHAPTERS: readonly Chapter[] = [
  engineChapter, dropInsChapter, postgresChapter, redisChapter, mysqlChapter, httpChapter, tcpChapter, sightChapter,
  startChapter, proxyChapter,
];
