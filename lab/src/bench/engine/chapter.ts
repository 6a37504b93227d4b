// The engine: what borrowing costs when the resource does no I/O, so that everything that is measured is the pool.
import type { BenchContext, Chapter, ChapterResult, Row, Section } from '../chapter.ts';
import { CONTENDERS, contendersOf, type SectionId } from './contenders.ts';
import { uncontendedSection, validationSection } from './sections/alone.ts';
import { contendedSections } from './sections/contended.ts';
import { drainSection } from './sections/drain.ts';
import { heapSection, sharingSection } from './sections/holding.ts';
import { abortsSection, timeoutsSection } from './sections/leaving.ts';
import { failuresOf } from './sections/taking.ts';

const about = 'Acquire and release with a resource that does no I/O: what is measured is the pool. Every pool is configured as its '
  + 'documentation says for production, with an acquire timeout of 30 s and an idle timeout.';

const NOTES: readonly string[] = [
  'Each contender has a process of its own, which stays alive and warm over the rounds; only one works at a time, in turns.',
  'Before anything is timed, each pool serves 200 callers at once: no resource with two of them, never more than ten, all ten in use.',
  'CPU is the time of the whole process, its compiler and its collector included; it notices other programs on the machine less than wall '
    + 'does. Compare ratios: they are taken round by round, so that what disturbed a round disturbed both sides.',
  'Figures are medians; in brackets the lowest and the highest round. Where these are far apart, the machine was busy.',
  'node-redis, Effect and use() lend for the length of a call, all others by acquire and release. mysql2 and pg-pool run with connections '
    + 'that reach no server. undici pools HTTP connections behind requests and lends nothing: it is in the chapter on starting only.',
];

const SECTIONS: readonly (readonly [SectionId, (context: BenchContext) => Promise<Section | Section[]>])[] = [
  ['uncontended', uncontendedSection], ['contended', contendedSections], ['drain', drainSection], ['timeouts', timeoutsSection],
  ['aborts', abortsSection], ['validation', validationSection], ['heap', heapSection], ['sharing', sharingSection],
];

async function run(context: BenchContext): Promise<ChapterResult> {
  const sections: Section[] = [];
  let { only } = context;
  for (const [id, measure] of SECTIONS) {
    if (contendersOf(id, only).length > 0) sections.push(...[await measure({ ...context, only })].flat());
    // Who is no pool in the first section is not measured in the others.
    if (id === 'uncontended') only = fit(only, sections.flatMap(({ rows }) => rows.filter(({ failed }) => failed !== undefined)));
  }
  return { name: 'engine', title: engineChapter.title, about, sections, notes: NOTES, failures: sections.flatMap(failuresOf) };
}

/** Ids of those that were asked for and have not failed; the list is never empty, because that means everybody. */
function fit(only: readonly string[], failed: readonly Row[]): string[] {
  const names = new Set(failed.map(({ contender }) => contender));
  const asked = CONTENDERS.filter(({ id }) => only.length === 0 || only.includes(id));
  return ['nobody', ...asked.filter(({ name }) => !names.has(name)).map(({ id }) => id)];
}

export const engineChapter: Chapter = {
  name: 'engine', title: 'The engine: what borrowing costs', about, contenders: CONTENDERS.map(({ id }) => id), run,
};
