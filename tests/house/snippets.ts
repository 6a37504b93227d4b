// Type-checks the examples of the documentation: every block of TypeScript that begins with an import. They are written into a folder
// outside of the repository that borrows its node_modules, one folder a page, and one run of the compiler looks at all of them.
//
// A block whose first line is a comment with a file name (`// line.ts`) can be imported under that name: by the blocks of its own page,
// and, if it stands in the page given as `shared`, by those of all pages.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Docs } from './docs.ts';

interface Snippet {
  readonly page: string;
  /** Of the block's first line in its page, from 1. */
  readonly line: number;
  /** Undefined: nobody imports it. */
  readonly name: string | undefined;
  readonly text: string;
}

const BLOCK = /^```ts\n(.*?)^```$/gms;

export function snippetsOf(docs: Docs): Snippet[] {
  return [...docs].flatMap(([page, text]) => [...text.matchAll(BLOCK)].flatMap((match): Snippet[] => {
    const [, name, code] = match[1]!.match(/^(?:\/\/ ([\w.-]+\.ts)\n)?(import .*)/s) ?? [];
    if (code === undefined) return [];
    return [{ page, line: text.slice(0, match.index).split('\n').length + 1, name, text: match[1]! }];
  }));
}

const COMPILER_OPTIONS = {
  target: 'es2022', lib: ['es2022', 'esnext.disposable'], module: 'nodenext', moduleResolution: 'nodenext', types: ['node'],
  strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true,
  customConditions: ['source'], allowImportingTsExtensions: true, noEmit: true, skipLibCheck: true,
};

/** What the compiler says, a line each, with page and line. `root`: the repository. */
export async function checkSnippets(root: string, snippets: readonly Snippet[], shared: string): Promise<string[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'millpond-docs-')));
  try {
    const places = layOut(folder, snippets, shared);
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: [...places.keys()] }));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const output = await run(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], folder);
    return output.split('\n').filter((line) => line !== '').map((line) => located(line, places));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the files; tells which stands for which snippet. */
function layOut(folder: string, snippets: readonly Snippet[], shared: string): Map<string, Snippet> {
  const places = new Map<string, Snippet>();
  const folderOf = (page: string): string => page.replaceAll(/[^\w]+/g, '_');
  for (const snippet of snippets) {
    const file = `${folderOf(snippet.page)}/${snippet.name ?? `line-${snippet.line}.ts`}`;
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), snippet.text);
    places.set(file, snippet);
  }
  const lent = snippets.filter(({ page, name }) => page === shared && name !== undefined);
  for (const page of new Set(snippets.map((each) => each.page))) {
    for (const { name } of lent) {
      const file = join(folder, folderOf(page), name!);
      if (!places.has(`${folderOf(page)}/${name!}`)) writeFileSync(file, `export * from '../${folderOf(shared)}/${name!}';\n`);
    }
  }
  return places;
}

function located(line: string, places: ReadonlyMap<string, Snippet>): string {
  const [, file = '', at, rest] = line.match(/^(.+?)\((\d+),\d+\): (.*)$/) ?? [];
  const snippet = places.get(file);
  return snippet === undefined ? line : `${snippet.page}:${snippet.line + Number(at) - 1}: ${rest!}`;
}

/** What a program prints, whether it succeeds or not. */
function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd }, (error, stdout, stderr) => {
      const printed = stdout + stderr;
      resolve(error !== null && printed === '' ? error.message : printed);
    });
  });
}
