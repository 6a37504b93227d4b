// A rule that never fails may be a rule that never looks. Here every rule of the house meets a violation planted for it: the files under
// fixtures/ and a few written below (what an editor would tidy up, or what would be too long to keep) are copied into an empty checkout
// with the real configuration, and both the linter and the structure check must report exactly what is planted, file by file.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_FORBIDDEN } from './layers.ts';
import { checkStructure, sourceFiles, type Rule, type Violation } from './structure.ts';

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, '../..');
const SRC = 'packages/millpond/src/';
const DROP_IN = 'packages/drop-ins/other/';

const IMPORTS = 'eslint(no-restricted-imports)';
const GLOBALS = 'eslint(no-restricted-globals)';

interface Expected {
  readonly lint?: readonly string[];
  readonly structure?: readonly Rule[];
}
const layer: Expected = { lint: [IMPORTS], structure: ['layer'] };
const bare: Expected = { lint: [IMPORTS], structure: ['bareImport'] };

/** What is planted where. A file that is not named here is clean, and must be found clean. */
const PLANTED: Readonly<Record<string, Expected>> = {
  [`${SRC}engine/knows-runtime.ts`]: layer,
  [`${SRC}engine/knows-face.ts`]: layer,
  [`${SRC}engine/knows-node.ts`]: layer,
  [`${SRC}engine/knows-package.ts`]: bare,
  [`${SRC}engine/goes-round.ts`]: layer,
  [`${SRC}engine/part/climbs-out.ts`]: layer,
  [`${SRC}engine/passes-on.ts`]: layer,
  [`${SRC}engine/loads-late.ts`]: layer,
  [`${SRC}runtime/knows-pool.ts`]: layer,
  [`${SRC}runtime/knows-index.ts`]: layer,
  [`${SRC}runtime/knows-adapter.ts`]: layer,
  [`${SRC}runtime/knows-testing.ts`]: layer,
  [`${SRC}runtime/knows-package.ts`]: bare,
  [`${SRC}runtime/loads-anything.ts`]: { structure: ['computedImport'] },
  [`${SRC}runtime/requires.ts`]: { structure: ['computedImport'] },
  [`${SRC}telemetry/knows-engine.ts`]: layer,
  [`${SRC}telemetry/knows-pool.ts`]: layer,
  [`${SRC}keyed.ts`]: layer,
  [`${SRC}options.ts`]: layer,
  [`${SRC}events.ts`]: layer,
  [`${SRC}factory.ts`]: layer,
  [`${SRC}stats.ts`]: bare,
  [`${SRC}adapters/pg/knows-engine.ts`]: layer,
  [`${SRC}adapters/pg/knows-runtime.ts`]: layer,
  [`${SRC}adapters/pg/knows-testing.ts`]: layer,
  [`${SRC}adapters/pg/knows-sibling.ts`]: layer,
  [`${SRC}adapters/common/knows-adapter.ts`]: layer,
  [`${SRC}adapters/pg/knows-driver.ts`]: { structure: ['bareImport'] },
  [`${SRC}fleet/knows-engine.ts`]: layer,
  [`${SRC}fleet/knows-adapter.ts`]: layer,
  [`${SRC}fleet/knows-package.ts`]: bare,
  [`${SRC}testing/knows-runtime.ts`]: layer,
  [`${SRC}testing/knows-adapter.ts`]: layer,
  [`${DROP_IN}src/knows-inside.ts`]: { lint: [IMPORTS], structure: ['insideOut'] },
  [`${DROP_IN}src/knows-package.ts`]: bare,
  [`${DROP_IN}src/knows-no-entry.ts`]: { structure: ['bareImport'] },
  [`${DROP_IN}src/passes-default.ts`]: { lint: ['import(no-default-export)'] },
  [`${DROP_IN}src/prints.ts`]: { lint: ['eslint(no-console)'] },
  [`${DROP_IN}package.json`]: { structure: ['dependencies'] },
  'lab/src/reaches-in.ts': { lint: [IMPORTS], structure: ['insideOut'] },

  [`${SRC}engine/globals.ts`]: { lint: [GLOBALS], structure: ['engineGlobal'] },
  [`${SRC}engine/promise-type.ts`]: { structure: ['engineGlobal'] },
  [`${SRC}engine/asynchronous.ts`]: { lint: ['oxc(no-async-await)'], structure: ['engineGlobal'] },
  [`${SRC}engine/chance.ts`]: { lint: ['eslint(no-restricted-properties)'], structure: ['engineGlobal'] },
  [`${SRC}runtime/wall-clock.ts`]: { lint: [GLOBALS] },
  [`${SRC}runtime/prints.ts`]: { lint: ['eslint(no-console)'] },

  [`${SRC}runtime/long-file.ts`]: { lint: ['eslint(max-lines)'], structure: ['fileSize'] },
  [`${SRC}runtime/long-function.ts`]: { lint: ['eslint(max-lines-per-function)'], structure: ['functionSize'] },
  'tests/unit/long-test.spec.ts': { structure: ['functionSize'] },
  [`${SRC}runtime/form.ts`]: { structure: ['form', 'lineLength'] },

  [`${SRC}runtime/floats.ts`]: { lint: ['typescript(no-floating-promises)'] },
  [`${SRC}runtime/swallows.ts`]: { lint: ['eslint(no-empty)'] },
  [`${SRC}runtime/loose.ts`]: { lint: ['eslint(eqeqeq)'] },
  [`${SRC}runtime/untyped.ts`]: { lint: ['typescript(no-explicit-any)'] },
  [`${SRC}runtime/unfinished.ts`]: { lint: ['eslint(no-warning-comments)'] },
  [`${SRC}runtime/CamelCase.ts`]: { lint: ['unicorn(filename-case)'] },
  [`${SRC}runtime/cycle-a.ts`]: { lint: ['import(no-cycle)'] },
  [`${SRC}runtime/cycle-b.ts`]: { lint: ['import(no-cycle)'] },
  'tests/unit/focused.spec.ts': { lint: ['vitest(no-focused-tests)'] },
  'tests/unit/disabled.spec.ts': { lint: ['vitest(no-disabled-tests)'] },

  'packages/millpond/package.json': { structure: ['dependencies'] },
  [`${SRC}adapters/pg/index.ts`]: { structure: ['entryReference'] },
  [`${SRC}adapters/missing/index.ts`]: { structure: ['entryReference'] },
};

function lines(count: number, line: (n: number) => string): string {
  return Array.from({ length: count }, (_, n) => `${line(n)}\n`).join('');
}

function longFunction(size: number): string {
  return `export function f(a: number): number {\n  let b = a;\n${lines(size - 4, () => '  b += 1;')}  return b;\n}\n`;
}

/** Violations that are better written than kept, and their neighbours that just pass. */
const WRITTEN: Readonly<Record<string, string>> = {
  [`${SRC}runtime/long-file.ts`]: lines(501, (n) => `export const n${n} = ${n};`),
  [`${SRC}runtime/full-file.ts`]: lines(500, (n) => `export const n${n} = ${n};`),
  [`${SRC}runtime/long-function.ts`]: longFunction(71),
  [`${SRC}runtime/full-function.ts`]: longFunction(70),
  [`${SRC}runtime/form.ts`]:
    `export const a = 1;\n\texport const b = 2;\nexport const c = 3; \nexport const d = '${'x'.repeat(140)}';`,
  'tests/unit/long-test.spec.ts':
    'import { describe, expect, it } from \'vitest\';\n\n' +
    `describe('a group may be long', () => {\n  it('a test may not', () => {\n${lines(70, () => '    expect(1).toBe(1);')}  });\n});\n`,
};

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

let checkout = '';
let linted: readonly Diagnostic[] = [];
let checked: readonly Violation[] = [];

function lint(folder: string): Promise<readonly Diagnostic[]> {
  return new Promise((resolve, reject) => {
    // The folders are named because it would follow the link to node_modules.
    const args = [join(repository, 'node_modules/oxlint/bin/oxlint'), '--format', 'json', 'packages', 'lab', 'tests'];
    execFile(process.execPath, args, { cwd: folder, maxBuffer: 1 << 26, timeout: 50_000 }, (error, stdout, stderr) => {
      // It exits with 1 when it found something, as it must here.
      if (error?.code !== 1) return reject(new Error(`oxlint exited with ${String(error?.code ?? 0)}: ${stdout}${stderr}`));
      resolve((JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics);
    });
  });
}

beforeAll(async () => {
  checkout = mkdtempSync(join(tmpdir(), 'millpond-planted-'));
  cpSync(join(here, 'fixtures'), checkout, { recursive: true });
  // Those that lab refers to: the drop-ins, the proxy, and the page.
  const dropIns = ['generic-pool', 'mysql2', 'pg-pool', 'sequelize-pool', 'tarn'].map((name) => `packages/drop-ins/${name}`);
  const folders = ['packages/millpond', 'packages/proxy', ...dropIns, 'lab', 'lab/src/playground/page', 'tests'];
  const tsconfigs = folders.map((folder) => `${folder}/tsconfig.json`);
  for (const file of ['.oxlintrc.json', 'tsconfig.base.json', ...tsconfigs]) {
    cpSync(join(repository, file), join(checkout, file));
  }
  symlinkSync(join(repository, 'node_modules'), join(checkout, 'node_modules'), 'junction');
  for (const [file, text] of Object.entries(WRITTEN)) {
    mkdirSync(dirname(join(checkout, file)), { recursive: true });
    writeFileSync(join(checkout, file), text);
  }
  linted = await lint(checkout);
  checked = checkStructure(checkout);
});

afterAll(() => rmSync(checkout, { recursive: true, force: true }));

const unique = (values: readonly string[]): string[] => [...new Set(values)].sort();

describe('a planted violation is reported, and nothing else is', () => {
  it('by the linter, file by file', () => {
    const found = Object.fromEntries(unique(linted.map((one) => one.filename)).map((file) => [
      file, unique(linted.filter((one) => one.filename === file).map((one) => one.code)),
    ]));
    const expected = Object.entries(PLANTED).flatMap(([file, { lint: rules }]) => (rules === undefined ? [] : [[file, [...rules]]]));
    expect(found).toEqual(Object.fromEntries(expected));
  });

  it('by the structure check, file by file', () => {
    const found = Object.fromEntries(unique(checked.map((one) => one.file)).map((file) => [
      file, unique(checked.filter((one) => one.file === file).map((one) => one.rule)),
    ]));
    const expected = Object.entries(PLANTED).flatMap(([file, { structure: rules }]) => (rules === undefined ? [] : [[file, [...rules]]]));
    expect(found).toEqual(Object.fromEntries(expected));
  });

  it('and every violation in the table has its file', () => {
    const manifests = ['packages/millpond/package.json', `${DROP_IN}package.json`];
    const files = new Set([...sourceFiles(checkout), ...manifests, `${SRC}adapters/missing/index.ts`]);
    expect(Object.keys(PLANTED).filter((file) => !files.has(file))).toEqual([]);
  });
});

describe('every name that the engine may not use', () => {
  const file = `${SRC}engine/globals.ts`;
  const names = ENGINE_FORBIDDEN.filter((name) => name !== 'async' && name !== 'await');

  it.each(names.map((name, index) => [name, index + 3] as const))('is found by both: %s', (name, line) => {
    expect(checked).toContainEqual({ rule: 'engineGlobal', file, line, message: `the engine may not use ${name}` });
    expect(linted.filter((one) => one.filename === file).map((one) => one.labels[0]?.span.line)).toContain(line);
  });

  it.each(['async', 'await'])('is found by the structure check as a word: %s', (word) => {
    expect(checked.map((one) => one.message)).toContain(`the engine may not use ${word}`);
  });
});

describe('what is published', () => {
  it('has no dependencies, and drivers only as optional peers', () => {
    expect(checked.filter((one) => one.rule === 'dependencies').map((one) => one.message)).toEqual([
      'left-pad: the library has no dependencies',
      'mysql2: a driver is an optional peer',
      'left-pad: a drop-in depends on millpond alone',
    ]);
  });
});
