// Programs of their own on a compiled copy of the library: what it does to the process that it lives in is seen from outside.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';

const here = createRequire(import.meta.url);
const library = fileURLToPath(new URL('../../packages/millpond', import.meta.url));
const LONGEST_MS = 60_000;

export interface Program {
  readonly child: ChildProcess;
  readonly said: () => string;
  /** The exit code, or the signal that ended it; it is killed when it takes too long. */
  readonly ended: Promise<number | string | null>;
}

/** A compiled copy in a folder of its own. Nothing is installed beside it, unless a test puts it there. */
export class CompiledLibrary {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'millpond-process-'));

  async compile(): Promise<void> {
    const tsc = join(dirname(here.resolve('typescript/package.json')), 'bin', 'tsc');
    const off = ['composite', 'incremental', 'declaration', 'declarationMap', 'isolatedDeclarations', 'sourceMap'];
    await promisify(execFile)(process.execPath, [
      tsc, '-p', library, '--outDir', join(this.folder, 'millpond'), '--tsBuildInfoFile', 'null',
      ...off.flatMap((flag) => [`--${flag}`, 'false']),
    ]);
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }');
  }

  /** What to import a file of the copy by, as it stands in a program: `adapters/pg/index.js`. */
  specifier(file: string): string {
    return specifierOf(join(this.folder, 'millpond', file));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Compiled before the tests of this file, removed after them. Returns its folder. */
export function compiledLibrary(): string {
  const copy = new CompiledLibrary();
  beforeAll(() => copy.compile(), 60_000);
  afterAll(() => copy.remove());
  return copy.folder;
}

/** A package of the tests, as it stands in a program. */
export function packageSpecifier(name: string): string {
  return specifierOf(here.resolve(name));
}

/** Runs the source of a module. */
export function runProgram(source: string): Program {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk) => { said += String(chunk); });
  child.stderr.on('data', (chunk) => { said += String(chunk); });
  const ended = new Promise<number | string | null>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? signal);
    });
  });
  return { child, said: () => said, ended };
}

function specifierOf(path: string): string {
  return JSON.stringify(pathToFileURL(path).href);
}
