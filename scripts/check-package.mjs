// `npm run check:package [-- --only <name>]`: is what would be published what a user can use? Builds each package in an empty folder, packs
// it, and looks at the tarball from all sides: what is in it, its manifest (publint), its types (attw); at last it is installed, without a
// network, in a folder of its own and used by import, by require() and by the TypeScript compiler. Then, of the repository as a whole: its
// sizes (size-limit), and what nobody uses (knip).
//
// What users write stands in tests/packaging: `consumer` for the library; `proxy` for the proxy, whose program is run as well;
// `drop-ins/<name>` for a drop-in, which is installed under the name of what it stands in for (or the `name` in a package.json there), with
// the packages that need that one beside it.
//
// With `--pack <folder>` it also leaves the tarballs there: those files, and no others, are what a release publishes.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { must, npm, root, run, took, tool } from './lib/run.mjs';

const LIBRARY = 'packages/millpond';
const PROXY = 'packages/proxy';
const DROP_INS = 'packages/drop-ins';
/** What may be in a tarball. */
const PACKED = /^(?:package\.json|README\.md|LICENSE|src\/.+\.ts|dist\/.+\.(?:js|d\.ts)(?:\.map)?|dashboards\/.+\.json)$/;

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
const work = mkdtempSync(join(tmpdir(), 'millpond-package-'));
/** What stands in consumers beside our packages: copies of what is installed here. */
const brought = new Set();
/** By the folder of the package. */
const tarballs = new Map();

/** Everything that is published, the library first: the others are installed with it. */
function packages() {
  const found = existsSync(join(root, DROP_INS)) ? readdirSync(join(root, DROP_INS)).map((name) => `${DROP_INS}/${name}`) : [];
  return [LIBRARY, PROXY, ...found.filter((folder) => existsSync(join(root, folder, 'package.json')))];
}

const stageOf = (folder) => join(work, 'stages', basename(folder));
const consumerOf = (folder) => join(work, 'consumers', basename(folder));
const isDropIn = (folder) => folder.startsWith(DROP_INS);
const writtenFor = (folder) => {
  const own = folder === LIBRARY ? 'consumer' : basename(folder);
  return join(root, 'tests/packaging', isDropIn(folder) ? `drop-ins/${own}` : own);
};

/** The package as a clean clone would build it: no leftovers of earlier builds can get into the tarball. */
async function build(folder) {
  const stage = stageOf(folder);
  mkdirSync(stage, { recursive: true });
  for (const entry of ['package.json', 'README.md', 'LICENSE', 'src', 'dashboards']) {
    if (existsSync(join(root, folder, entry))) cpSync(join(root, folder, entry), join(stage, entry), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'), 'junction');
  const { isolatedDeclarations = true } = read(join(root, folder, 'tsconfig.json')).compilerOptions;
  const compilerOptions = {
    rootDir: 'src', outDir: 'dist', stripInternal: true, composite: false, noEmitOnError: true, isolatedDeclarations,
  };
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['src'] };
  writeFileSync(join(stage, 'tsconfig.json'), JSON.stringify(config));
  await must(...tool('typescript/bin/tsc', '-p', stage));
  rmSync(join(stage, 'node_modules'));
}

async function pack(folder) {
  const stage = stageOf(folder);
  const listing = await must(...npm('pack', '--json', '--pack-destination', work, '--ignore-scripts'), { cwd: stage });
  const [packed] = Object.values(JSON.parse(listing.slice(listing.search(/^[[{]/m))));
  tarballs.set(folder, join(work, packed.filename));
  const strays = packed.files.map((file) => file.path).filter((path) => !PACKED.test(path));
  if (strays.length > 0) throw new Error(`does not belong into the tarball: ${strays.join(', ')}`);
  return `${packed.filename}, ${packed.files.length} files, ${Math.round(packed.size / 1000)} kB`;
}

async function size() {
  await must(...tool('typescript/bin/tsc', '-b', ...packages()));
  const { output } = await run(...tool('size-limit/bin.js', '--json'));
  // Its bundler warns of what a browser could not do (import.meta), in between.
  const checks = JSON.parse(/^\[\n.*?^\]/ms.exec(output)?.[0] ?? 'null');
  if (checks === null) throw new Error(output);
  const over = checks.filter((one) => !one.passed);
  if (over.length > 0) throw new Error(over.map((one) => `${one.name}: ${one.size}, limit ${one.sizeLimit}`).join('\n'));
  const unlimited = packages().filter((folder) => !read(join(root, '.size-limit.json')).some(({ path }) => path.startsWith(`${folder}/`)));
  if (unlimited.length > 0) throw new Error(`no size limit for ${unlimited.join(', ')}`);
  return checks.map((one) => `${one.name} ${(one.size / 1000).toFixed(1)} of ${one.sizeLimit / 1000} kB`).join(', ');
}

/** A project that has nothing but the tarball, the library, what is listed beside them, Node's types and a compiler. */
async function install(folder) {
  const consumer = consumerOf(folder);
  const written = writtenFor(folder);
  if (!existsSync(written)) throw new Error(`nobody uses it: ${written} is missing`);
  mkdirSync(consumer, { recursive: true });
  cpSync(written, consumer, { recursive: true });
  const list = join(written, 'beside.json');
  const beside = existsSync(list) ? read(list) : [];
  const dependencies = { millpond: `file:${tarballs.get(LIBRARY)}` };
  // A drop-in by the name of what it stands in for, unless it stands beside that.
  const name = !isDropIn(folder) || beside.includes(basename(folder)) ? read(join(root, folder, 'package.json')).name : basename(folder);
  if (folder !== LIBRARY) dependencies[name] = `file:${tarballs.get(folder)}`;
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, version: '1.0.0', dependencies }));
  await must(...npm('install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts'), { cwd: consumer });
  const { peerDependencies = {} } = read(join(root, folder, 'package.json'));
  const along = Object.keys(peerDependencies).filter((name) => existsSync(join(consumer, 'node_modules', name)));
  if (along.length > 0) throw new Error(`${along.join(', ')} came along: a driver must be an optional peer`);
  for (const name of ['@types/node', 'undici-types', ...beside]) bring(name, join(consumer, 'node_modules'));
}

/** Copies an installed package of the repository with what it depends on; what is there already stays. */
function bring(name, modules) {
  const from = join(root, 'node_modules', name);
  if (existsSync(join(modules, name)) || !existsSync(from)) return;
  cpSync(from, join(modules, name), { recursive: true });
  brought.add(name);
  for (const each of Object.keys(read(join(from, 'package.json')).dependencies ?? {})) bring(each, modules);
}

/** As CommonJS, with the compiler of the house: `import` of ES modules from there is for TypeScript 5.8 and later. */
async function compile(folder) {
  await compileIn(consumerOf(folder), 'typescript');
}

/** As an ES module, with the oldest compiler that understands the declarations. */
async function compileWithOldest(folder) {
  const place = join(consumerOf(folder), 'as-module');
  mkdirSync(place);
  cpSync(join(writtenFor(folder), 'by-types.ts'), join(place, 'by-types.ts'));
  writeFileSync(join(place, 'package.json'), JSON.stringify({ type: 'module' }));
  await compileIn(place, '../scripts/oldest-typescript/node_modules/typescript');
}

/** The innermost package that a path leads into. */
function packageIn(path) {
  return [...path.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)\//g)].at(-1)?.[1];
}

async function compileIn(place, compiler) {
  const compilerOptions = {
    target: 'es2022', lib: ['es2022'], module: 'nodenext', types: ['node'],
    strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true,
  };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['by-types.ts'] }));
  const { code, output } = await run(...tool(`${compiler}/bin/tsc`, '-p', place, '--pretty', 'false'));
  // What an older compiler cannot read in the packages that stand beside ours is not ours to mend.
  const errors = output.split('\n').filter((line) => line.includes('error TS') && !brought.has(packageIn(line)));
  if (errors.length > 0 || (code !== 0 && !output.includes('error TS'))) throw new Error(errors.join('\n') || output);
}

async function publint(folder) {
  await must(...tool('publint/src/cli.js', 'run', tarballs.get(folder), '--strict'));
}

async function areTheTypesWrong(folder) {
  // It would compare with types of the same name from the registry; ours come with the package.
  await must(...tool('@arethetypeswrong/cli/dist/index.js', tarballs.get(folder), '--profile', 'esm-only', '--no-definitely-typed'));
}

async function knip() {
  await must(...tool('knip/bin/knip.js', '--no-progress'));
}

const use = (file) => (folder) => must(process.execPath, [file], { cwd: consumerOf(folder) });

/** The program, by the name under which npm installs it, on a configuration. */
async function runProgram(folder) {
  const consumer = consumerOf(folder);
  for (const name of Object.keys(read(join(root, folder, 'package.json')).bin ?? {})) {
    const program = join(consumer, 'node_modules/.bin', name);
    await must(program, ['--help'], { cwd: consumer });
    if (!existsSync(join(consumer, 'pgbouncer.ini'))) continue;
    await must(program, ['--version'], { cwd: consumer });
    await must(program, ['--check', 'pgbouncer.ini'], { cwd: consumer });
  }
}

/** @typedef {[string, (folder: string) => Promise<unknown>]} Step */

/** Without these there is nothing to look at. @type {Step[]} */
const FIRST = [['build', build], ['pack', pack]];
/** These run even if one of them failed: each is news. @type {Step[]} */
const THEN = [
  ['publint', publint],
  ['are the types wrong', areTheTypesWrong],
  ['install without a network', install],
  ['use by its name', runProgram],
  ['use by import', use('by-import.mjs')],
  ['use by require()', use('by-require.cjs')],
  ['use by TypeScript', compile],
  ['use by TypeScript 5.2, as an ES module', compileWithOldest],
];
const OF_ALL = [['size', size], ['unused files, exports, dependencies (knip)', knip]];

/** Runs one step and says what came out. */
async function step(name, action) {
  const start = performance.now();
  try {
    const words = await action();
    console.log(`ok      ${name} (${took(start)})${typeof words === 'string' && words.trim() !== '' ? `: ${words.trim()}` : ''}`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name} (${took(start)})\n${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
}

/** One package from its sources to its users. */
async function look(folder, isAsked) {
  const { name } = read(join(root, folder, 'package.json'));
  let good = true;
  for (const [what, action] of FIRST) good = good && await step(`${name}: ${what}`, () => action(folder));
  for (const [what, action] of good && isAsked ? THEN : []) good = await step(`${name}: ${what}`, () => action(folder)) && good;
  return good;
}

try {
  const only = option('--only');
  const asked = (folder) => only === undefined || basename(folder) === only;
  let good = true;
  // The others are compiled against the library's declarations.
  await must(...tool('typescript/bin/tsc', '-b', LIBRARY));
  for (const folder of packages()) if (folder === LIBRARY || asked(folder)) good = await look(folder, asked(folder)) && good;
  for (const [name, action] of OF_ALL) good = await step(name, action) && good;
  const destination = option('--pack');
  if (good && destination !== undefined) for (const file of tarballs.values()) cpSync(file, join(destination, basename(file)));
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
