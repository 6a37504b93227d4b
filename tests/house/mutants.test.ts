// The catalogue of mutants stays true: each still names one place in the sources. That tests notice each of them is `npm run mutants`.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const PATH = new URL('../../scripts/mutants/catalogue.mjs', import.meta.url).href;
const SOURCES = fileURLToPath(new URL('../../packages/millpond/src/', import.meta.url));

test('every mutant changes one place of the sources, and has a name of its own', async () => {
  const { CATALOGUE } = await import(PATH) as { readonly CATALOGUE: readonly Mutant[] };
  const astray = CATALOGUE.filter(({ file, find, replace }) => {
    return find === replace || readFileSync(`${SOURCES}${file}`, 'utf8').split(find).length !== 2;
  });
  expect(astray.map(({ name }) => name)).toEqual([]);
  const names = CATALOGUE.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
