import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkStructure, format, sourceFiles } from './structure.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('the house', () => {
  it('keeps its own rules: layers, sizes, form, dependencies', () => {
    expect(checkStructure(root).map(format)).toEqual([]);
  });

  it('is looked at where its code is', () => {
    const files = sourceFiles(root);
    const known = ['packages/millpond/src/index.ts', 'packages/millpond/src/engine/engine.ts', 'tests/house/scan.ts', 'scripts/matrix.mjs'];
    expect(known.filter((file) => !files.includes(file))).toEqual([]);
    expect(files.filter((file) => file.includes('fixtures'))).toEqual([]);
  });

  it('names no registry in its lockfile and no registry in its npm settings', () => {
    expect(read('package-lock.json').match(/"resolved": "https?:[^"]*/g) ?? []).toEqual([]);
    expect(read('.npmrc')).not.toMatch(/registry\s*=|:_/);
  });

  it('names the native parts of its tools for every platform in its lockfile', () => {
    const words = execFileSync(process.execPath, [join(root, 'scripts/complete-lockfile.mjs'), '--check'], { encoding: 'utf8' });
    expect(words).toBe('package-lock.json names every platform\n');
  });

  it('gives each package the licence of the repository', () => {
    const packages = ['packages/millpond', ...readdirSync(join(root, 'packages/drop-ins')).map((name) => `packages/drop-ins/${name}`)];
    for (const folder of packages) expect(read(`${folder}/LICENSE`), folder).toBe(read('LICENSE'));
  });

  it('lets each drop-in depend on the millpond of this repository', () => {
    const { version } = JSON.parse(read('packages/millpond/package.json')) as { readonly version: string };
    for (const name of readdirSync(join(root, 'packages/drop-ins'))) {
      const { dependencies } = JSON.parse(read(`packages/drop-ins/${name}/package.json`)) as { readonly dependencies: object };
      expect(dependencies, name).toEqual({ millpond: version });
    }
  });
});
