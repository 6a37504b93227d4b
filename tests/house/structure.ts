// The structure of the house, checked from the files themselves: layers, what the engine may not name, sizes, form, what is published.
// `checkStructure` takes the root of a checkout, so that the same code looks at this repository and at planted violations.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { ENGINE_FORBIDDEN, layerOf, mayImport } from './layers.ts';
import { functionsOf, importsOf, lineOf, skeleton, usesOf } from './scan.ts';

export type Rule =
  | 'layer' | 'bareImport' | 'computedImport' | 'insideOut' | 'engineGlobal'
  | 'fileSize' | 'functionSize' | 'lineLength' | 'form'
  | 'dependencies' | 'entryReference';

export interface Violation {
  readonly rule: Rule;
  /** Relative to the root, with slashes. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

const MAX_FILE_LINES = 500;
const MAX_FUNCTION_LINES = 70;
const MAX_LINE_LENGTH = 140;
const LIBRARY = 'packages/millpond/src/';
/** The source folder of a drop-in, and what is below it. */
const DROP_IN = /^(packages\/drop-ins\/[^/]+\/src\/)/;
const FOLDERS = ['packages', 'lab', 'tests', 'examples', 'scripts'];
const NOT_OURS = new Set(['node_modules', 'dist', 'out', 'fixtures', 'coverage']);
const ENTRY_REFERENCE = '/// <reference lib="esnext.disposable" preserve="true" />';
/** Calls a test function, so that the function around it is a group and may be long. */
const HOLDS_TESTS = /(?<![\w$.])(?:it|test|describe)(?:\.\w+)*\s*\(/;

interface Source {
  readonly file: string;
  readonly text: string;
  readonly code: string;
  report(rule: Rule, line: number, message: string): void;
}

/** Everything that breaks the rules of the house below `root`, in the order of the files. */
export function checkStructure(root: string): Violation[] {
  const found: Violation[] = [];
  const entries = publicEntries(root);
  for (const file of sourceFiles(root)) {
    const text = readFileSync(join(root, file), 'utf8');
    const report = (rule: Rule, line: number, message: string): void => { found.push({ rule, file, line, message }); };
    const source: Source = { file, text, code: skeleton(text), report };
    checkForm(source);
    checkFunctions(source);
    if (file.startsWith(LIBRARY)) checkLibrary(source);
    else if (DROP_IN.test(file)) checkDropIn(source, entries);
    else checkOutside(source);
  }
  for (const manifest of manifests(root)) found.push(...checkManifest(root, manifest));
  return found;
}

/** The source files that the rules are about, relative to `root`. */
export function sourceFiles(root: string): string[] {
  const files: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (NOT_OURS.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.(?:ts|mts|mjs|js)$/.test(entry.name)) files.push(relative(root, path).split(sep).join('/'));
    }
  };
  for (const folder of FOLDERS) if (existsSync(join(root, folder))) walk(join(root, folder));
  return files.sort();
}

function checkForm({ text, report }: Source): void {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else report('form', lines.length, 'does not end with a newline');
  const size = lines.length;
  if (size > MAX_FILE_LINES) report('fileSize', MAX_FILE_LINES, `${size} lines; at most ${MAX_FILE_LINES}: one subject per file`);
  lines.forEach((line, index) => {
    if (line.length > MAX_LINE_LENGTH) report('lineLength', index + 1, `${line.length} characters; at most ${MAX_LINE_LENGTH}`);
    if (/\s$/.test(line)) report('form', index + 1, 'white space at the end of the line');
    if (line.includes('\t')) report('form', index + 1, 'a tab');
  });
}

function checkFunctions({ file, code, report }: Source): void {
  for (const { line, lines, head, body } of functionsOf(code)) {
    if (lines <= MAX_FUNCTION_LINES || (file.startsWith('tests/') && HOLDS_TESTS.test(body))) continue;
    const name = head.slice(0, 60);
    report('functionSize', line, `\`${name}\` has ${lines} lines; at most ${MAX_FUNCTION_LINES}: a function fits on a screen`);
  }
}

function checkLibrary(source: Source): void {
  const { file, text, code, report } = source;
  const path = file.slice(LIBRARY.length);
  const layer = layerOf(path);
  for (const { specifier, line, dynamic } of importsOf(text, code)) {
    if (specifier === undefined) report('computedImport', line, 'an import whose target cannot be read');
    else if (specifier.startsWith('.')) {
      const target = posix.normalize(posix.join(posix.dirname(path), specifier));
      if (target.startsWith('../')) report('layer', line, `${specifier} leaves src`);
      else if (!mayImport(path, target)) report('layer', line, `${layer} may not know ${layerOf(target)} (${specifier})`);
    } else if (specifier.startsWith('node:')) {
      if (layer === 'engine') report('layer', line, `the engine may not know ${specifier}`);
    } else if (!layer.startsWith('adapters/') || !dynamic) {
      report('bareImport', line, `${specifier}: the library depends on nothing; an adapter may load its driver when it is needed`);
    }
  }
  if (!layer.startsWith('adapters/')) {
    for (const { line } of usesOf(code, ['createRequire'])) report('computedImport', line, 'a require() of its own: only an adapter may');
  }
  if (layer !== 'engine') return;
  for (const { name, line } of usesOf(code, ENGINE_FORBIDDEN)) report('engineGlobal', line, `the engine may not use ${name}`);
  for (const match of code.matchAll(/\bMath\s*\.\s*random\b/g)) {
    report('engineGlobal', lineOf(code, match.index), 'the engine may not use Math.random');
  }
}

/** The names under which the library can be loaded. */
function publicEntries(root: string): ReadonlySet<string> {
  const file = join(root, 'packages/millpond/package.json');
  if (!existsSync(file)) return new Set();
  const { exports = {} } = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  return new Set(Object.keys(exports).map((name) => posix.join('millpond', name)));
}

/** Passes the types of another package on, and nothing else. */
function passesTypesOn(text: string, line: number): boolean {
  return /^export type \* from\b/.test(text.split('\n')[line - 1]!);
}

/**
 * A drop-in stands on the library's public names alone; what it stands in for, and its driver, it may load when they are needed, and their
 * types it may pass on.
 */
function checkDropIn({ file, text, code, report }: Source, entries: ReadonlySet<string>): void {
  const src = DROP_IN.exec(file)![1]!;
  for (const { specifier, line, dynamic } of importsOf(text, code)) {
    if (specifier === undefined) report('computedImport', line, 'an import whose target cannot be read');
    else if (specifier.startsWith('.')) {
      if (!posix.join(posix.dirname(file), specifier).startsWith(src)) report('insideOut', line, `${specifier} leaves ${src}`);
    } else if (!specifier.startsWith('node:') && !entries.has(specifier) && !dynamic && !passesTypesOn(text, line)) {
      report('bareImport', line, `${specifier}: a drop-in depends on millpond's public names alone`);
    }
  }
}

/** The lab and the examples use the library as everyone does. Tests may look inside. */
function checkOutside({ file, text, code, report }: Source): void {
  if (!/^(?:lab|examples)\//.test(file)) return;
  const top = file.slice(0, file.indexOf('/') + 1);
  for (const { specifier, line } of importsOf(text, code)) {
    if (specifier === undefined || !specifier.startsWith('.')) continue;
    const target = posix.join(posix.dirname(file), specifier);
    if (!target.startsWith(top)) report('insideOut', line, `${specifier} leaves ${top}: packages are used by their names`);
  }
}

interface Manifest {
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, string | { readonly source?: string }>>;
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies?: object;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

function manifests(root: string): string[] {
  if (!existsSync(join(root, 'packages'))) return [];
  const folders = ['packages', 'packages/drop-ins'].filter((folder) => existsSync(join(root, folder)));
  const files = folders.flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}/package.json`));
  return files.filter((file) => existsSync(join(root, file)));
}

function checkManifest(root: string, file: string): Violation[] {
  const found: Violation[] = [];
  const manifest = JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest;
  if (manifest.private === true) return found;
  const isDropIn = file.startsWith('packages/drop-ins/');
  if (file === 'packages/millpond/package.json' || isDropIn) {
    const needed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    for (const name of needed) {
      if (isDropIn && name === 'millpond') continue;
      const message = `${name}: ${isDropIn ? 'a drop-in depends on millpond alone' : 'the library has no dependencies'}`;
      found.push({ rule: 'dependencies', file, line: 1, message });
    }
    for (const name of Object.keys(manifest.peerDependencies ?? {})) {
      if (manifest.peerDependenciesMeta?.[name]?.optional === true) continue;
      found.push({ rule: 'dependencies', file, line: 1, message: `${name}: a driver is an optional peer` });
    }
  }
  for (const target of Object.values(manifest.exports ?? {})) {
    const entry = typeof target === 'string' ? undefined : target.source;
    if (entry === undefined) continue;
    const path = posix.join(dirname(file), entry);
    const [first] = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8').split('\n') : [];
    if (first === ENTRY_REFERENCE) continue;
    const message = first === undefined ? 'this entry of the package does not exist' : `a public entry begins with ${ENTRY_REFERENCE}`;
    found.push({ rule: 'entryReference', file: path, line: 1, message });
  }
  return found;
}

/** One violation as a line that an editor can jump to. */
export function format({ rule, file, line, message }: Violation): string {
  return `${file}:${line}: ${message} (${rule})`;
}
