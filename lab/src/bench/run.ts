// One run: chapter after chapter, each shown when it is done, then the files. A chapter that fails as a whole is a failure with its reason,
// and the others still run.
import { fileURLToPath } from 'node:url';
import { relative } from 'node:path';
import type { Screen } from '../drawing/terminal/screen.ts';
import { paint, wrap } from '../drawing/terminal/style.ts';
import type { BenchContext, Chapter, ChapterResult } from './chapter.ts';
import { commitOf, loadNow, thisMachine, versionOf, type Origin } from './machine.ts';
import type { BenchOptions } from './options.ts';
import { outputFiles, updateDocuments, writeResult } from './report/files.ts';
import { markdownOf } from './report/markdown.ts';
import { chapterText } from './report/terminal.ts';
import { machineWords, originWords } from './report/write.ts';
import { failuresOf, type BenchResult } from './results.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGES = [
  'millpond', '@opentelemetry/sdk-metrics', '@redis/client', 'effect', 'generic-pool', 'ioredis', 'knex', 'lightning-pool', 'mysql2', 'pg',
  'pg-pool', 'postgres', 'prom-client', 'sequelize-pool', 'tarn', 'undici',
];

/** The exit code. */
export async function run(all: readonly Chapter[], options: BenchOptions, screen: Screen, signal: AbortSignal): Promise<number> {
  const begunMs = performance.now();
  const begun = { machine: thisMachine(), commit: commitOf(ROOT), date: new Date().toISOString(), load: loadNow() };
  const chosen = all.filter(({ name, contenders }) =>
    options.chapters.includes(name) && (options.only.length === 0 || contenders.some((id) => options.only.includes(id))));
  const whole = all.every((chapter) => chapter.onRequest === true || chosen.includes(chapter));
  const files = outputFiles(ROOT, options.outFolder, whole ? [] : chosen.map(({ name }) => name));
  const chapters: ChapterResult[] = [];
  for (const chapter of chosen) {
    const result = await runChapter(chapter, options, screen, signal);
    screen.rest();
    screen.print(...chapterText(result, screen.style, screen.columns));
    chapters.push(result);
  }
  const { load, ...rest } = begun;
  const versions: Record<string, string> = {};
  for (const name of PACKAGES) if (versionOf(name) !== '') versions[name] = versionOf(name);
  const origin: Origin = { ...rest, load: { start: load, end: loadNow() }, tookMs: performance.now() - begunMs, versions };
  const result: BenchResult = { origin, quick: options.quick, chapters };
  writeResult(files, result);
  if (options.markdown) screen.print('', markdownOf(result));
  const updated = options.updateDocs ? updateDocuments(ROOT, result) : [];
  closing(result, files, updated, screen);
  return failuresOf(result).length > 0 ? 1 : 0;
}

async function runChapter(chapter: Chapter, options: BenchOptions, screen: Screen, signal: AbortSignal): Promise<ChapterResult> {
  const { style } = screen;
  const context: BenchContext = {
    quick: options.quick, rounds: options.rounds, only: options.only, signal,
    progress: (text) => screen.draw([`  ${paint(style, chapter.name, 'cyan')} ${text}`]),
  };
  const begunMs = performance.now();
  screen.print(paint(style, `${chapter.name}: ${chapter.title} ${style.unicode ? '…' : '...'}`, 'dim'));
  try {
    const result = await chapter.run(context);
    screen.rest();
    screen.print(paint(style, `${chapter.name}: done in ${Math.round((performance.now() - begunMs) / 1000)} s`, 'dim'));
    return result;
  } catch (error) {
    if (signal.aborted) throw error;
    const { name, title, about } = chapter;
    const reason = error instanceof Error ? error.stack ?? error.message : String(error);
    return { name, title, about, sections: [], notes: [], failures: [reason] };
  }
}

function closing(result: BenchResult, files: { json: string; html: string }, updated: readonly string[], screen: Screen): void {
  const { style } = screen;
  const near = (file: string): string => {
    const path = relative(process.cwd(), file);
    return path.startsWith('..') ? file : path;
  };
  const width = Math.min(110, screen.columns);
  screen.print(
    '',
    ...wrap(`${machineWords(result.origin)}; ${originWords(result.origin)}.`, width).map((line) => paint(style, line, 'dim')),
    ...result.quick ? [paint(style, 'A quick run: to see that it works, not to quote from.', 'yellow')] : [],
    `With charts: ${paint(style, near(files.html), 'cyan')} (one file, opens without a network); everything: ${near(files.json)}`,
    ...updated,
    ...failuresOf(result).map((reason) => paint(style, `FAILED ${reason}`, 'red')),
  );
}
