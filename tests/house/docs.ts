// Looks at the documentation with the code beside it: a page or heading for everything that has a name in the public face, none for
// anything else, defaults that are true, links that lead somewhere. `docsOf` reads the documents and `codeOf` (docs-code.ts) the code;
// `checkDocs` compares them and reads nothing, so that a test can change a side and see what is said.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import type { Code } from './docs-code.ts';

/** Text by path below the root, with slashes. */
export type Docs = ReadonlyMap<string, string>;

const NOT_OURS = new Set(['node_modules', 'dist', 'out', 'coverage', '.git', '.cache']);
const OPTIONS = 'docs/reference/options/';
const ERRORS = 'docs/reference/errors/';
const MAX_LINE_LENGTH = 140;

/** Every Markdown file of the repository. */
export function docsOf(root: string): Map<string, string> {
  const docs = new Map<string, string>();
  for (const file of filesBelow(root, '.md')) docs.set(relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8'));
  return docs;
}

/** Every file below a folder that ends so, but what is made or fetched. */
export function filesBelow(folder: string, extension: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path, extension);
    return entry.name.endsWith(extension) ? [path] : [];
  });
}

/** Without the underscores that make long numbers readable. */
export function plain(text: string): string {
  return text.replaceAll(/(?<=\d)_(?=\d)/g, '');
}

/** Everything that is wrong, a line each. `isThere`: of a path below the root that is no document. */
export function checkDocs(docs: Docs, code: Code, isThere: (path: string) => boolean): string[] {
  const said: string[] = [];
  const say = (file: string, what: string): void => void said.push(`${file}: ${what}`);
  checkOptions(docs, code, say);
  checkErrors(docs, code, say);
  checkHeadings(docs, 'docs/reference/acquire-options.md', /^## `(.+)`$/gm, code.acquireOptions, say);
  checkHeadings(docs, 'docs/reference/destroy-reasons.md', /^### `(.+)`$/gm, code.reasons, say);
  checkEvents(docs, code, say);
  checkStats(docs, code, say);
  checkMoving(docs, say);
  checkLinks(docs, isThere, say);
  checkLines(docs, say);
  return said;
}

type Say = (file: string, what: string) => void;

type Page = readonly [name: string, file: string, text: string];

/** A page each, under its name, and no other page but the index, which leads to all of them. */
function pagesOf(docs: Docs, folder: string, names: readonly string[], sections: readonly string[], say: Say): Page[] {
  const index = docs.get(`${folder}README.md`) ?? '';
  for (const file of docs.keys()) {
    const name = file.slice(folder.length, -'.md'.length);
    if (file.startsWith(folder) && name !== 'README' && !names.includes(name)) say(file, 'a page for something that does not exist');
  }
  return names.flatMap((name): Page[] => {
    const file = `${folder}${name}.md`;
    const text = docs.get(file);
    if (text === undefined) {
      say(file, 'there is no such page');
      return [];
    }
    if (!text.startsWith(`# \`${name}\`\n`)) say(file, `does not begin with "# \`${name}\`"`);
    if (!index.includes(`(${name}.md)`)) say(`${folder}README.md`, `does not lead to ${name}.md`);
    for (const section of sections) if (!text.includes(`\n## ${section}\n`)) say(file, `has no section "${section}"`);
    return [[name, file, text]];
  });
}

function checkOptions(docs: Docs, { options, sheddingWhenTrue }: Code, say: Say): void {
  const sections = ['At the edges', 'Interactions', 'When to change it', 'Example'];
  for (const [name, file, text] of pagesOf(docs, OPTIONS, Object.keys(options), sections, say)) {
    if (cell(text, 'Type') === undefined) say(file, 'its table has no line "Type"');
    const stated = value(cell(text, 'Default'));
    if (stated !== options[name]) say(file, `says that the default is ${stated ?? 'nothing'}, but it is ${options[name]}`);
    if (!text.includes('\n```ts\nimport ')) say(file, 'its example does not begin with an import');
  }
  const index = `${OPTIONS}README.md`;
  for (const [, name, stated] of (docs.get(index) ?? '').matchAll(/^\| \[`(\w+)`\]\(\w+\.md\) \| `([^`]+)`/gm)) {
    const real = options[name!];
    if (real === undefined) say(index, `lists ${name!}, which is no option`);
    else if (plain(stated!) !== real) say(index, `says that the default of ${name!} is ${stated!}, but it is ${real}`);
  }
  const shedding = `${OPTIONS}shedding.md`;
  const whenTrue = value(cell(docs.get(shedding) ?? '', 'When `true`'));
  if (whenTrue !== sheddingWhenTrue) say(shedding, `says that true means ${whenTrue ?? 'nothing'}, but it means ${sheddingWhenTrue}`);
  const acquire = 'docs/reference/acquire-options.md';
  for (const match of (docs.get(acquire) ?? '').matchAll(/^\| Default \| (.*) \|$/gm)) {
    if (value(match[1]) !== 'undefined') say(acquire, `no option of an acquire has a default of its own: ${match[1]}`);
  }
}

function checkErrors(docs: Docs, { errorCodes, classes }: Code, say: Say): void {
  const sections = ['Message', 'What it means', 'Look at first', 'What to do'];
  for (const [name, file, text] of pagesOf(docs, ERRORS, errorCodes, sections, say)) {
    for (const line of ['Class', 'Retryable', 'Fields', 'Comes from']) {
      if (cell(text, line) === undefined) say(file, `its table has no line "${line}"`);
    }
    for (const match of (cell(text, 'Class') ?? '').matchAll(/`(\w+)`/g)) {
      if (!classes.includes(match[1]!)) say(file, `there is no class ${match[1]!}`);
    }
    if (!text.includes('\n```text\n')) say(file, `shows no message of ${name}`);
  }
}

function checkHeadings(docs: Docs, file: string, heading: RegExp, names: readonly string[], say: Say): void {
  const found = [...(docs.get(file) ?? '').matchAll(heading)].map((match) => match[1]!);
  for (const name of names) if (!found.includes(name)) say(file, `has no heading for ${name}`);
  for (const name of found) if (!names.includes(name)) say(file, `has a heading for ${name}, which does not exist`);
}

function checkEvents(docs: Docs, { events }: Code, say: Say): void {
  const file = 'docs/reference/events.md';
  const text = docs.get(file) ?? '';
  checkHeadings(docs, file, /^## `(.+)`$/gm, Object.keys(events), say);
  const channels = [...text.matchAll(/`millpond:(\w+)`/g)].map((match) => match[1]!);
  for (const [event, fields] of Object.entries(events)) {
    if (!channels.includes(event)) say(file, `does not name the channel millpond:${event}`);
    const section = text.split(`\n## \`${event}\`\n`)[1]?.split('\n## ')[0] ?? '';
    const [stated, real] = [firstCells(section).join(', '), fields.join(', ')];
    if (stated !== real) say(file, `says that ${event} has the fields ${stated}, but it has ${real}`);
  }
  for (const channel of channels) if (!(channel in events)) say(file, `names a channel for ${channel}, which does not exist`);
}

function checkStats(docs: Docs, { stats }: Code, say: Say): void {
  const file = 'docs/reference/stats.md';
  const [fields = ''] = (docs.get(file) ?? '').split('\n## ');
  const stated = firstCells(fields).filter((name) => name !== 'totals.');
  for (const name of stats) if (!stated.includes(name)) say(file, `does not explain ${name}`);
  for (const name of stated) if (!stats.includes(name)) say(file, `explains ${name}, which does not exist`);
}

/** The names in backticks that stand in the first column of tables. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));
}

/** What stands in the line of a page's table that begins with `name`. */
function cell(text: string, name: string): string | undefined {
  return text.split('\n').find((line) => line.startsWith(`| ${name} | `))?.slice(`| ${name} | `.length, -' |'.length);
}

/** The value that a cell begins with: what is in backticks, or its first word. */
function value(content: string | undefined): string | undefined {
  const match = content?.match(/^`([^`]+)`|^(\w+)/);
  return match === null || match === undefined ? undefined : plain(match[1] ?? match[2]!);
}

/** Whoever moves from one pool after another finds the same questions answered in the same order. */
function checkMoving(docs: Docs, say: Say): void {
  const wanted = ['1.', '2.', '3.', 'Options, old and new', 'What behaves differently', 'How to go back'];
  for (const [file, text] of docs) {
    if (!file.startsWith('docs/guide/moving-from-')) continue;
    const found = [...withoutCode(text).matchAll(/^## (\d\.|.+$)/gm)].map((match) => match[1]!);
    if (found.join() !== wanted.join()) say(file, `has the headings ${found.join(' / ')}, not ${wanted.join(' / ')}`);
    if (!text.includes('Before') || !text.includes('After')) say(file, 'does not show code before and after');
  }
}

/** Links within the repository: the file must be there, and the heading in it. */
function checkLinks(docs: Docs, isThere: (path: string) => boolean, say: Say): void {
  for (const [file, text] of docs) {
    for (const match of withoutCode(text).matchAll(/\]\(([^()\s]+)\)/g)) {
      const link = match[1]!;
      if (/^[a-z]+:/i.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? file : posix.join(posix.dirname(file), path);
      const page = docs.get(target);
      const leads = page === undefined ? !target.endsWith('.md') && isThere(target) : anchor === undefined || anchorsOf(page).has(anchor);
      if (!leads) say(file, `the link ${link} leads nowhere`);
    }
  }
}

/** As GitHub makes them: in lower case, without punctuation, spaces as hyphens. */
function anchorsOf(text: string): Set<string> {
  const headings = [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!);
  return new Set(headings.map((heading) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-')));
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '');
}

/** A table cannot be wrapped; everything else can. */
function checkLines(docs: Docs, say: Say): void {
  for (const [file, text] of docs) {
    if (!file.startsWith('docs/')) continue;
    text.split('\n').forEach((line, at) => {
      if (line.length <= MAX_LINE_LENGTH || line.startsWith('|')) return;
      say(`${file}:${at + 1}`, `${line.length} characters; at most ${MAX_LINE_LENGTH}`);
    });
  }
}
