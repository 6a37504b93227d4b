// Runs the fast tests on every Node that is supported: `npm run matrix [-- paths]`. The Nodes come from npm, where each release is a
// package per platform that holds the bare binary, so that nothing has to be installed on the machine and no install script has to run.
// They are kept in node_modules/.cache. Exits with 1 when one of them fails.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { must, npm, root, run, table, took, tool } from './lib/run.mjs';

/** The oldest release that `engines` promises, then the newest of each line. */
const VERSIONS = ['20.19.0', '22', '24', '26'];
const PATHS = ['tests/unit', 'tests/property'];
const REPORTERS = ['--reporter=default', '--reporter=./scripts/lib/summary-reporter.mjs'];

const cache = join(root, 'node_modules/.cache/millpond/nodes');

/** The package that holds the binary for this platform. The first Macs with ARM got a name of their own. */
function packageName() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  return `${platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${process.arch}`;
}

/** The binary of one release, fetched if it is not there yet. */
async function nodeBinary(version) {
  const name = packageName();
  const folder = join(cache, version);
  const binary = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--workspaces=false'];
  await must(...npm('install', '--prefix', folder, ...flags, `${name}@${version}`), { cwd: folder });
  return binary;
}

/** Runs the tests on one release and returns its row of the table. */
async function testOn(version, paths) {
  const start = performance.now();
  try {
    const binary = await nodeBinary(version);
    const exact = (await must(binary, ['--version'])).trim();
    const summary = join(tmpdir(), `millpond-matrix-${process.pid}.txt`);
    const [, vitest] = tool('vitest/vitest.mjs', 'run', '--project', 'fast', ...REPORTERS, ...paths);
    const { code, output } = await run(binary, vitest, { env: { TEST_SUMMARY: summary, NO_COLOR: '1' } });
    const words = existsSync(summary) ? readFileSync(summary, 'utf8').trim() : 'did not come to an end';
    rmSync(summary, { force: true });
    if (code !== 0) console.log(`\n---- Node ${exact}\n${output.trimEnd()}\n`);
    return { ok: code === 0, row: [exact, words, took(start), code === 0 ? 'ok' : 'FAILED'] };
  } catch (error) {
    console.log(`\n---- Node ${version}\n${error instanceof Error ? error.message : String(error)}\n`);
    return { ok: false, row: [version, 'could not run', took(start), 'FAILED'] };
  }
}

const asked = process.argv.slice(2);
const paths = asked.length > 0 ? asked : PATHS.filter((path) => existsSync(join(root, path)));
const results = [];
for (const version of VERSIONS) results.push(await testOn(version, paths));
console.log(`\n${paths.join(' ')} on every supported Node\n`);
console.log(table([['Node', 'tests', 'time', ''], ...results.map((one) => one.row)]));
process.exitCode = results.every((one) => one.ok) ? 0 : 1;
