// `npm run guard`: is the hot path still as quick and as frugal as it was? Compares ratios of CPU time in one run with those of
// guard/baseline.json, and bytes per acquire with hard limits. Fails when a ratio has grown by more than a quarter or a limit is passed.
//
// Options: `--update` writes the ratios of this run as the new baseline; `--prove` also measures the pool with a promise more and with an
// object more per acquire, and fails unless the guard notices both.
//
// A measurement is a process of its own (guard/measure.mjs). Which functions the compiler inlines into which is decided anew in each: a
// time that is handed to a function which was not inlined is an object of 16 bytes, and in every second process or so two of them are. So
// one that looks slow is repeated, and of each figure the best counts: a pool that has become slower, or hungrier, is so every time.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FLAGS, HANDICAPS, measure } from './guard/measure.mjs';
import { must, root, table, took } from './lib/run.mjs';

const BASELINE = join(root, 'scripts/guard/baseline.json');
/** How much a ratio may grow. */
const TOLERANCE = 1.25;
/** Until nothing is over its limit. */
const ATTEMPTS = 12;
/** For a baseline always, so that it is no lucky one. */
const UPDATE_ATTEMPTS = 3;
/** Bytes per call that may be allocated, the promises and the awaiting function included. */
const BYTES = { 'tryAcquire + release': 130, 'acquire + release': 400, '64 workers': 1_450 };

const { values: asked } = parseArgs({
  options: { update: { type: 'boolean' }, prove: { type: 'boolean' }, measure: { type: 'boolean' }, handicap: { type: 'string' } },
});

async function measureApart(handicap) {
  const hindrance = handicap === undefined ? [] : ['--handicap', handicap];
  const output = await must(process.execPath, [...FLAGS, fileURLToPath(import.meta.url), '--measure', ...hindrance]);
  return JSON.parse(output);
}

/** The best of both, part by part. */
function better(a, b) {
  const least = (part) => Object.fromEntries(Object.entries(a[part]).map(([name, value]) => [name, Math.min(value, b[part][name])]));
  return { ratios: least('ratios'), bytes: least('bytes') };
}

/** Every figure beside its limit. */
function judge({ ratios, bytes }, baseline) {
  const row = (name, is, limit, digits) => ({ name, value: is.toFixed(digits), limit, ok: is <= limit });
  return [
    ...Object.entries(ratios).map(([name, is]) => row(name, is, baseline[name] * TOLERANCE, 2)),
    ...Object.entries(bytes).map(([name, is]) => row(`${name}, bytes`, is, BYTES[name], 0)),
  ];
}

/** Measures until nothing is over its limit, or often enough to believe it. */
async function attempt(handicap, baseline, attempts) {
  let best = await measureApart(handicap);
  for (let tries = 1; tries < attempts && judge(best, baseline).some(({ ok }) => !ok); tries++) {
    best = better(best, await measureApart(handicap));
  }
  return best;
}

async function update() {
  let best = await measureApart();
  for (let tries = 1; tries < UPDATE_ATTEMPTS; tries++) best = better(best, await measureApart());
  const rounded = Object.fromEntries(Object.entries(best.ratios).map(([name, value]) => [name, Number(value.toFixed(2))]));
  writeFileSync(BASELINE, `${JSON.stringify({ node: process.version, ratios: rounded }, undefined, 2)}\n`);
  console.log(`written: ${BASELINE}`);
}

function print(title, rows) {
  const cells = rows.map(({ name, value, limit, ok }) => [name, value, limit.toFixed(limit > 100 ? 0 : 2), ok ? 'ok' : 'OVER']);
  console.log(`${title}\n${table([['', 'is', 'at most', ''], ...cells])}\n`);
}

async function main() {
  const start = performance.now();
  await must(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'packages/millpond']);
  if (asked.update === true) return update();
  const { ratios } = JSON.parse(readFileSync(BASELINE, 'utf8'));
  const rows = judge(await attempt(undefined, ratios, ATTEMPTS), ratios);
  print('the hot path', rows);
  let good = rows.every(({ ok }) => ok);
  for (const handicap of asked.prove === true ? HANDICAPS : []) {
    const hindered = judge(await attempt(handicap, ratios, 1), ratios);
    const noticed = hindered.filter(({ ok }) => !ok).map(({ name, value }) => `${name}: ${value}`);
    console.log(noticed.length > 0 ? `noticed: one more ${handicap} (${noticed.join('; ')})` : `NOT NOTICED: one more ${handicap}`);
    good &&= noticed.length > 0;
  }
  console.log(`${good ? 'ok' : 'FAILED'} (${took(start)})`);
  process.exitCode = good ? 0 : 1;
}

if (asked.measure === true) console.log(JSON.stringify(await measure(asked.handicap)));
else await main();
process.exit();
