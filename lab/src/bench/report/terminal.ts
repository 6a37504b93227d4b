// A chapter as text: a table for each section, the verdicts on its targets, and what has to be known beside them.
import { padEnd, paint, widthOf, wrap, type Style } from '../../drawing/terminal/style.ts';
import { tables, type Column as TextColumn } from '../../drawing/terminal/table.ts';
import type { ChapterResult, Column, Row, Section } from '../chapter.ts';
import { bestOf, cellOf, headOf, targetWords } from './write.ts';

const WIDEST_TEXT = 110;

export function chapterText(chapter: ChapterResult, style: Style, columns: number): string[] {
  const width = Math.min(WIDEST_TEXT, columns);
  const dim = (text: string): string[] => wrap(text, width, '').map((line) => paint(style, line, 'dim'));
  return [
    '', paint(style, chapter.title, 'bold', 'cyan'), ...dim(chapter.about),
    ...chapter.sections.flatMap((section) => sectionText(section, style, columns)),
    ...lacksText(chapter, style, width),
    ...(chapter.notes.length > 0 ? ['', paint(style, 'How to read it', 'bold')] : []),
    ...chapter.notes.flatMap((note) => wrap(`- ${note}`, width, '  ').map((line) => paint(style, line, 'dim'))),
    ...chapter.failures.map((reason) => paint(style, `failed: ${reason}`, 'red')),
  ];
}

export function sectionText(section: Section, style: Style, columns: number): string[] {
  const width = Math.min(WIDEST_TEXT, columns);
  const parts = tables(textColumns(section, style), section.rows, style, columns);
  return [
    '', paint(style, section.title, 'bold'), ...wrap(section.note, width).map((line) => paint(style, line, 'dim')), '',
    ...parts.flatMap((lines, index) => index === 0 ? lines : ['', ...lines]),
    ...section.rows.flatMap(({ contender, failed }) => failed === undefined ? [] : [paint(style, `${contender} FAILED: ${failed}`, 'red')]),
    ...verdicts(section, style, width),
  ];
}

function textColumns(section: Section, style: Style): TextColumn<Row>[] {
  const figures = section.columns.map((column): TextColumn<Row> => {
    const best = bestOf(section, column);
    return { head: headOf(column), cell: (row) => cellText(row, column, best, style) };
  });
  return [{ head: 'contender', left: true, cell: (row) => row.ours ? paint(style, row.contender, 'bold') : row.contender }, ...figures];
}

/** The column "does not do" of all tables: a terminal has no room for it in each. */
function lacksText(chapter: ChapterResult, style: Style, width: number): string[] {
  const lacks = new Map<string, string>();
  for (const { contender, lacks: words } of chapter.sections.flatMap((section) => section.rows)) {
    if (words !== '' && !lacks.get(contender)?.includes(words)) {
      lacks.set(contender, [lacks.get(contender), words].filter((text) => text !== undefined).join('; '));
    }
  }
  if (lacks.size === 0) return [];
  const lead = Math.max(...[...lacks.keys()].map(widthOf)) + 2;
  return [
    '', paint(style, 'What they do not do', 'bold'),
    ...[...lacks].flatMap(([contender, words]) => wrap(words, Math.max(30, width - lead))
      .map((line, index) => padEnd(index === 0 ? contender : '', lead) + paint(style, line, 'dim'))),
  ];
}

function cellText(row: Row, column: Column, best: number | undefined, style: Style): string {
  const { text, spread } = cellOf(row, column);
  const figure = row.cells[column.id];
  const shown = figure !== undefined && figure.median === best ? paint(style, text, 'green') : text;
  return spread === '' ? shown : `${shown} ${paint(style, `(${spread})`, 'dim')}`;
}

function verdicts(section: Section, style: Style, width: number): string[] {
  if (section.targets.length === 0) return [];
  const lines = section.targets.flatMap((target) => {
    const [mark, tone] = target.holds ? [style.unicode ? '✓' : '+', 'green'] as const : [style.unicode ? '✗' : 'x', 'yellow'] as const;
    return wrap(`${mark} ${targetWords(target)}`, width, '  ').map((line) => paint(style, line, tone));
  });
  return ['', ...lines];
}
