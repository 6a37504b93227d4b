// Gets the applications ready to run: builds the packages of this repository, installs the applications with the drop-ins in place of the
// pools that they would bring (npm's `overrides` in package.json), and generates Prisma's client. What is ready already is left alone,
// except that the packages are always those of this checkout.
//
// The folder is no workspace of the repository: overrides count for a whole installation, and the benchmark needs the originals.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const consumers: string = join(root, 'consumers');
const STAMP = join(consumers, 'node_modules/.ready');
const WHAT_COUNTS = ['package.json', 'package-lock.json', 'prisma/schema.prisma'];

/** Throws with the output of whatever failed. */
export function prepare(): void {
  run(root, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b']);
  const wanted = createHash('sha256').update(WHAT_COUNTS.map((file) => readFileSync(join(consumers, file))).join('\0')).digest('hex');
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== wanted) {
    run(consumers, 'npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']);
    generate();
    writeFileSync(STAMP, wanted);
  }
  for (const [name, folder] of Object.entries(ours())) {
    const installed = join(consumers, 'node_modules', name);
    rmSync(installed, { recursive: true });
    // Not its own node_modules: a package that is installed has none.
    cpSync(join(consumers, folder), installed, { recursive: true, filter: (path) => !path.endsWith('/node_modules') });
  }
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly overrides: Readonly<Record<string, string>>;
}

/** Our packages by the name under which they are installed. */
function ours(): Record<string, string> {
  const { dependencies, overrides } = JSON.parse(readFileSync(join(consumers, 'package.json'), 'utf8')) as Manifest;
  const local = Object.entries({ ...dependencies, ...overrides }).filter(([, from]) => from.startsWith('file:'));
  return Object.fromEntries(local.map(([name, from]) => [name, from.slice('file:'.length)]));
}

/** Needs no engine, but would fetch one: it is told that there is one. */
function generate(): void {
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' };
  run(consumers, process.execPath, [join(consumers, 'node_modules/prisma/build/index.js'), 'generate', '--no-hints'], env);
}

function run(cwd: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  try {
    execFileSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${[command, ...args].join(' ')} failed in ${cwd}\n${stdout}\n${stderr}`, { cause: error });
  }
}
