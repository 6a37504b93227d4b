// A compiled copy of the library for programs of their own, which run as its users run it: by Node, from JavaScript.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';

const here = createRequire(import.meta.url);
const library = fileURLToPath(new URL('../../packages/millpond', import.meta.url));

/** Compiled before the tests of this file, removed after them. Returns its folder: nothing is installed beside it. */
export function compiledLibrary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-process-'));
  beforeAll(async () => {
    const tsc = join(dirname(here.resolve('typescript/package.json')), 'bin', 'tsc');
    const off = ['composite', 'incremental', 'declaration', 'declarationMap', 'isolatedDeclarations', 'sourceMap'];
    await promisify(execFile)(process.execPath, [
      tsc, '-p', library, '--outDir', join(folder, 'millpond'), '--tsBuildInfoFile', 'null', ...off.flatMap((flag) => [`--${flag}`, 'false']),
    ]);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
