// A copy of the workspace in which a mutant lives: the sources and the tests copied, so that neither the checkout is touched nor somebody's
// edits in it are felt half-way; the dependencies linked, all but our own package, which has to be the copy.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { root } from '../lib/run.mjs';

/** Where a mutant's `file` starts. */
const SOURCES = 'packages/millpond/src';

/** What a run of the fast tests needs of the checkout. */
const COPIED =
  [SOURCES, 'packages/millpond/package.json', 'tests', 'lab/src', 'lab/package.json', 'scripts/lib', 'vitest.config.ts',
    'tsconfig.base.json', 'package.json'];

/** Folders of tests that are no test of the engine. */
const LEFT_BEHIND = new Set(['node_modules', 'demo', 'house', 'packaging', 'pg']);

/** Folders of tests that look at the engine. */
const LOOKING = ['unit', 'property', 'simulation'];

/** A test that compares times of the processor says nothing while two runs compete for it; and the kit's tests of itself know no engine. */
const UNSUITABLE = /^unit\/(scenarios\/b-linear|testing-kit\/(?!pool-contract$).*)$/;

export class Tree {
  #folder;

  constructor(folder) {
    this.#folder = folder;
    for (const path of COPIED) {
      const from = join(root, path);
      if (!existsSync(from)) continue;
      cpSync(from, join(folder, path),
        { recursive: true, filter: (each) => path !== 'tests' || !LEFT_BEHIND.has(relative(from, each).split(sep)[0] ?? '') });
    }
    const modules = join(folder, 'node_modules');
    mkdirSync(modules);
    for (const name of readdirSync(join(root, 'node_modules'))) {
      if (!name.startsWith('.') && name !== 'millpond' && name !== '@millpond')
        symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction');
    }
    symlinkSync(join(folder, 'packages/millpond'), join(modules, 'millpond'), 'junction');
    mkdirSync(join(modules, '@millpond'));
    symlinkSync(join(folder, 'lab'), join(modules, '@millpond/lab'), 'junction');
  }

  get folder() {
    return this.#folder;
  }

  /** The files of tests that look at the engine, as paths below `tests` without their ending: `unit/close`. */
  tests() {
    return LOOKING.flatMap((folder) => this.#testsIn(folder)).filter((test) => !UNSUITABLE.test(test));
  }

  /** What is wrong with a mutant as a change of these sources, or undefined. */
  faultOf({ file, find, replace }) {
    const path = join(this.#folder, SOURCES, file);
    if (!existsSync(path)) return `there is no ${SOURCES}/${file}`;
    if (find === replace) return 'it changes nothing';
    const count = readFileSync(path, 'utf8').split(find).length - 1;
    return count === 1 ? undefined : `what it looks for stands ${count} times in ${SOURCES}/${file}:\n${find}`;
  }

  /** Breaks the sources; returns the function that mends them. */
  break({ file, find, replace }) {
    const path = join(this.#folder, SOURCES, file);
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, whole.replace(find, () => replace));
    return () => writeFileSync(path, whole);
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #testsIn(name) {
    const folder = join(this.#folder, 'tests', name);
    if (!existsSync(folder)) return [];
    const files = readdirSync(folder, { recursive: true }).map((path) => `${name}/${path.split(sep).join('/')}`);
    return files.filter((path) => path.endsWith('.test.ts') && !path.includes('fixtures/')).map(
      (path) => path.slice(0, -'.test.ts'.length)).sort();
  }
}
