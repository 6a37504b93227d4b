// Breaks the engine in every way of the catalogue, one at a time, and shows that the tests notice: `npm run mutants`. A suite that passes
// says nothing as long as nobody has seen it fail. Options: `--only <text>` (mutants whose name or file contains it), `--tests <paths>`
// (only tests below these, separated by commas), `--jobs <n>` (default 2), `--list`.
//
// It works on copies (mutants/tree.mjs). The tests on which a verdict rests run on the whole engine first and have to pass there. A mutant
// names the file of tests that is likeliest to catch it, which is tried first; when that one is content, all the others follow. A mutant
// that no longer applies is a failure, so that the catalogue stays true, and so is one that no test notices.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { table, took } from './lib/run.mjs';
import { CATALOGUE } from './mutants/catalogue.mjs';
import { stopTrials, trial } from './mutants/trial.mjs';
import { Tree } from './mutants/tree.mjs';

/** How long a run of tests may take at least before it counts as hung, and how much longer than on the whole engine. */
const LEAST_LIMIT_MS = 20_000;
const SLOWER = 5;
/** Files of tests that take less run together. */
const QUICK_MS = 1_500;
/** All tests, on the whole engine. */
const CONTROL_LIMIT_MS = 600_000;

const { values: asked } = parseArgs({
  options: { only: { type: 'string' }, tests: { type: 'string' }, jobs: { type: 'string', default: '2' },
    list: { type: 'boolean', default: false } },
});

/** The whole engine must pass what a verdict rests on. Each file of tests runs here once, before it is believed. */
class Control {
  #trees;
  /** How long each file of tests took, in ms. */
  #times = new Map();

  constructor(trees) {
    this.#trees = trees;
  }

  /** Runs what did not run yet. Only called while no mutant is in a tree. */
  async check(tests) {
    const fresh = tests.filter((test) => !this.#times.has(test));
    const parts = this.#trees.map((tree, index) => ({ tree, part: fresh.filter((_, at) => at % this.#trees.length === index) }));
    await Promise.all(parts.filter(({ part }) => part.length > 0).map(({ tree, part }) => this.#checkIn(tree, part)));
  }

  /** Milliseconds that these tests took, one after the other. */
  timeOf(tests) {
    return tests.reduce((sum, test) => sum + this.#times.get(test), 0);
  }

  async #checkIn(tree, tests) {
    const outcome = await trial(tree, tests, { limitMs: CONTROL_LIMIT_MS, bail: false });
    if (outcome.kind !== 'passed') throw new Error(`Nothing is broken yet, and the tests do not pass:\n${wordsOf(outcome, true)}`);
    for (const [test, ms] of outcome.times ?? []) this.#times.set(test, ms);
  }
}

function wordsOf(outcome, all = false) {
  switch (outcome.kind) {
    case 'failed': return outcome.failures.slice(0, all ? Infinity : 1).map(({ file, test }) => `${file}: ${test}`).join('\n');
    case 'hung': return '(the tests hang)';
    case 'died': return `(the tests die: ${outcome.words})`;
    case 'unloadable': return `cannot be loaded: ${outcome.words}`;
    default: return 'NOBODY';
  }
}

/** Runs the groups of tests one after the other until one of them notices. */
async function outcomeOf(mutant, tree, groups, control) {
  const mend = tree.break(mutant);
  try {
    for (const tests of groups) {
      const outcome = await trial(tree, tests, { limitMs: LEAST_LIMIT_MS + SLOWER * control.timeOf(tests) });
      if (outcome.kind !== 'passed') return { ...outcome, tests };
    }
    return { kind: 'passed' };
  } finally {
    mend();
  }
}

/** Tries each mutant on the groups of tests that `groupsFor` gives for it, in all trees at once. Hands each outcome to `report`. */
async function tryAll(mutants, { trees, control }, groupsFor, report) {
  const queue = [...mutants];
  await Promise.all(trees.map(async (tree) => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const start = performance.now();
      report(mutant, await outcomeOf(mutant, tree, groupsFor(mutant), control), took(start));
    }
  }));
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function chosen() {
  const only = asked.only?.toLowerCase();
  const mutants = only === undefined ? CATALOGUE : CATALOGUE.filter(({ name, file }) => `${name} ${file}`.toLowerCase().includes(only));
  const names = new Set(CATALOGUE.map(({ name }) => name));
  if (names.size < CATALOGUE.length) throw new Error('Two mutants have the same name.');
  if (mutants.length === 0) throw new Error(`No mutant has ${JSON.stringify(asked.only)} in its name or file.`);
  return mutants;
}

async function main(folder) {
  const start = performance.now();
  const mutants = chosen();
  const jobs = Math.max(1, Math.min(Number(asked.jobs) || 1, mutants.length));
  const trees = Array.from({ length: jobs }, (_, index) => new Tree(join(folder, String(index))));
  const [first] = trees;
  if (first === undefined) throw new Error('there is nothing to do');
  const faults = mutants.flatMap((mutant) => {
    const fault = first.faultOf(mutant);
    return fault === undefined ? [] : [`${mutant.name}: ${fault}`];
  });
  if (faults.length > 0) throw new Error(`Not mutants of this engine (any more):\n\n${faults.join('\n\n')}`);

  const below = asked.tests?.split(',').map((path) => path.replace(/^tests\//, '')) ?? [''];
  const known = first.tests().filter((test) => below.some((path) => test.startsWith(path)));
  const control = new Control(trees);
  const rows = [];
  const stale = [];
  let failed = 0;
  const note = (mutant, outcome, time) => {
    const caught = outcome.kind !== 'passed' && outcome.kind !== 'unloadable';
    if (!caught) failed++;
    const by = outcome.kind === 'failed' ? outcome.failures[0].file : outcome.tests?.length === 1 ? outcome.tests[0] : undefined;
    if (caught && by !== undefined && by !== mutant.killer) stale.push(`${by} | ${mutant.name}`);
    rows.push([mutant.name, cut(wordsOf(outcome), 120), time]);
    console.log(`${String(rows.length).padStart(4)}/${mutants.length} ${caught ? 'caught  ' : 'SURVIVES'} ${mutant.name}`);
  };

  const hinted = mutants.filter(({ killer }) => known.includes(killer));
  const left = mutants.filter(({ killer }) => !known.includes(killer));
  const hints = [...new Set(hinted.map(({ killer }) => killer))].sort();
  console.log(`${mutants.length} mutants. First the whole engine: ${hints.length} files of tests.`);
  await control.check(hints);
  console.log(`They pass (${took(start)}).`);
  await tryAll(hinted, { trees, control }, ({ killer }) => [[killer]], (mutant, outcome, time) => {
    if (outcome.kind === 'passed') left.push(mutant);
    else note(mutant, outcome, time);
  });

  if (left.length > 0) {
    console.log(`${left.length} are to meet all tests (${known.length} files). The whole engine meets them first.`);
    await control.check(known);
    console.log(`They pass (${took(start)}).`);
    const quick = known.filter((test) => control.timeOf([test]) < QUICK_MS);
    const slow = known.filter((test) => !quick.includes(test)).sort((a, b) => control.timeOf([a]) - control.timeOf([b]));
    const groups = [quick, ...slow.map((test) => [test])].filter((tests) => tests.length > 0);
    await tryAll(left, { trees, control }, () => groups, note);
  }

  console.log(`\n${table([['what is broken', 'caught by', 'time'], ...rows.sort(([a], [b]) => a.localeCompare(b))])}`);
  if (stale.length > 0) console.log(`\nThe catalogue names another file of tests, or none, for:\n${stale.join('\n')}`);
  console.log(`\n${took(start)}\n${mutants.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (asked.list) {
  console.log(table([['what is broken', 'file'], ...CATALOGUE.map(({ name, file }) => [name, file])]));
} else {
  const folder = mkdtempSync(join(tmpdir(), 'millpond-mutants-'));
  process.on('exit', () => {
    stopTrials();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  try {
    process.exitCode = await main(folder);
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}\n0 passed, 1 failed`);
    process.exitCode = 1;
  }
}
