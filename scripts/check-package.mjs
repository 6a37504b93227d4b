// `npm run check:package`: is what would be published what a user can use? Builds the package in an empty folder, packs it, and looks at
// the tarball from all sides: what is in it, its manifest (publint), its types (attw), its size (size-limit), what nobody uses (knip); at
// last it is installed, without a network, in a folder of its own and used by import, by require() and by the TypeScript compiler.
//
// With `--pack <folder>` it also leaves the tarball there: that file, and no other, is what a release publishes.

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { must, npm, root, took, tool } from './lib/run.mjs';

const PACKAGE = join(root, 'packages/millpond');
/** What may be in the tarball. */
const PACKED = /^(?:package\.json|README\.md|LICENSE|src\/.+\.ts|dist\/.+\.(?:js|d\.ts)(?:\.map)?)$/;

const work = mkdtempSync(join(tmpdir(), 'millpond-package-'));
const stage = join(work, 'package');
const consumer = join(work, 'consumer');
let tarball = '';

/** The package as a clean clone would build it: no leftovers of earlier builds can get into the tarball. */
async function build() {
  mkdirSync(stage);
  for (const entry of ['package.json', 'README.md', 'LICENSE', 'src']) {
    cpSync(join(PACKAGE, entry), join(stage, entry), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'), 'junction');
  const compilerOptions = { rootDir: 'src', outDir: 'dist', stripInternal: true, composite: false, noEmitOnError: true };
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['src'] };
  writeFileSync(join(stage, 'tsconfig.json'), JSON.stringify(config));
  await must(...tool('typescript/bin/tsc', '-p', stage));
  rmSync(join(stage, 'node_modules'));
}

async function pack() {
  const listing = await must(...npm('pack', '--json', '--pack-destination', work, '--ignore-scripts'), { cwd: stage });
  const [packed] = Object.values(JSON.parse(listing.slice(listing.search(/^[[{]/m))));
  tarball = join(work, packed.filename);
  const strays = packed.files.map((file) => file.path).filter((path) => !PACKED.test(path));
  if (strays.length > 0) throw new Error(`does not belong into the tarball: ${strays.join(', ')}`);
  return `${packed.filename}, ${packed.files.length} files, ${Math.round(packed.size / 1000)} kB`;
}

async function size() {
  await must(...tool('typescript/bin/tsc', '-b', 'packages/millpond'));
  const checks = JSON.parse(await must(...tool('size-limit/bin.js', '--json')));
  return checks.map((one) => `${one.name} ${(one.size / 1000).toFixed(1)} of ${one.sizeLimit / 1000} kB`).join(', ');
}

/** A project that has nothing but the tarball, Node's types and a compiler. */
async function install() {
  mkdirSync(consumer);
  cpSync(join(root, 'tests/packaging/consumer'), consumer, { recursive: true });
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, version: '1.0.0' }));
  await must(...npm('install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball), { cwd: consumer });
  for (const driver of ['pg', 'mysql2']) {
    if (existsSync(join(consumer, 'node_modules', driver))) throw new Error(`${driver} came along: it must be an optional peer`);
  }
  for (const name of ['@types/node', 'undici-types']) {
    mkdirSync(join(consumer, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction');
  }
}

async function compile() {
  const compilerOptions = {
    target: 'es2022', lib: ['es2022'], module: 'nodenext', types: ['node'],
    strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true,
  };
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['by-types.ts'] }));
  await must(...tool('typescript/bin/tsc', '-p', consumer));
}

async function publint() {
  await must(...tool('publint/src/cli.js', 'run', tarball, '--strict'));
}

async function areTheTypesWrong() {
  // It would compare with types of the same name from the registry; ours come with the package.
  await must(...tool('@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'esm-only', '--no-definitely-typed'));
}

async function knip() {
  await must(...tool('knip/bin/knip.js', '--no-progress'));
}

/** Without these there is nothing to look at. */
const FIRST = [['build', build], ['pack', pack]];
/** These run even if one of them failed: each is news. */
const THEN = [
  ['publint', publint],
  ['are the types wrong', areTheTypesWrong],
  ['size', size],
  ['unused files, exports, dependencies (knip)', knip],
  ['install without a network', install],
  ['use by import', () => must(process.execPath, ['by-import.mjs'], { cwd: consumer })],
  ['use by require()', () => must(process.execPath, ['by-require.cjs'], { cwd: consumer })],
  ['use by TypeScript', compile],
];

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

try {
  let good = true;
  for (const [name, action] of FIRST) good = good && await step(name, action);
  for (const [name, action] of good ? THEN : []) good = await step(name, action) && good;
  const wanted = process.argv.indexOf('--pack');
  if (good && wanted > 0) cpSync(tarball, join(process.argv[wanted + 1] ?? root, tarball.slice(work.length + 1)));
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
