// One run of tests in a tree, by a Vitest of its own that can be stopped whatever its tests do: a broken engine may well loop for ever.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A test that lasts this long does not come to its end. */
const TEST_TIMEOUT_MS = 30_000;

/** An engine that creates for ever must not take the machine along. */
const HEAP_MB = 1024;

const running = new Set();

/** Ends what still runs. */
export function stopTrials() {
  for (const child of running) kill(child);
}

/**
 * Runs `tests` (paths below `tests` without their ending) and resolves with what came of it:
 * - `{ kind: 'passed', times }`: how long each file of tests took, in ms
 * - `{ kind: 'failed', failures: [{ file, test }] }`, with `bail` the first one only
 * - `{ kind: 'hung' }`: not done within `limitMs`
 * - `{ kind: 'died', words }`: the process ended without a result, or with an error that no test handled
 * - `{ kind: 'unloadable', words }`: a file of tests could not even be loaded
 */
export async function trial(tree, tests, { limitMs, bail = true }) {
  const result = join(tree.folder, 'result.json');
  rmSync(result, { force: true });
  const args = [
    `--max-old-space-size=${HEAP_MB}`, join(tree.folder, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'fast',
    '--pool', 'threads', '--no-isolate', '--maxWorkers', '1', '--testTimeout', String(TEST_TIMEOUT_MS), '--experimental.fsModuleCache',
    '--reporter', 'json', '--outputFile', result, ...(bail ? ['--bail', '1'] : []), ...tests.map((test) => `tests/${test}.test.ts`),
  ];
  const { code, output, hung } = await watch(args, tree.folder, limitMs);
  if (hung) return { kind: 'hung' };
  if (!existsSync(result)) return { kind: 'died', words: lastWords(output) };
  const { testResults } = JSON.parse(readFileSync(result, 'utf8'));
  const unloadable = testResults.find((file) => file.status === 'failed' && file.assertionResults.length === 0);
  if (unloadable !== undefined) return { kind: 'unloadable', words: `${shortened(unloadable.name, tree)}: ${unloadable.message}` };
  const failures = testResults.flatMap((file) =>
    file.assertionResults.filter((test) => test.status === 'failed').map(
      (test) => ({ file: shortened(file.name, tree), test: test.fullName })));
  if (failures.length > 0) return { kind: 'failed', failures };
  if (code !== 0) return { kind: 'died', words: lastWords(output) };
  return { kind: 'passed', times: new Map(testResults.map((file) => [shortened(file.name, tree), file.endTime - file.startTime])) };
}

function watch(args, cwd, limitMs) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', CI: '', TEST_SUMMARY: '' };
    // A group of its own, so that it ends with all of its workers.
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
    running.add(child);
    let output = '';
    let hung = false;
    const take = (chunk) => {
      output = (output + chunk).slice(-100_000);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    const timer = setTimeout(() => {
      hung = true;
      kill(child);
    }, limitMs);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, output, hung });
    });
  });
}

function kill(child) {
  if (process.platform === 'win32') child.kill('SIGKILL');
  else process.kill(-child.pid, 'SIGKILL');
}

/** `/tmp/x/tests/unit/a.test.ts` → `unit/a` */
function shortened(path, tree) {
  const below = path.split(`${tree.folder}/tests/`).at(-1);
  return below.replace(/\.test\.ts$/, '');
}

function lastWords(output) {
  const line = output.split('\n').find((each) => /error|fatal/i.test(each));
  return (line ?? output.trim().split('\n').at(-1) ?? '').trim();
}
