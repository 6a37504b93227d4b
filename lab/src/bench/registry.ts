// The chapters, in the order in which they run and are shown.
import type { Chapter } from './chapter.ts';
import { engineChapter } from './engine/chapter.ts';
import { postgresChapter } from './postgres/chapter.ts';
import { startChapter } from './start/chapter.ts';
import { tcpChapter } from './tcp/chapter.ts';

export const CHAPTERS: readonly Chapter[] = [engineChapter, postgresChapter, startChapter, tcpChapter];
