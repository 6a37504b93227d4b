// The page about what pools get wrong promises that each fault has tests. Here it is held to that: every number is there, and every test it
// names is in the file it names. That these tests can fail is theirs to show.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const PAGE = 'docs/reference/what-peers-get-wrong.md';
const FAULTS = Array.from({ length: 24 }, (_, index) => index + 1);
const page = readFileSync(join(root, PAGE), 'utf8');
const read = (file: string): string | undefined => (existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined);

interface Proof {
  readonly fault: number;
  readonly file: string;
  readonly title: string;
}

/** The lines of the tables, with what each names as its proof. */
function rowsOf(text: string): { readonly fault: number; readonly proofs: readonly Proof[] }[] {
  return [...text.matchAll(/^\| (\d+) \|.*$/gm)].map((row) => {
    const fault = Number(row[1]);
    const proofs = [...row[0].matchAll(/\[`(tests\/[^`]+)`\]\([^)]+\)((?: › "(?:[^"]|"(?! \||<br>))*"(?=<br>| \|))+)/g)];
    return { fault, proofs: proofs.map((match) => ({ fault, file: match[1]!, title: match[2]!.slice(' › "'.length, -1) })) };
  });
}

/** The titles of a file's tests as its source has them: what is filled in stands there as `%s` or `${name}`. */
function titlesOf(source: string): string[] {
  const calls = source.matchAll(/(?<!\w)(?:it|test|each)(?:\.\w+)*(?:\([^'"`]*?\)(?: as const\))?)?\((['"`])((?:\\.|(?!\1).)*)\1/g);
  const tables = source.matchAll(/^\s*\](?: as const)?\)\((['"`])((?:\\.|(?!\1).)*)\1/gm);
  const rows = source.matchAll(/(?<!\w)(?:it|test)\.each\(.*?\)\((['"`])((?:\\.|(?!\1).)*)\1/g);
  return [...calls, ...tables, ...rows].map((match) => match[2]!.replaceAll(/\\(.)/g, '$1'));
}

/** What is wrong with the text of the page, a line each. */
function checkFaults(text: string, fileOf: typeof read): string[] {
  const [faults = ''] = text.split('\n## In the drop-ins\n');
  const numbers = rowsOf(faults).map(({ fault }) => fault);
  const said = FAULTS.filter((number) => !numbers.includes(number)).map((number) => `fault ${number} is missing`);
  if (new Set(numbers).size !== numbers.length || numbers.some((number) => !FAULTS.includes(number))) said.push('a number too many');
  for (const { fault, proofs } of rowsOf(text)) {
    if (proofs.length === 0) said.push(`fault ${fault}: a line names no test`);
    for (const { file, title } of proofs) {
      const source = fileOf(file);
      if (source === undefined) said.push(`fault ${fault}: there is no ${file}`);
      else if (!titlesOf(source).includes(title)) said.push(`fault ${fault}: ${file} has no test "${title}"`);
    }
  }
  return said;
}

describe('what pools get wrong', () => {
  it('has every fault, each with tests that exist', () => {
    expect(checkFaults(page, read)).toEqual([]);
    expect(rowsOf(page).flatMap(({ proofs }) => proofs).length).toBe(page.match(/› "/g)!.length);
  });

  it('is told when a fault, a file or a test is not there', () => {
    const without = page.replace(/^\| 7 \|.*\n/m, '');
    expect(checkFaults(without, read)).toEqual(['fault 7 is missing']);
    const [first] = rowsOf(page)[0]!.proofs;
    expect(checkFaults(page, (file) => (file === first!.file ? undefined : read(file)))).toContain(`fault 1: there is no ${first!.file}`);
    const renamed = (file: string): string | undefined => read(file)?.replaceAll(first!.title, 'something else');
    expect(checkFaults(page, renamed)).toEqual([`fault 1: ${first!.file} has no test "${first!.title}"`]);
    expect(checkFaults(page.replace(/^(\| 2 \|.*\| ).* \|$/m, '$1none |'), read)).toEqual(['fault 2: a line names no test']);
  });
});
