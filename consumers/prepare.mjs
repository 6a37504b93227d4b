// Gets the applications ready to run: builds the packages of this repository, installs the applications with the drop-ins in place of the
// pools that they would bring (npm's `overrides` in package.json), and generates Prisma's client. What is ready already is left alone,
// except that the packages are always those of this checkout.
//
// The folder is no workspace of the repository: overrides count for a whole installation, and the benchmark needs the originals.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const STAMP = join(here, 'node_modules/.ready');
const WHAT_COUNTS = ['package.json', 'package-lock.json', 'prisma/schema.prisma'];

/** Throws with the output of whatever failed. */
export function prepare() {
  run(root, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b']);
  const wanted = createHash('sha256').update(WHAT_COUNTS.map((file) => readFileSync(join(here, file))).join('\0')).digest('hex');
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== wanted) {
    run(here, 'npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']);
    generate();
    writeFileSync(STAMP, wanted);
  }
  for (const [name, folder] of Object.entries(ours())) {
    const installed = join(here, 'node_modules', name);
    rmSync(installed, { recursive: true });
    // Not its own node_modules: a package that is installed has none.
    cpSync(join(here, folder), installed, { recursive: true, filter: (path) => !path.endsWith('/node_modules') });
  }
}

/** Our packages by the name under which they are installed. */
function ours() {
  const { dependencies, overrides } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  const local = Object.entries({ ...dependencies, ...overrides }).filter(([, from]) => from.startsWith('file:'));
  return Object.fromEntries(local.map(([name, from]) => [name, from.slice('file:'.length)]));
}

/** Needs no engine, but would fetch one: it is told that there is one. */
function generate() {
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' };
  run(here, process.execPath, [join(here, 'node_modules/prisma/build/index.js'), 'generate', '--no-hints'], env);
}

function run(cwd, command, args, env = {}) {
  try {
    execFileSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`${[command, ...args].join(' ')} failed in ${cwd}\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) prepare();
