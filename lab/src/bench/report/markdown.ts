// The tables as the documents carry them, and the marks between which they stand there:
//
//   <!-- bench:engine -->  ...  <!-- /bench:engine -->                  all tables of a chapter
//   <!-- bench:engine/uncontended -->  ...  <!-- /bench:engine/uncontended -->   one of them
//   <!-- bench:origin -->  ...  <!-- /bench:origin -->                  machine, date, commit and versions, in full
//
// What stands between two marks is replaced; everything else stays as it is.
import type { ChapterResult, Row, Section } from '../chapter.ts';
import { wrap } from '../../drawing/terminal/style.ts';
import type { BenchResult } from '../results.ts';
import { cellOf, headOf, machineWords, originWords, targetWords, versionWords } from './write.ts';

/** The longest line of a document of ours. */
const LINE = 120;

const MARK = /<!-- bench:([\w-]+)(?:\/([\w-]+))? -->\n?([\s\S]*?)<!-- \/bench:\1(?:\/\2)? -->/g;

/** The whole result, for `--markdown`. */
export function markdownOf(result: BenchResult): string {
  return result.chapters.map((chapter) => `## ${chapter.title}\n\n${chapterMarkdown(chapter, result)}`).join('\n');
}

/**
 * The text with what belongs between its marks. `missing` names the marks for which this run has nothing: they keep what they had.
 * `found` says how many there were.
 */
export function withTables(text: string, result: BenchResult): { text: string; found: number; missing: string[] } {
  const missing: string[] = [];
  let found = 0;
  const filled = text.replace(MARK, (whole, name: string, id: string | undefined) => {
    found += 1;
    if (name === 'origin') return `<!-- bench:origin -->\n${originMarkdown(result)}<!-- /bench:origin -->`;
    const chapter = result.chapters.find((one) => one.name === name);
    const mark = id === undefined ? name : `${name}/${id}`;
    const section = chapter?.sections.find((one) => one.id === id);
    if (chapter === undefined || (id !== undefined && section === undefined)) {
      missing.push(mark);
      return whole;
    }
    const body = section === undefined ? chapterMarkdown(chapter, result) : sectionMarkdown(section, result);
    return `<!-- bench:${mark} -->\n${body}<!-- /bench:${mark} -->`;
  });
  return { text: filled, found, missing };
}

function chapterMarkdown(chapter: ChapterResult, result: BenchResult): string {
  const parts = chapter.sections.map((section) =>
    `### ${section.title}\n\n${lines(section.note)}\n${tableMarkdown(section)}${targetsMarkdown(section)}`);
  return `${parts.join('\n')}\n${originMarkdown(result)}`;
}

function sectionMarkdown(section: Section, result: BenchResult): string {
  const { date, commit, machine } = result.origin;
  const where = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`;
  const origin = inSmallPrint(`${howMarkdown(result)} ${date.slice(0, 10)}, ${where}, commit ${commit}.`);
  return `${lines(`**${section.title}.** ${section.note}`)}\n${tableMarkdown(section)}${targetsMarkdown(section)}\n${origin}`;
}

function originMarkdown(result: BenchResult): string {
  const { origin } = result;
  return inSmallPrint(`${howMarkdown(result)} ${machineWords(origin)}; ${originWords(origin)}. ${versionWords(origin)}.`);
}

function howMarkdown({ quick }: BenchResult): string {
  return `${quick ? 'A quick run, not to quote from. ' : ''}Medians (lowest–highest) of interleaved rounds.`;
}

/** In lines that a document may have. */
function lines(text: string): string {
  return `${wrap(text, LINE).join('\n')}\n`;
}

/** In small print. */
function inSmallPrint(text: string): string {
  return lines(`<sub>${text}</sub>`);
}

export function tableMarkdown(section: Section): string {
  const lacking = section.rows.some((row) => row.lacks !== '' || row.failed !== undefined);
  const heads = ['', ...section.columns.map(headOf), ...(lacking ? ['does not do'] : [])];
  const lines = section.rows.map((row) => [
    row.ours ? `**${escape(row.contender)}**` : escape(row.contender),
    ...section.columns.map((column) => {
      const { text, spread } = cellOf(row, column);
      return spread === '' ? text : `${text} (${spread})`;
    }),
    ...(lacking ? [lacksOf(row)] : []),
  ]);
  const rule = heads.map((_, index) => index === 0 || (lacking && index === heads.length - 1) ? '---' : '--:');
  return [heads, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function lacksOf(row: Row): string {
  return escape(row.failed === undefined ? row.lacks : `failed: ${row.failed}`);
}

function targetsMarkdown({ targets }: Section): string {
  if (targets.length === 0) return '';
  return `\n${targets.map((target) => `- ${target.holds ? 'reached' : '**not reached**'}: ${escape(targetWords(target))}\n`).join('')}`;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}
