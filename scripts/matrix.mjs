// Runs the fast tests on every Node that is supported: `npm run matrix [-- paths]`. The Nodes come from npm (lib/nodes.mjs). Exits with 1
// when one of them fails.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { nodeBinary } from './lib/nodes.mjs';
import { must, root, run, table, took, tool } from './lib/run.mjs';

/** The oldest release that `engines` promises, then the newest of each line. */
const VERSIONS = ['20.19.0', '22', '24', '26'];
const PATHS = ['tests/unit', 'tests/property'];
const REPORTERS = ['--reporter=default', '--reporter=./scripts/lib/summary-reporter.mjs'];

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
