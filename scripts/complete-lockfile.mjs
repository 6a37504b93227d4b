// `node scripts/complete-lockfile.mjs [--check]`: tools with native parts name one optional package per platform, all at one exact version.
// A registry that does not carry the packages of every platform leaves holes in package-lock.json, and then two things break: `npm ci`
// refuses the file, and on the platforms that are missing npm installs the tool without its native part. This fills the holes with what
// the names say (system, processor, C library). With `--check` it only reports, and exits with 1 when something is missing.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/run.mjs';

const file = join(root, 'package-lock.json');

/** The entry of `name`, as npm writes it for a package that it may leave out: `owner` is the entry of the tool. */
function entryOf(name, version, owner) {
  const [os, cpu, abi] = name.slice(name.indexOf('/') + 1).replace('binding-', '').split('-');
  return {
    version,
    cpu: [cpu],
    ...(owner.dev === true ? { dev: true } : {}),
    ...(os === 'linux' && abi !== undefined ? { libc: [abi.includes('musl') ? 'musl' : 'glibc'] } : {}),
    ...(owner.license === undefined ? {} : { license: owner.license }),
    optional: true,
    os: [os],
    ...(owner.engines === undefined ? {} : { engines: owner.engines }),
  };
}

const lock = JSON.parse(readFileSync(file, 'utf8'));
const { '': project, ...packages } = lock.packages;
const missing = [];
for (const [path, owner] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (!/^\d/.test(version) || packages[key] !== undefined || packages[`${path}/${key}`] !== undefined) continue;
    packages[key] = entryOf(name, version, owner);
    missing.push(`${name}@${version}`);
  }
}

if (missing.length === 0) console.log('package-lock.json names every platform');
else if (process.argv.includes('--check')) {
  console.log(`package-lock.json does not name ${missing.join(', ')}: run node scripts/complete-lockfile.mjs`);
  process.exitCode = 1;
} else {
  const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: { '': project, ...sorted } }, null, 2)}\n`);
  console.log(`added ${missing.length}: ${missing.join(', ')}`);
}
