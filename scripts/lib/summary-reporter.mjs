// The last word of a test run: one plain line that a person, a log and a script can read. And the rule about tests that are left out: on a
// developer's machine they are listed loudly with their reason (a server's binaries are missing); where CI=true they fail the run, because
// a suite that quietly shrinks looks exactly like one that passes.

import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Environment variable that names a file to write the closing line to; `.ci/run` repeats it at its very end. */
const SUMMARY_FILE = 'TEST_SUMMARY';

/** So many of the tests that failed are named there: a log may be cut anywhere but at its end. */
const NAMED = 20;

/** What was wrong and where, in two short lines: a failure that shows itself one time in many has to be told by the log alone. */
function why(errors = []) {
  const [error] = errors;
  if (error === undefined) return '';
  const message = /.{0,200}/.exec(String(error.message ?? error))?.[0] ?? '';
  const place = error.stacks?.[0];
  return `\n        ${message}${place === undefined ? '' : `\n        at line ${place.line} of ${basename(place.file)}`}`;
}

export default class SummaryReporter {
  onInit(vitest) {
    this.vitest = vitest;
  }

  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state) => tests.filter((test) => test.result().state === state).length;
    const left = tests.filter((test) => test.result().state === 'skipped');
    const failed = count('failed') + errors.length + modules.filter((module) => module.errors().length > 0).length;
    const names = [
      ...tests.filter((test) => test.result().state === 'failed')
        .map((test) => `${test.module.relativeModuleId}: ${test.fullName}${why(test.result().errors)}`),
      ...modules.filter((module) => module.errors().length > 0)
        .map((module) => `${module.relativeModuleId}${why(module.errors())}`),
      ...errors.map((error) => `outside of a test${why([error])}`),
    ];
    const line = [`${count('passed')} passed, ${failed} failed, ${left.length} left out`, ...names.slice(0, NAMED)].join('\n    ');

    // With `-t` or `--bail` somebody has asked for a part: what is left out then needs no words.
    const asked = this.vitest.config.testNamePattern !== undefined || this.vitest.config.bail > 0;
    if (left.length > 0 && !asked) this.#reportLeftOut(left);
    console.log(`\n${line}\n`);
    const file = process.env[SUMMARY_FILE];
    if (file !== undefined && file !== '') writeFileSync(file, `${line}\n`);
  }

  #reportLeftOut(left) {
    const reasons = new Map();
    for (const test of left) {
      const reason = test.result().note ?? `${test.module.relativeModuleId}: no reason given`;
      reasons.set(reason, [...(reasons.get(reason) ?? []), test.fullName]);
    }
    console.log('\n################ NOT EVERYTHING WAS TESTED ################');
    for (const [reason, names] of reasons) {
      console.log(`${names.length} left out: ${reason}`);
      for (const name of names) console.log(`    ${name}`);
    }
    if (process.env.CI === 'true') {
      console.log('With CI=true this is a failure: install what is missing.');
      process.exitCode = 1;
    }
    console.log('###########################################################');
  }
}
