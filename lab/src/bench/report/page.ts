// The page: one file that needs no network, no script and no font. Everything in it comes from the result.
import { element, raw, type Markup } from '../../drawing/markup.ts';
import { STYLE_SHEET } from '../../drawing/style-sheet.ts';
import type { ChapterResult, Column, Row, Section, Target } from '../chapter.ts';
import { failuresOf, type BenchResult } from '../results.ts';
import { chartsOf } from './charts.ts';
import { BENCH_STYLE } from './style.ts';
import { bestOf, cellOf, headOf, machineWords, originWords, quantity, targetWords, versionWords } from './write.ts';

export function page(result: BenchResult): string {
  const { origin, chapters } = result;
  const failures = failuresOf(result);
  const html = element('html', { lang: 'en' },
    element('head', {},
      element('meta', { charset: 'utf-8' }),
      element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      element('title', {}, 'millpond: the benchmark'),
      element('style', {}, raw(STYLE_SHEET + BENCH_STYLE))),
    element('body', {}, element('main', {},
      element('h1', {}, 'millpond beside the pools it would replace'),
      element('p', { class: 'lead' }, `${machineWords(origin)}. ${originWords(origin)}.`),
      result.quick ? element('p', { class: 'failure' }, 'A quick run: to see that it works, not to quote from.') : [],
      failures.length > 0 ? element('div', { class: 'failure' }, failures.map((reason) => element('div', {}, `Failed: ${reason}`))) : [],
      contents(chapters),
      chapters.map(chapterMarkup),
      element('h2', {}, 'What took part'),
      element('p', {}, `${versionWords(origin)}. V8 ${origin.machine.v8}.`),
      element('p', { class: 'after' }, 'The same with one command: npm install && npm run bench'))));
  return `<!doctype html>\n${html.html}\n`;
}

function contents(chapters: readonly ChapterResult[]): Markup[] {
  return chapters.map((chapter) => element('nav', {},
    element('strong', {}, chapter.title),
    chapter.sections.map((section) => element('a', { href: `#${idOf(chapter, section)}` }, section.title))));
}

function chapterMarkup(chapter: ChapterResult): Markup[] {
  const targets = chapter.sections.flatMap((section) => section.targets);
  const held = targets.filter(({ holds }) => holds).length;
  const reached = `Of what millpond wants to reach here, ${held} of ${targets.length} are reached.`;
  return [
    element('h2', { id: chapter.name }, chapter.title),
    element('p', {}, chapter.about),
    ...(targets.length > 0 ? [element('p', { class: 'after' }, reached)] : []),
    ...chapter.sections.flatMap((section) => sectionMarkup(chapter, section)),
    ...(chapter.notes.length > 0 ? [element('h3', {}, 'How to read it')] : []),
    element('ul', { class: 'notes' }, chapter.notes.map((note) => element('li', {}, note))),
  ];
}

function sectionMarkup(chapter: ChapterResult, section: Section): Markup[] {
  return [
    element('h3', { id: idOf(chapter, section) }, section.title),
    element('p', {}, section.note),
    tableMarkup(section),
    ...(section.targets.length > 0 ? [element('ul', { class: 'targets' }, section.targets.map(targetMarkup))] : []),
    element('div', { class: 'charts' }, chartsOf(section)),
  ];
}

function tableMarkup(section: Section): Markup {
  const lacking = section.rows.some((row) => row.lacks !== '' || row.failed !== undefined);
  return element('div', { class: 'scroll' }, element('table', {},
    element('thead', {}, element('tr', {},
      element('th', { scope: 'col' }, ''),
      section.columns.map((column) => element('th', { scope: 'col', title: column.about }, headOf(column))),
      lacking ? element('th', { scope: 'col', class: 'lacks' }, 'does not do') : [])),
    element('tbody', {}, section.rows.map((row) => element('tr', { class: classOf(row) },
      element('td', { title: row.about }, row.contender),
      section.columns.map((column) => cellMarkup(section, row, column)),
      lacking ? element('td', { class: 'lacks' }, row.failed === undefined ? row.lacks : `Failed: ${row.failed}`) : [])))));
}

function cellMarkup(section: Section, row: Row, column: Column): Markup {
  const { text, spread } = cellOf(row, column);
  const figure = row.cells[column.id];
  if (figure === undefined) return element('td', { class: 'words' }, text);
  const best = figure.median === bestOf(section, column);
  const range = `${quantity(figure.low, column.unit)} to ${quantity(figure.high, column.unit)}`;
  return element('td', { class: best ? 'best' : undefined, title: range }, text, spread === '' ? [] : element('small', {}, spread));
}

function classOf(row: Row): string | undefined {
  if (row.failed !== undefined) return 'failed';
  return row.ours ? 'ours' : undefined;
}

function targetMarkup(target: Target): Markup {
  return element('li', { class: target.holds ? 'held' : 'missed' },
    element('b', {}, target.holds ? 'reached' : 'not reached'), targetWords(target));
}

function idOf(chapter: ChapterResult, section: Section): string {
  return `${chapter.name}-${section.id}`;
}
